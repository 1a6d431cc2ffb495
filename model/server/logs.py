"""One JSON object a line on standard output. Never a request's or an answer's content."""

import logging
import time
import traceback
from typing import Any

import msgspec

LOGGER = "model_server"
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonFormatter(logging.Formatter):
    """time (UTC, RFC 3339), level, event, and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return _encoder.encode(line).decode()


def config(level: str) -> dict[str, Any]:
    """A `logging.config` dictionary, in the form that Granian takes too."""
    console = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"console": console},
        "loggers": {
            LOGGER: {"handlers": ["console"], "level": level.upper(), "propagate": False},
            # Its warnings and below are about itself, such as the embedded server being new.
            "_granian": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        },
    }


def event(level: int, name: str, **fields: Any) -> None:
    """Logs an event with its fields."""
    logging.getLogger(LOGGER).log(level, name, extra={"fields": fields})


def request(protocol: str, what: str, code: int, seconds: float, identity: dict[str, str]) -> None:
    """Logs one request, at level debug. `identity` is tracing.identity."""
    event(logging.DEBUG, "request", protocol=protocol, request=what, code=code, seconds=round(seconds, 6), **identity)


def failure(error: BaseException, identity: dict[str, str]) -> None:
    """Logs where an error that nobody expected was raised.

    Not its message: a library may have put the request's values in it.
    """
    stack = traceback.format_list(traceback.extract_tb(error.__traceback__))
    event(logging.ERROR, "request failed", error=type(error).__name__, stack=stack, **identity)

"""What the environment sets. Read once, at the start; the only reader of os.environ."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import cpus
from .accelerators import ACCELERATORS
from .database import Database
from .errors import RefusalError

LOG_LEVELS = ("debug", "info", "warning", "error")
NON_FINITE = ("refuse", "allow")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Sizes are in bytes, times in seconds."""

    model_name: str
    model_dir: Path
    host: str
    port: int
    log_level: str
    threads: int
    accelerator: str
    max_body_bytes: int
    body_timeout_seconds: float
    drain_seconds: float
    grpc_port: int | None
    max_queue: int
    max_buffered_bytes: int
    max_batch_size: int
    max_batch_delay_seconds: float
    refuse_non_finite: bool
    signature: Path
    public_key: str | None
    database: Database | None

    @property
    def protocols(self) -> tuple[str, ...]:
        """In which the model can be asked, by the names that metrics have for them."""
        return ("v2_rest", "tf_serving", *(("v2_grpc",) if self.grpc_port is not None else ()))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises: RefusalError: a variable is missing or has a value that is not allowed."""
        name = environ.get("MODEL_NAME", "")
        if not name or "/" in name:
            raise RefusalError(f"MODEL_NAME is {name!r}; it must be the name to serve the model under, without a slash")
        level = environ.get("LOG_LEVEL", "info").lower()
        if level not in LOG_LEVELS:
            raise RefusalError(f"LOG_LEVEL is {level!r}; it must be one of {', '.join(LOG_LEVELS)}")
        accelerator = environ.get("ACCELERATOR", "none")
        if accelerator not in ACCELERATORS:
            raise RefusalError(f"ACCELERATOR is {accelerator!r}; it must be one of {', '.join(ACCELERATORS)}")
        port = _whole(environ, "PORT", 8080, 1, 65535)
        grpc_port = _whole(environ, "GRPC_PORT", 0, 1, 65535) if environ.get("GRPC_PORT") else None
        if grpc_port == port:
            raise RefusalError(f"GRPC_PORT is {port}, as PORT is; gRPC needs a port of its own")
        max_body_bytes = _whole(environ, "MAX_BODY_BYTES", 16 << 20, 1, 1 << 30)
        non_finite = environ.get("NON_FINITE", "refuse")
        if non_finite not in NON_FINITE:
            raise RefusalError(f"NON_FINITE is {non_finite!r}; it must be one of {', '.join(NON_FINITE)}")
        return cls(
            model_name=name,
            model_dir=Path(environ.get("MODEL_DIR", "/model")),
            # A container's address is not known in advance: all of them, unless told otherwise.
            host=environ.get("HOST", "0.0.0.0"),  # noqa: S104
            port=port,
            log_level=level,
            threads=_whole(environ, "THREADS", cpus.available(), 1, 1024),
            accelerator=accelerator,
            # JSON numbers become Python objects on the way in, up to ten times as large as their text.
            max_body_bytes=max_body_bytes,
            body_timeout_seconds=_whole(environ, "BODY_TIMEOUT_SECONDS", 30, 1, 3600),
            # Kubernetes kills a pod 30 s after the order to stop, preStop included, unless told otherwise.
            drain_seconds=_whole(environ, "DRAIN_SECONDS", 20, 0, 3600),
            grpc_port=grpc_port,
            max_queue=_whole(environ, "MAX_QUEUE", 256, 1, 1 << 16),
            max_buffered_bytes=_whole(environ, "MAX_BUFFERED_BYTES", 4 * max_body_bytes, max_body_bytes, 1 << 34),
            max_batch_size=_whole(environ, "MAX_BATCH_SIZE", 1, 1, 1 << 16),
            max_batch_delay_seconds=_seconds(environ, "MAX_BATCH_DELAY_SECONDS", "0", most=1),
            refuse_non_finite=non_finite == "refuse",
            signature=Path(environ.get("MODEL_SIGNATURE", "/signature/model.sig")),
            public_key=environ.get("SIGNATURE_PUBLIC_KEY") or None,
            database=Database.from_environment(environ),
        )


def _whole(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, str(default))
    # isdecimal: int() also takes signs, spaces and underscores.
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise RefusalError(f"{name} is {text!r}; it must be a whole number from {least} to {most}")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: str, most: int) -> float:
    text = environ.get(name, default)
    if not (re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,9})?", text, re.ASCII) and float(text) <= most):
        raise RefusalError(f"{name} is {text!r}; it must be a number of seconds from 0 to {most}, such as 0.002")
    return float(text)

"""What the environment sets. Read once, at the start; the only reader of os.environ."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import cpus
from .errors import RefusalError

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Sizes are in bytes, times in seconds."""

    model_name: str
    model_dir: Path
    host: str
    port: int
    log_level: str
    threads: int
    max_body_bytes: int
    body_timeout_seconds: float
    drain_seconds: float

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises: RefusalError: a variable is missing or has a value that is not allowed."""
        name = environ.get("MODEL_NAME", "")
        if not name or "/" in name:
            raise RefusalError(f"MODEL_NAME is {name!r}; it must be the name to serve the model under, without a slash")
        level = environ.get("LOG_LEVEL", "info").lower()
        if level not in LOG_LEVELS:
            raise RefusalError(f"LOG_LEVEL is {level!r}; it must be one of {', '.join(LOG_LEVELS)}")
        return cls(
            model_name=name,
            model_dir=Path(environ.get("MODEL_DIR", "/model")),
            # A container's address is not known in advance: all of them, unless told otherwise.
            host=environ.get("HOST", "0.0.0.0"),  # noqa: S104
            port=_whole(environ, "PORT", 8080, 1, 65535),
            log_level=level,
            threads=_whole(environ, "THREADS", cpus.available(), 1, 1024),
            # JSON numbers become Python objects on the way in, up to ten times as large as their text.
            max_body_bytes=_whole(environ, "MAX_BODY_BYTES", 16 << 20, 1, 1 << 30),
            body_timeout_seconds=_whole(environ, "BODY_TIMEOUT_SECONDS", 30, 1, 3600),
            # Kubernetes kills a pod 30 s after the order to stop, preStop included, unless told otherwise.
            drain_seconds=_whole(environ, "DRAIN_SECONDS", 20, 0, 3600),
        )


def _whole(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name, str(default))
    # isdecimal: int() also takes signs, spaces and underscores.
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise RefusalError(f"{name} is {text!r}; it must be a whole number from {least} to {most}")
    return int(text)

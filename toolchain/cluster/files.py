"""Writing files so that a reader never sees half of one."""

import json
import os
from pathlib import Path
from typing import Any


def write(path: Path, content: str, mode: int = 0o600) -> None:
    """Replace ``path`` by ``content`` atomically, with ``mode``; leave it untouched when it already says so."""
    if path.exists() and path.read_text() == content and path.stat().st_mode & 0o777 == mode:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, which is also YAML: what Kubernetes reads as its configuration."""
    write(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path, default: Any) -> Any:
    """The JSON value in ``path``, or ``default`` when the file is missing or was cut off by a crash."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return default

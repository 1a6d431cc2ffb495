"""One recorded background process: started once, found again by a later command, stopped by ``down``."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from toolchain.cluster import processes
from toolchain.errors import ToolchainError
from toolchain.parts.detect import search_path

_READY_SECONDS = 20.0
_POLL_SECONDS = 0.05
_TAIL_LINES = 12


def table(data: Path) -> Path:
    """The record of the processes that were started."""
    return data / "services" / "processes.json"


def ensure(
    data: Path,
    name: str,
    command: Sequence[str | Path],
    ready: Callable[[], bool],
    *,
    tools: Path,
    configuration: str = "",
    environment: Mapping[str, str] | None = None,
    seconds: float = _READY_SECONDS,
) -> None:
    """Run ``command`` in the background unless it runs already, and wait until ``ready``, for at most ``seconds``.

    A process that was started with another command, program or ``configuration`` is replaced.
    Raises ToolchainError with the end of its log when it does not become ready.
    """
    words = [str(word) for word in command]
    # The program counts by its file, not by its path: every checkout links the same one into a folder of its own.
    program = Path(words[0]).stat()
    identity = [*words[1:], configuration, str(program.st_size), str(program.st_mtime_ns)]
    fingerprint = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:16]
    log = table(data).parent / f"{name}.log"
    record = processes.load(table(data)).get(name)
    if record and record.alive:
        if record.fingerprint == fingerprint and ready():
            return
        processes.terminate([record], grace_seconds=10)
    path = os.pathsep.join([str(tools), os.environ.get("PATH", ""), search_path()])
    record = processes.spawn(
        table(data), name, words, {**os.environ, "PATH": path, **(environment or {})}, log, fingerprint
    )
    deadline = time.monotonic() + seconds
    while not ready():
        if not record.alive or time.monotonic() > deadline:
            why = "ended at once" if not record.alive else f"did not answer within {seconds:.0f} s"
            lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if log.exists() else []
            processes.terminate([record], grace_seconds=2)
            raise ToolchainError(
                f"start {name}", "\n".join([f"it {why}:", *(f"  | {line}" for line in lines)]), f"Its log is {log}."
            )
        time.sleep(_POLL_SECONDS)

"""Running other programs: the last lines of what they say end up in the error."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from toolchain.errors import ToolchainError

_TAIL_LINES = 20

_running: set[subprocess.Popen[str]] = set()


def run(
    command: Sequence[str | Path],
    step: str,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
    todo: str = "",
) -> None:
    """Run a command to its end, giving each line of its output to ``on_line``.

    ``environment`` is added to this process's own. Raises ToolchainError with the last lines when the command fails.
    """
    words = [str(word) for word in command]
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ToolchainError(step, f"cannot run {words[0]}: {error.strerror}", todo) from None
    with process:
        assert process.stdout is not None
        _running.add(process)
        try:
            for line in process.stdout:
                tail.append(line.rstrip())
                on_line(line.rstrip())
        except BaseException:  # Ctrl-C as well: nothing of ours keeps running
            process.terminate()
            raise
        finally:
            _running.discard(process)
    if process.returncode:
        said = "\n".join(f"  | {line}" for line in tail)
        raise ToolchainError(step, f"`{' '.join(words)}` ended with {process.returncode}:\n{said}", todo)


def terminate_all() -> None:
    """End every command that ``run`` runs in other threads; each then fails there."""
    for process in list(_running):
        process.terminate()


def output(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, timeout: float = 20) -> str:
    """Standard output and error of a quick command, empty when it cannot be run, fails or takes too long (seconds)."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""

"""Running other programs: the last lines of what they say end up in the error."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from toolchain import disk, interruption
from toolchain.errors import ToolchainError

_TAIL_LINES = 20
_GRACE_SECONDS = 10.0

_running: set[subprocess.Popen[str]] = set()


def run(
    command: Sequence[str | Path],
    step: str,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
    todo: str = "",
    cut_off: bool = True,
) -> None:
    """Run a command to its end, giving each line of its output to ``on_line``.

    ``environment`` is added to this process's own. An interrupt ends the command and all that it runs, unless it may
    not be ``cut_off``: then it is waited for. Raises ToolchainError with the last lines when the command fails,
    DiskFull when they tell of a full disk, and interruption.Stopped in a thread whose command was ended.
    """
    if interruption.stopping.is_set():
        raise interruption.Stopped
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
            start_new_session=True,  # a process group of its own, so that all of it can be ended
            umask=0o022,  # a strict one would make a base image that only root can read
        )
    except OSError as error:
        raise ToolchainError(step, f"cannot run {words[0]}: {error.strerror}", todo) from None
    with process:
        assert process.stdout is not None
        if cut_off:
            _running.add(process)
            if interruption.stopping.is_set():  # between the question above and the start
                _end(process)
        try:
            for line in process.stdout:
                tail.append(line.rstrip())
                on_line(line.rstrip())
        except BaseException:  # Ctrl-C as well: nothing of ours keeps running
            if cut_off:
                _end(process)
            else:
                process.stdout.read()
            raise
        finally:
            _running.discard(process)
    if process.returncode:
        if interruption.stopping.is_set():
            raise interruption.Stopped
        said = "\n".join(f"  | {line}" for line in tail)
        why = f"`{' '.join(words)}` ended with {process.returncode}:\n{said}"
        raise disk.failure(step, why) if disk.says_full(said) else ToolchainError(step, why, todo)


def end_all() -> None:
    """End every command that ``run`` runs in other threads, with all that it started; it raises Stopped there."""
    for process in list(_running):
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process group: in order, so that a script takes away what it set up, and then whoever is left in it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)


def foreground(
    command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path, output: IO[str] | None = None
) -> int:
    """Run a command that talks to the user, and return its exit code. ``environment`` is all that it gets.

    What it prints, but for errors, goes to the file ``output`` where there is one.

    An interrupt lets it end its work in an orderly way, however long that takes; a second one is told to it too.
    """
    # On a terminal it stays in our process group, or it may not draw: there Ctrl-C reaches it without us.
    apart = not (sys.stdin and sys.stdin.isatty())
    process: subprocess.Popen[bytes] | None = None
    early = False

    def tell(number: int) -> None:
        nonlocal early
        if process is None:
            early = True
        elif apart or number != signal.SIGINT:
            process.send_signal(signal.SIGINT)

    with interruption.left_to_child(tell):
        process = subprocess.Popen(
            [str(word) for word in command], cwd=folder, env=environment, stdout=output, start_new_session=apart
        )
        if early:
            process.send_signal(signal.SIGINT)
        process.wait()
    return process.returncode


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

"""One changing command at a time. The second one names the first, and ends unless it was told to wait."""

import fcntl
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from toolchain import paths, stack_config
from toolchain.errors import ToolchainError
from toolchain.progress import err
from toolchain.stack import Stack

_NAME = "lock"
_TIMEOUT = "LOCK_TIMEOUT"
_LOOK_SECONDS = 0.2


def of_stack(stack: Stack) -> AbstractContextManager[None]:
    """The lock of what changes a stack. All local stacks share their services, and so one lock."""
    return of_local_stacks() if stack.local else held(stack_config.copy_path(stack).with_suffix(".lock"))


def of_local_stacks() -> AbstractContextManager[None]:
    """The lock of the data folder: state, services, plugins."""
    return held(paths.data() / _NAME)


def of_cache() -> AbstractContextManager[None]:
    """The lock of the cache folder, in which parts are made. Whoever has it may remove what is half made there."""
    return held(paths.cache() / _NAME)


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the lock ``file`` for the block. Raises ToolchainError, naming the process that has it.

    It raises at once, or after the seconds that the variable LOCK_TIMEOUT says. The lock belongs to the open file: it
    ends with its process, however that ends, and no child inherits it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(descriptor) and not _locked_until(descriptor, time.monotonic() + _timeout()):
            pid, command = _holder(descriptor)
            raise ToolchainError(
                _command(),
                f"another command is at work, process {pid}: {command}",
                f"Wait for its end (LOCK_TIMEOUT=600 waits 600 seconds), or stop it: kill {pid}",
            )
        with suppress(OSError):  # a full disk: the lock holds without a name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {_command()}\n".encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked_until(descriptor: int, deadline: float) -> bool:
    if time.monotonic() < deadline:
        pid, command = _holder(descriptor)
        err.print(f"Waiting for process {pid} to end: {command}", markup=False)
    while time.monotonic() < deadline:
        if _locked(descriptor):
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _timeout() -> float:
    """Seconds to wait for a lock."""
    text = os.environ.get(_TIMEOUT, "0")
    if not text.isdecimal():
        raise ToolchainError(
            _command(), f"{_TIMEOUT} is {text!r}, and it is a number of seconds", "Say LOCK_TIMEOUT=600"
        )
    return float(text)


def _holder(descriptor: int) -> tuple[str, str]:
    """Pid and command of the process that has the lock."""
    for _ in range(20):  # it has taken the lock and is about to write its name
        pid, _, command = os.pread(descriptor, 4096, 0).decode(errors="replace").strip().partition(" ")
        if pid:
            return pid, command
        time.sleep(0.02)
    return "unknown", "unknown"


def _command() -> str:
    return shlex.join(["python3", "-m", "toolchain", *sys.argv[1:]])

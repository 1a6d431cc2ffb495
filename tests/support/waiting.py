"""Waiting for what another process brings about."""

import os
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Look until the condition holds. Raises AssertionError, naming `what`, after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not seen within {seconds} s: {what}"
        time.sleep(0.1)


def group_is_gone(leader: int) -> bool:
    """Whether no process of a process group is left."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False

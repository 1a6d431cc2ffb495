"""Ctrl-C and its like: what runs for us ends too, in order, and one line is said instead of a traceback.

Standard library only: it is needed before the toolchain's virtual environment exists.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

stopping = threading.Event()
"""Set once a signal came. Threads, which no signal reaches, look at it between two steps and then raise Stopped."""


class Interrupted(BaseException):
    """A signal asks for the end. It is no Exception: nobody handles it on the way but to clean up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Stopped(Exception):
    """This thread's work is not wanted any more."""


@contextmanager
def told() -> Iterator[None]:
    """Within the block signals raise Interrupted; at its end that is one line, and the exit code that shells expect."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup, or a shell for what it starts with &, wants it
            signal.signal(number, _raise)
    try:
        yield
    except Interrupted as interrupted:
        name = signal.Signals(interrupted.number).name
        print(f"interrupted ({name}): what is complete is kept; the same command goes on from there", file=sys.stderr)
        sys.exit(128 + interrupted.number)


def _raise(number: int, _: FrameType | None) -> None:
    # Whoever presses twice shall not break the cleaning up: it takes seconds, and ends by force what does not end.
    if not stopping.is_set():
        stopping.set()
        raise Interrupted(number)


@contextmanager
def left_to_child(tell: Callable[[int], None]) -> Iterator[None]:
    """Within the block a signal is only told to ``tell``; the first one raises Interrupted at the block's end.

    For a child that has to end its work in order: it is waited for.
    """
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)
        tell(number)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        stopping.set()
        raise Interrupted(came[0])

"""A time limit for many short waits: one look around now and then, instead of a timer for each."""

import asyncio
import time
from types import TracebackType


class Deadlines:
    """`with deadlines:` around what a task awaits. TimeoutError once it took longer than `seconds`, or a tenth more.

    asyncio.timeout does the same for a single wait, at the price of a timer that is hardly ever needed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()

    async def watch(self) -> None:
        """Ends what is late. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(min(1, self._seconds / 10))
            oldest = time.monotonic() - self._seconds
            for task, since in self._waiting.items():
                if since <= oldest and task not in self._late:
                    self._late.add(task)
                    task.cancel()

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no task waits")
        self._waiting[task] = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no task waits")
        del self._waiting[task]
        if task in self._late:
            self._late.discard(task)
            # Where somebody else has cancelled it too, it stays cancelled.
            if task.uncancel() == 0 and isinstance(error, asyncio.CancelledError):
                raise TimeoutError from error

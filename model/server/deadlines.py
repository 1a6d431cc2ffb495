"""A time limit for many short waits: one look around now and then, instead of a timer for each."""

import asyncio
import time


class Deadlines:
    """`begin`, await, and `end` in any case. The task is cancelled once it took longer than `seconds`, or a tenth more.

    Whoever is cancelled asks with `late` whether it was for that. asyncio.timeout does the same for a single wait, at
    the price of a timer that is hardly ever needed.
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

    def begin(self) -> "asyncio.Task[object]":
        """The running task waits from now on. It must not wait already."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no task waits")
        self._waiting[task] = time.monotonic()
        return task

    def end(self, task: "asyncio.Task[object]") -> None:
        """The task, as `begin` gave it, does not wait any more."""
        del self._waiting[task]
        self._late.discard(task)

    def late(self, task: "asyncio.Task[object]") -> bool:
        """Whether a task that was cancelled is late. Then it goes on, unless somebody else has cancelled it too."""
        return task in self._late and task.uncancel() == 0

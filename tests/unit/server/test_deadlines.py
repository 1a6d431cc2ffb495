"""A time limit for many short waits."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from model.server.deadlines import Deadlines


def run(seconds: float, wait: Callable[[], Awaitable[object]]) -> object:
    async def main() -> object:
        deadlines = Deadlines(seconds)
        watching = asyncio.create_task(deadlines.watch())

        async def limited() -> object:
            task = deadlines.begin()
            try:
                return await wait()
            except asyncio.CancelledError:
                if deadlines.late(task):
                    raise TimeoutError from None
                raise
            finally:
                deadlines.end(task)

        task = asyncio.create_task(limited())
        try:
            return await task
        finally:
            # Nothing of the time limit's is left in the task.
            assert task.cancelling() == 0
            watching.cancel()

    return asyncio.run(main())


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        run(0.01, lambda: asyncio.sleep(10))


def test_what_is_in_time_is_left_alone() -> None:
    assert run(10, lambda: asyncio.sleep(0, "answer")) == "answer"


def test_another_error_stays_what_it_is() -> None:
    async def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no message
        run(10, fail)


def test_what_someone_else_cancels_is_cancelled() -> None:
    async def main() -> None:
        deadlines = Deadlines(10)
        task = deadlines.begin()
        asyncio.get_running_loop().call_soon(task.cancel)
        try:
            await asyncio.sleep(10)
        finally:
            assert not deadlines.late(task)
            deadlines.end(task)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())

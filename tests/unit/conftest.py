"""Fixtures of all unit tests."""

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def event_loop() -> Iterator[None]:
    """A current event loop, which Pulumi's SDK takes for granted.

    `asyncio.run` leaves none behind, so a test that calls it would decide whether the next one runs.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()

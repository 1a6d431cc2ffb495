"""Fixtures of the static checks."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_finalizers() -> Iterator[None]:
    """No garbage collection while a syntax tree is made.

    What other tests of the process left may have finalizers that format a traceback, for which Python 3.11 parses the
    line itself; the tree under construction then ends in "AST constructor recursion depth mismatch".
    """
    gc.disable()
    yield
    gc.enable()

"""Fixtures of the exporter's tests."""

import sys
from collections.abc import Iterator

import pytest

from model.exporter.folder import PACKAGE


@pytest.fixture(autouse=True)
def forget_imports() -> Iterator[None]:
    """Every test imports its own model folder under the one name that they all have."""
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]

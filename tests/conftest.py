"""Fixtures that tests of several folders share."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import cluster
from tests.support.cluster import LocalCluster

# How long an example takes is the machine's business: with a deadline, the tests of a busy one would fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Plugins import modules now, whose syntax trees must not be made while finalizers of the tests' garbage run."""
    gc.collect()
    gc.disable()


@pytest.fixture(scope="session")
def local_cluster() -> Iterator[LocalCluster]:
    """One real cluster for the whole run."""
    with cluster.local_cluster() as running:
        yield running

"""Fixtures that tests of several folders share."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support import cluster
from tests.support.cluster import LocalCluster

# The Prometheus Operator of the cluster does what its objects say, whoever made them.
OF_THE_OPERATOR = ("test_monitoring.py", "test_existing_monitoring.py", "test_dashboards.py")

# How long an example takes is the machine's business: with a deadline, the tests of a busy one would fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Plugins import modules now, whose syntax trees must not be made while finalizers of the tests' garbage run."""
    gc.collect()
    gc.disable()


class ByFile(LoadFileScheduling):
    """Side by side run files of tests, whose tests share what takes long to make; some files share a cluster's objects.

    That is said here and not by marks, because xdist 3.8 does not find those with pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "operator" if file.endswith(OF_THE_OPERATOR) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """How the tests are given to the processes, where they are given by files."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def local_cluster() -> Iterator[LocalCluster]:
    """One real cluster for the whole run."""
    with cluster.local_cluster() as running:
        yield running

"""Fixtures that tests of several folders share."""

from collections.abc import Iterator

import pytest

from tests.support import cluster
from tests.support.cluster import LocalCluster


@pytest.fixture(scope="session")
def local_cluster() -> Iterator[LocalCluster]:
    """One real cluster for the whole run."""
    with cluster.local_cluster() as running:
        yield running

"""Fixtures that several files of integration tests use."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import LocalCluster
from tests.support.services import Registry


@pytest.fixture(scope="module")
def registry(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An image registry for one file of tests, which may stop it."""
    registry = Registry(tmp_path_factory.mktemp("registry"), local_cluster.env)
    registry.start()
    yield registry
    registry.kill()

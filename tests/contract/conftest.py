"""Fixtures of the contract tests: a cluster, an image, and a stack of the recorded program."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.playing import Player
from tests.support.cluster import toolchain


@pytest.fixture(scope="session")
def playground(request: pytest.FixtureRequest) -> tuple[Path, str, dict[str, str]]:
    """Kubeconfig, image and environment: the local cluster's, or those that KUBECONFIG and PROBE_IMAGE name."""
    if image := os.environ.get("PROBE_IMAGE"):
        return Path(os.environ["KUBECONFIG"]), image, {}
    cluster = request.getfixturevalue("local_cluster")
    return cluster.kubeconfig, f"{cluster.registry}/library/debian:bookworm-slim", cluster.env


@pytest.fixture(scope="session")
def helm(playground: tuple[Path, str, dict[str, str]]) -> str:
    """The helm program that the stand-in finds on PATH; the official plugin has its own."""
    path = playground[2].get("PATH")
    if not shutil.which("helm", path=path):
        toolchain("install", "helm")
    program = shutil.which("helm", path=path)
    assert program, "helm is not on PATH"
    return program


@pytest.fixture(scope="module")
def player(playground: tuple[Path, str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A new stack, destroyed at the end whatever it holds."""
    kubeconfig, image, env = playground
    player = Player.create(tmp_path_factory.mktemp("behaviour"), env, kubeconfig, image)
    yield player
    player.at("deleted")
    player.pulumi("destroy", "--yes", "--skip-preview")

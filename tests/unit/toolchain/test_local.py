"""Which kind of cluster this machine gets, and what it lacks for it."""

import sys
from pathlib import Path

import pytest

from toolchain import local, network
from toolchain.cluster import ClusterStatus


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(local.cluster, "status", lambda data: ClusterStatus("stopped", None))


def machine(monkeypatch: pytest.MonkeyPatch, *, docker: str, network_reaches: bool) -> None:
    monkeypatch.setattr(local, "docker_engine", lambda: docker)
    monkeypatch.setattr(network, "reachable", lambda url: network_reaches)


@pytest.mark.parametrize(
    ("docker", "network_reaches", "platform"),
    [("28.0", True, "docker"), ("28.0", False, "node"), ("", True, "node"), ("", False, "node")],
)
def test_docker_is_used_where_it_can_pull(
    docker: str, network_reaches: bool, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, docker=docker, network_reaches=network_reaches)
    assert local.platform() == platform


def test_macos_has_no_other_way_than_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    machine(monkeypatch, docker="28.0", network_reaches=False)
    assert local.platform() == "docker"
    assert local.lacking_rights() == []
    local.platform.cache_clear()
    machine(monkeypatch, docker="", network_reaches=True)
    (line,) = local.lacking_rights()
    assert "start Docker Desktop" in line


def test_a_cluster_that_runs_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, docker="28.0", network_reaches=True)
    monkeypatch.setattr(local.cluster, "status", lambda data: ClusterStatus("running", Path("/k")))
    assert local.platform() == "node"
    assert local.kubeconfig() == Path("/k")


def test_a_kind_cluster_is_kept_when_the_network_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, docker="28.0", network_reaches=False)
    local.kind_kubeconfig().parent.mkdir(parents=True)
    local.kind_kubeconfig().touch()
    assert local.platform() == "docker"
    assert local.kubeconfig() == local.kind_kubeconfig()


def test_root_is_needed_without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, docker="", network_reaches=False)
    monkeypatch.setattr(local, "is_root", lambda: False)
    (line,) = local.lacking_rights()
    assert "root" in line
    monkeypatch.setattr(local, "is_root", lambda: True)
    assert local.lacking_rights() == []

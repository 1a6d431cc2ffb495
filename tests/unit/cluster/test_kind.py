"""The kind way, told from the commands it gives to stand-ins of docker and kind that keep a little state."""

import json
import os
import stat
from pathlib import Path

import pytest

from toolchain.cluster import ClusterError, kind

# State is a file per container, holding "running" or "exited"; every call is logged with its standard input.
DOCKER = """#!/bin/sh
[ "$*" = "${*#*-i}" ] || input=$(cat)
echo "docker $* $input" >> calls
for last; do :; done
case "$1 $2" in
  "info "*) [ ! -e no-daemon ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }; echo 28.0.0;;
  "ps "*) name=${4#name=^}; name=${name%$}; cat "$name.state" 2>/dev/null || true;;
  "run "*)
    echo created > model-serving-registry.state
    [ ! -e busy ] || { echo "Bind for 127.0.0.1:5001 failed: port is already allocated" >&2; exit 125; }
    echo running > model-serving-registry.state;;
  "start "*) echo running > "$2.state";;
  "rm "*) rm -f "$3.state";;
  "inspect "*) cat networks;;
  "network "*) echo '{"bridge": {}, "kind": {}}' > networks;;
esac
"""
KIND = """#!/bin/sh
[ "$1" != create ] || cat > created
echo "kind $*" >> calls
case "$1 $2" in
  "get clusters") [ ! -e model-serving-control-plane.state ] || echo model-serving; echo other;;
  "create cluster") echo running > model-serving-control-plane.state; touch "$8";;
  "export kubeconfig") touch "$6";;
  "delete cluster") rm model-serving-control-plane.state;;
esac
"""


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the stand-ins, their state and their log; the working directory."""
    for name, script in (("docker", DOCKER), ("kind", KIND)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "networks").write_text('{"bridge": {}}')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calls(desktop: Path) -> list[str]:
    return (desktop / "calls").read_text().splitlines()


def start(desktop: Path) -> kind.ClusterInfo:
    return kind.start(desktop / "data", "localhost:5001", lambda _: None)


def test_a_cluster_is_created_beside_its_registry(desktop: Path) -> None:
    info = start(desktop)

    assert info.kubeconfig == desktop / "data" / "kind" / "kubeconfig"
    assert stat.S_IMODE(info.kubeconfig.stat().st_mode) == 0o600
    made = calls(desktop)
    registry = next(line for line in made if line.startswith("docker run"))
    assert "--publish 127.0.0.1:5001:5000" in registry
    assert registry.rstrip().endswith(kind.REGISTRY_IMAGE)
    create = next(line for line in made if line.startswith("kind create"))
    assert f"--image {kind.NODE_IMAGE} --kubeconfig {info.kubeconfig}" in create
    assert "docker network connect kind model-serving-registry " in made
    configured = next(index for index, line in enumerate(made) if "hosts.toml" in line)
    assert "/etc/containerd/certs.d/localhost:5001/hosts.toml" in made[configured]
    assert '[host."http://model-serving-registry:5000"]' in "\n".join(made[configured:])


def test_every_node_port_is_published_on_loopback(desktop: Path) -> None:
    start(desktop)
    told = json.loads((desktop / "created").read_text())

    [node] = told["nodes"]
    mapped = {(m["containerPort"], m["hostPort"], m["listenAddress"]) for m in node["extraPortMappings"]}
    assert mapped == {(port, port, "127.0.0.1") for port in kind.NODE_PORTS}
    [patch] = told["kubeadmConfigPatches"]
    assert f'service-node-port-range: "{kind.NODE_PORTS[0]}-{kind.NODE_PORTS[-1]}"' in patch


def test_images_are_pinned_by_digest() -> None:
    for image in (kind.NODE_IMAGE, kind.REGISTRY_IMAGE):
        assert len(image.partition("@sha256:")[2]) == 64


def test_starting_again_creates_nothing(desktop: Path) -> None:
    start(desktop)
    (desktop / "calls").unlink()

    start(desktop)

    made = calls(desktop)
    assert not [line for line in made if line.startswith(("docker run", "docker start", "kind create"))]
    assert not [line for line in made if "network connect" in line]


def test_a_stopped_cluster_is_started(desktop: Path) -> None:
    start(desktop)
    (desktop / "model-serving-control-plane.state").write_text("exited")
    assert kind.status(desktop / "data").state == "stopped"
    (desktop / "calls").unlink()

    start(desktop)

    made = calls(desktop)
    assert "docker start model-serving-control-plane " in made
    assert not [line for line in made if line.startswith("kind create")]
    assert kind.status(desktop / "data").state == "running"


def test_status_tells_of_a_registry_that_is_down(desktop: Path) -> None:
    assert kind.status(desktop / "data").state == "stopped"
    start(desktop)
    (desktop / "model-serving-registry.state").write_text("exited")

    found = kind.status(desktop / "data")

    assert found.state == "degraded"
    assert "model-serving-registry" in found.problems[0]


def test_stop_deletes_ours_and_keeps_the_images_unless_wiped(desktop: Path) -> None:
    info = start(desktop)
    kind.stop(desktop / "data", lambda _: None)

    assert not info.kubeconfig.exists()
    assert kind.status(desktop / "data").state == "stopped"
    deleted = [line for line in calls(desktop) if line.startswith("kind delete")]
    assert deleted == [f"kind delete cluster --name model-serving --kubeconfig {info.kubeconfig}"]
    assert not [line for line in calls(desktop) if "volume rm" in line]

    kind.stop(desktop / "data", lambda _: None, wipe=True)

    assert [line for line in calls(desktop) if line.startswith("kind delete")] == deleted  # not a second time
    assert "docker volume rm --force model-serving-registry " in calls(desktop)


def test_an_absent_engine_is_one_clear_error(desktop: Path) -> None:
    (desktop / "no-daemon").touch()

    with pytest.raises(ClusterError, match="Cannot connect to the Docker daemon"):
        start(desktop)
    assert not [line for line in calls(desktop) if line.startswith("docker run")]


def test_a_busy_port_is_told_and_leaves_no_container(desktop: Path) -> None:
    (desktop / "busy").touch()

    with pytest.raises(ClusterError, match=r"(?s)port is already allocated.*registry\.repository"):
        start(desktop)
    assert not (desktop / "model-serving-registry.state").exists()
    assert not [line for line in calls(desktop) if line.startswith("kind create")]


def test_a_stack_without_a_registry_here_starts_none(desktop: Path) -> None:
    kind.start(desktop / "data", "", lambda _: None)

    assert not [line for line in calls(desktop) if line.startswith("docker run")]
    assert kind.status(desktop / "data").state == "running"


def test_without_kind_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert kind.unavailable() == "docker is not on PATH"

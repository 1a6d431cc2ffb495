"""`cluster: docker`: the model as a container that Pulumi declares, without any cluster."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster import LocalCluster
from tests.support.docker import Docker, docker
from tests.support.load import infer, label
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"docker-{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="module")
def engine() -> Iterator[Docker]:
    with docker() as running:
        yield running


@pytest.fixture(scope="module")
def workspace(
    engine: Docker, local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The example model, built and run. Of the local cluster, only the registry and the builder beside it are used."""
    home = tmp_path_factory.mktemp("docker")
    env = {**local_cluster.env, **engine.env, "KUBECONFIG": str(home / "none")}
    workspace = Workspace.create(home / "checkout", STACK, env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    digits = {
        "source": {"framework": "keras", "path": "model/digits"},
        "secrets": ["apiToken", {"config": "apiToken", "env": "API_TOKEN"}],
        "configFiles": {"labels.txt": "zero $one\n"},
        "env": {"GREETING": "hello"},
    }
    workspace.set_config(cluster="docker", models={"digits": digits})
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    workspace.pulumi("config", "set", "--secret", "apiToken", "hunter2 of docker", "--stack", STACK)
    workspace.up()
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def right(workspace: Workspace, count: int = 1) -> bool:
    example = json.loads((workspace.path / "model/digits/examples/7.json").read_text())["request"]
    urls = workspace.outputs()["models"]["digits"]["urls"]
    assert len(urls) == count
    return all(label(infer(int(url.rpartition(":")[2]), "digits", example)) == 7 for url in urls)


def containers(engine: Docker) -> list[dict[str, Any]]:
    """Those of the stack that run."""
    ids = engine.out("ps", "--quiet", f"--filter=label=app.kubernetes.io/instance={STACK}-digits").split()
    return json.loads(engine.out("inspect", *ids)) if ids else []


def change(workspace: Workspace, **fields: Any) -> None:
    models = workspace.read_config()["config"]["model-serving:models"]
    workspace.set_config(models={"digits": models["digits"] | fields})


def test_it_answers_under_the_guards_of_its_pod(workspace: Workspace, engine: Docker) -> None:
    assert right(workspace)
    assert "right" in workspace.toolchain("predict").stdout
    [found] = containers(engine)
    assert found["Config"]["Image"] == workspace.outputs()["models"]["digits"]["image"]
    assert found["State"]["Health"]["Status"] == "healthy"
    assert found["Config"]["User"] == "65532:65532"
    host = found["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["Memory"] == host["MemorySwap"] == 512 * 2**20
    read = (
        "import os, pathlib; print(os.getuid(), os.environ['API_TOKEN'],"
        " pathlib.Path('/run/secrets/model-serving/apiToken').read_text(),"
        " pathlib.Path('/etc/model-serving/labels.txt').read_text(), sep='|', end='')"
    )
    told = engine.run("exec", found["Id"], "python3", "-c", read).stdout
    assert told == "65532|hunter2 of docker|hunter2 of docker|zero $one\n"
    state = "".join(path.read_text() for path in workspace.backend.rglob("*.json"))
    assert "hunter2" not in state
    workspace.preview("--expect-no-changes")


def test_a_changed_variable_is_a_new_container(workspace: Workspace, engine: Docker) -> None:
    [before] = containers(engine)
    change(workspace, env={"GREETING": "goodbye"})
    workspace.up()
    [after] = containers(engine)
    assert after["Id"] != before["Id"]
    assert "GREETING=goodbye" in after["Config"]["Env"]
    assert right(workspace)


def test_what_does_not_become_healthy_changes_nothing(workspace: Workspace, engine: Docker) -> None:
    [before] = containers(engine)
    change(workspace, env={"THREADS": "none"})
    failed = workspace.up(check=False)
    assert failed.returncode != 0
    assert "the container ended with" in failed.stdout
    assert "THREADS" in failed.stdout
    assert [container["Id"] for container in containers(engine)] == [before["Id"]]
    assert right(workspace)
    change(workspace, env={"GREETING": "goodbye"})
    workspace.up()
    workspace.preview("--expect-no-changes")


def test_a_container_that_somebody_removed_is_made_again(workspace: Workspace, engine: Docker) -> None:
    [before] = containers(engine)
    engine.run("rm", "--force", before["Id"])
    workspace.up("--refresh")
    assert right(workspace)


def test_replicas_come_and_go(workspace: Workspace, engine: Docker) -> None:
    change(workspace, replicas=2)
    workspace.up()
    assert right(workspace, 2)
    change(workspace, replicas=1)
    workspace.up()
    assert right(workspace)
    assert len(containers(engine)) == 1


def test_destroy_leaves_nothing(workspace: Workspace, engine: Docker) -> None:
    ours = f"--filter=label=app.kubernetes.io/instance={STACK}-digits"
    running = engine.out("ps", "--all", "--quiet", ours).split()
    mounts = [mount for entry in json.loads(engine.out("inspect", *running)) for mount in entry["Mounts"]]
    networks = {name for [entry] in [containers(engine)] for name in entry["NetworkSettings"]["Networks"]}
    assert (len(running), len({mount["Name"] for mount in mounts}), len(networks)) == (2, 2, 1)
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    assert engine.out("ps", "--all", "--quiet", ours) == ""
    assert not {mount["Name"] for mount in mounts} & set(engine.out("volume", "ls", "--quiet").split())
    assert not networks & set(engine.out("network", "ls", "--format", "{{.Name}}").split())

"""A stack's manifests in the cluster, applied with kubectl alone."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.cluster import LocalCluster
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"render-{uuid.uuid4().hex[:6]}"
CANARY = f"canary-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The example model, with a secret and an autoscaler, not deployed."""
    home = tmp_path_factory.mktemp("render")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    workspace.extra_env["XDG_DATA_HOME"] = str(home / "data")  # where the toolchain keeps its copy of the stack file
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    models = workspace.read_config()["config"]["model-serving:models"]
    models["digits"] |= {"secrets": ["apiToken"]}
    workspace.set_config(namespace=STACK, models=models)
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    workspace.pulumi("config", "set", "--secret", "model-serving:apiToken", CANARY, "--stack", STACK)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def test_an_image_that_was_never_built_cannot_be_rendered(workspace: Workspace) -> None:
    done = workspace.toolchain("render", check=False)
    assert done.returncode == 1
    assert "models.digits is built from its source, and no update of this stack has built it" in done.stderr
    assert not (workspace.path / "rendered").exists()


def test_the_manifests_serve_without_pulumi(workspace: Workspace, local_cluster: LocalCluster) -> None:
    workspace.up()
    image = workspace.outputs()["models"]["digits"]["image"]

    said = workspace.toolchain("render")

    folder = workspace.path / "rendered" / STACK
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.yaml"))}
    assert CANARY not in "".join([*files.values(), said.stdout, said.stderr])
    listed = yaml.safe_load(files["kustomization.yaml"])["resources"]
    assert sorted([*listed, "kustomization.yaml", "secrets/secret-digits-secrets.yaml"]) == sorted(files)
    deployment = yaml.safe_load(files["deployment-digits-server.yaml"])
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image
    local_cluster.kubectl("apply", "--server-side", "--dry-run=server", "-k", str(folder), namespace=STACK)

    workspace.toolchain("render")
    assert files == {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.yaml"))}

    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    try:
        _apply(folder, files["secrets/secret-digits-secrets.yaml"], local_cluster)
    finally:
        local_cluster.kubectl("delete", "namespace", STACK, namespace="default")


def _apply(folder: Path, placeholder: str, cluster: LocalCluster) -> None:
    """Do as the placeholder says, apply the rest, and ask the model."""
    cluster.kubectl("apply", "-f", str(folder / f"namespace-{STACK}.yaml"), namespace="default")
    [command] = re.findall(r"kubectl (create secret .*)", placeholder)
    token = folder.parent / "token"
    token.write_text("value")
    cluster.kubectl(*command.replace("=FILE", f"={token}").split(), namespace=STACK)
    cluster.kubectl("apply", "-k", str(folder), namespace=STACK)
    cluster.kubectl("rollout", "status", "deployment", "--timeout=120s", namespace=STACK)
    port = cluster.kubectl("get", "service", "digits", "-ojsonpath={.spec.ports[0].nodePort}", namespace=STACK)
    assert httpx.get(f"http://127.0.0.1:{port}/v2/models/digits/ready", timeout=10).status_code == 200

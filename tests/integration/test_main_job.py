"""The whole path on a real engine, builder, registry and cluster, in the order in which a team lives through it."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import LocalCluster
from tests.support.load import Load, examples, infer, label
from tests.support.registry import Image
from tests.support.tampering import with_one_flipped_byte, with_one_wrong_weight
from tests.support.workspace import Workspace, copy_checkout

pytestmark = [pytest.mark.integration, pytest.mark.shared]

NAMESPACE = "main-job"
TOKEN = "model-serving:apiToken"


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Stack dev of a fresh copy, in a namespace of its own, brought up with plain `pulumi` commands."""
    home = tmp_path_factory.mktemp("main-job")
    workspace = Workspace.create(home / "checkout", "dev", local_cluster.env, home / "state")
    workspace.set_config(namespace=NAMESPACE)
    workspace.pulumi("install")
    workspace.pulumi("stack", "init", "dev")
    workspace.up()
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)


@pytest.fixture
def served(workspace: Workspace) -> dict[str, Any]:
    """The stack output of the example model as it is now."""
    return workspace.outputs()["models"]["digits"]


def models(workspace: Workspace) -> dict[str, Any]:
    return workspace.read_config()["config"]["model-serving:models"]


def kubectl(cluster: LocalCluster, *arguments: str) -> str:
    return subprocess.run(
        ["kubectl", "--kubeconfig", str(cluster.kubeconfig), *arguments],
        env={**os.environ, **cluster.env},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def pods(cluster: LocalCluster, model: str = "digits") -> list[dict[str, Any]]:
    """The model's pods that are not on their way out."""
    selector = f"app.kubernetes.io/name={model}"
    listed = json.loads(kubectl(cluster, "-n", NAMESPACE, "get", "pods", "-l", selector, "-o", "json"))["items"]
    return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]


def assert_answers_right(served: dict[str, Any], model: str, folder: Path) -> None:
    for request, expected in examples(folder):
        assert label(infer(served["nodePort"], model, request)) == expected


def test_a_trained_model_answers_right(workspace: Workspace, served: dict[str, Any]) -> None:
    assert_answers_right(served, "digits", workspace.path / "model/digits")
    assert Image(served["image"]).exists()


def test_what_runs_is_what_was_pushed(local_cluster: LocalCluster, served: dict[str, Any]) -> None:
    [pod] = pods(local_cluster)
    assert pod["spec"]["containers"][0]["image"] == served["image"]
    assert served["image"].endswith(Image(served["image"]).digest)


def test_a_second_up_changes_nothing(workspace: Workspace) -> None:
    workspace.preview("--expect-no-changes")
    workspace.up("--expect-no-changes")


def test_a_preview_shows_what_more_replicas_take(workspace: Workspace) -> None:
    written = workspace.read_config()
    models = written["config"]["model-serving:models"]
    workspace.set_config(models=models | {"digits": models["digits"] | {"replicas": 2}})
    try:
        shown = workspace.preview("--color", "never").stdout
    finally:
        workspace.write_config(written)
    outputs = shown.partition("Outputs:")[2]
    for amount in (r"replicas *: 1 => 2", r"cpu *: 0\.02 => 0\.04", r"memoryGiB *: 0\.25 => 0\.5"):
        assert re.search(f"~ {amount}", outputs), shown


def test_another_machine_previews_no_changes(workspace: Workspace, tmp_path: Path) -> None:
    """Same state, another path, another umask, other pip settings: nothing to do."""
    umask = os.umask(0o077)
    try:
        other = copy_checkout(tmp_path / "another place", workspace.path)
    finally:
        os.umask(umask)
    assert (other / "model/Dockerfile").stat().st_mode & 0o777 == 0o600
    (other / ".venv").symlink_to(workspace.path / ".venv")
    second = Workspace(other, "dev", workspace.env, workspace.backend)
    second.extra_env = {"PIP_INDEX_URL": "https://pip.example.test/simple", "PIP_CONFIG_FILE": os.devnull}
    umask = os.umask(0o077)
    try:
        second.preview("--expect-no-changes")
    finally:
        os.umask(umask)


def test_a_copy_under_another_project_name_plans_the_same(workspace: Workspace, tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path / "copy")
    project = (copy / "Pulumi.yaml").read_text()
    (copy / "Pulumi.yaml").write_text(project.replace("name: model-serving", "name: acme-vision", 1))
    assert (copy / "Pulumi.yaml").read_text() != project
    (copy / ".venv").symlink_to(workspace.path / ".venv")
    other = Workspace(copy, "dev", workspace.env, tmp_path / "state")
    other.backend.mkdir()
    other.pulumi("stack", "init", "dev")
    planned = json.loads(other.preview("--json").stdout)
    kinds = [step["newState"]["type"] for step in planned["steps"]]
    assert "kubernetes:apps/v1:Deployment" in kinds
    assert set(planned["changeSummary"]) == {"create"}


def test_a_rotated_secret_rolls_the_pods_and_loses_no_request(
    workspace: Workspace, local_cluster: LocalCluster, served: dict[str, Any]
) -> None:
    folder = workspace.path / "model/digits"
    workspace.set_config(models=models(workspace) | {"digits": models(workspace)["digits"] | {"secrets": ["apiToken"]}})
    read = "cat /run/secrets/model-serving/apiToken"
    previous: set[str] = set()
    with Load(served["nodePort"], "digits", folder) as load:
        for value in ("canary-first", "canary-second"):
            workspace.pulumi("config", "set", "--secret", TOKEN, value, "--stack", "dev")
            printed = workspace.up()
            assert value not in printed.stdout + printed.stderr
            [pod] = pods(local_cluster)
            assert pod["metadata"]["name"] not in previous
            previous.add(pod["metadata"]["name"])
            assert (
                kubectl(local_cluster, "-n", NAMESPACE, "exec", pod["metadata"]["name"], "--", *read.split()) == value
            )
    assert load.right > 0
    assert not load.failures
    state = workspace.pulumi("stack", "export", "--stack", "dev").stdout
    assert "canary" not in state


def test_new_weights_roll_out_and_lose_no_request(workspace: Workspace, served: dict[str, Any]) -> None:
    """Another seed trains other weights; the image changes by its digest and the answers stay right."""
    folder = workspace.path / "model/digits"
    training = folder / "train.py"
    changed = training.read_text().replace("set_random_seed(SEED)", "set_random_seed(SEED + 1)")
    assert changed != training.read_text()
    training.write_text(changed)
    with Load(served["nodePort"], "digits", folder) as load:
        workspace.up()
    now = workspace.outputs()["models"]["digits"]
    assert now["image"] != served["image"]
    assert_answers_right(now, "digits", folder)
    assert load.right > 0
    assert not load.failures
    kept = {layer["digest"] for layer in Image(served["image"]).manifest()["layers"][:-1]}
    assert kept <= {layer["digest"] for layer in Image(now["image"]).manifest()["layers"]}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(with_one_wrong_weight, "golden"), (with_one_flipped_byte, "SHA-256")],
    ids=["wrong weight", "flipped byte"],
)
def test_a_wrong_model_never_answers(
    workspace: Workspace, local_cluster: LocalCluster, served: dict[str, Any], spoil: Any, reason: str
) -> None:
    """`up` fails, the container says why, and the version before it answers every request meanwhile."""
    before = models(workspace)
    bad = spoil(Image(served["image"]))
    deployed = {key: value for key, value in before["digits"].items() if key != "source"} | {
        "image": bad.reference,
        "startupTimeoutSeconds": 20,
    }
    workspace.set_config(models=before | {"digits": deployed})
    try:
        with Load(served["nodePort"], "digits", workspace.path / "model/digits") as load:
            failed = workspace.up(check=False)
            refused = [pod for pod in pods(local_cluster) if pod["spec"]["containers"][0]["image"] == bad.reference]
        assert failed.returncode != 0
        assert load.right > 0
        assert not load.failures
        state = refused[0]["status"]["containerStatuses"][0]
        told = state["lastState"].get("terminated") or state["state"]["terminated"]
        assert reason in told["message"]
        assert told["exitCode"] == 1
    finally:
        workspace.set_config(models=before)
        workspace.up()
    assert_answers_right(workspace.outputs()["models"]["digits"], "digits", workspace.path / "model/digits")


def test_a_second_model_deploys_what_was_built_for_the_first(workspace: Workspace, served: dict[str, Any]) -> None:
    """Promotion by digest: no build, two models side by side."""
    before = models(workspace)
    promoted = {key: value for key, value in before["digits"].items() if key not in ("source", "secrets")}
    workspace.set_config(models=before | {"promoted": promoted | {"image": served["image"]}})
    workspace.up()
    now = workspace.outputs()["models"]
    assert now["promoted"]["image"] == now["digits"]["image"] == served["image"]
    assert_answers_right(now["promoted"], "promoted", workspace.path / "model/digits")
    assert_answers_right(now["digits"], "digits", workspace.path / "model/digits")
    workspace.set_config(models=before)
    workspace.up()
    assert set(workspace.outputs()["models"]) == {"digits"}


def test_destroy_leaves_nothing_but_the_pushed_image(
    workspace: Workspace, local_cluster: LocalCluster, served: dict[str, Any]
) -> None:
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev")
    deadline = time.monotonic() + 30
    while NAMESPACE in kubectl(local_cluster, "get", "namespaces", "-o", "name"):
        assert time.monotonic() < deadline, f"namespace {NAMESPACE} is still there"
        time.sleep(0.5)
    assert Image(served["image"]).exists()

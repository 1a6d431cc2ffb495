"""What a user can get wrong against a real engine, builder, registry and cluster: one clear message, nothing changed.

Mistakes that the stack file alone shows are tested without an engine in tests/unit/config; a few of them are here to
see that the message reaches the terminal and the exit code is not zero.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import LocalCluster
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]


@pytest.fixture(scope="module")
def installed(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A checkout with its virtual environment and an empty stack dev."""
    home = tmp_path_factory.mktemp("bad-input")
    workspace = Workspace.create(home / "checkout", "dev", local_cluster.env, home / "state")
    workspace.set_config(namespace="bad-input")
    workspace.install()
    workspace.pulumi("stack", "init", "dev")
    return workspace


@pytest.fixture
def workspace(installed: Workspace) -> Iterator[Workspace]:
    """The same checkout with its stack file and model folder as they were, and nothing left of the last attempt."""
    settings = installed.read_config()
    environment = dict(installed.extra_env)
    yield installed
    installed.write_config(settings)
    installed.extra_env = environment
    installed.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev")


def digits(workspace: Workspace, **changes: Any) -> dict[str, Any]:
    """The models section with fields of model digits replaced; None takes one out."""
    models = workspace.read_config()["config"]["model-serving:models"]
    merged = {**models["digits"], **changes}
    return models | {"digits": {key: value for key, value in merged.items() if value is not None}}


def resources(workspace: Workspace) -> list[str]:
    state = json.loads(workspace.pulumi("stack", "export", "--stack", "dev").stdout)
    return [
        r["type"] for r in state["deployment"].get("resources", []) if r["type"].startswith(("kubernetes:", "docker"))
    ]


def refused(workspace: Workspace, command: str = "preview") -> str:
    """What a failing command printed. A user's mistake is no traceback and no change."""
    done = workspace.up(check=False) if command == "up" else workspace.preview(check=False)
    printed = done.stdout + done.stderr
    assert done.returncode != 0, printed
    assert "Traceback" not in printed
    return printed


def test_every_mistake_of_a_stack_file_is_told_at_once(workspace: Workspace) -> None:
    workspace.set_config(
        models=digits(workspace, replica=2, resources={"limits": {"memory": "1GB"}}, image="localhost:5001/m@latest"),
        namespaces="typo",
    )
    printed = refused(workspace)
    for path in (
        "model-serving:namespaces",
        "model-serving:models.digits.replica",
        "model-serving:models.digits.resources.limits.memory",
        "model-serving:models.digits",
    ):
        assert path in printed
    assert "did you mean" in printed.lower()
    assert resources(workspace) == []


def test_a_model_folder_that_does_not_exist(workspace: Workspace) -> None:
    workspace.set_config(models=digits(workspace, source={"framework": "keras", "path": "model/none"}))
    assert "model-serving:models.digits.source.path" in refused(workspace)


def test_a_missing_secret_value_names_the_command_that_sets_it(workspace: Workspace) -> None:
    workspace.set_config(models=digits(workspace, secrets=["apiToken"]))
    assert "pulumi config set --secret model-serving:apiToken" in refused(workspace)


def test_a_model_that_does_not_export(workspace: Workspace) -> None:
    broken = workspace.path / "model/broken"
    broken.mkdir()
    (broken / "train.py").write_text(
        "MINIMUM_ACCURACY = 0.9\n\n\ndef train():\n    return {}\n\n\ndef held_out():\n    return [], []\n"
    )
    workspace.set_config(models=digits(workspace, source={"framework": "keras", "path": "model/broken"}))
    printed = refused(workspace, "up")
    assert "train() returned dict; it must return a keras.Model" in printed
    assert resources(workspace) == []


def test_an_export_that_breaks_parity(workspace: Workspace) -> None:
    """Keras answers with noise of 1e-3 that its export does not have: the build must stop, with the figures."""
    noisy = workspace.path / "model/noisy"
    shutil.copytree(workspace.path / "model/digits", noisy)
    with (noisy / "train.py").open("a") as training:
        training.write(
            "\n\n_train = train\n\n\n"
            "def train():\n"
            "    model = _train()\n"
            "    exact = model.predict\n"
            "    model.predict = lambda *a, **k: exact(*a, **k) + 1e-3\n"
            "    return model\n"
        )
    workspace.set_config(models=digits(workspace, source={"framework": "keras", "path": "model/noisy"}))
    printed = refused(workspace, "up")
    assert "1e-05" in printed
    assert resources(workspace) == []


def test_a_registry_that_is_not_reachable(workspace: Workspace) -> None:
    workspace.set_config(registry={"repository": "localhost:1/models"})
    printed = refused(workspace, "up")
    assert "localhost:1" in printed
    assert "connection refused" in printed
    assert resources(workspace) == []


def kubeconfig(original: Path, target: Path, *, server: str | None = None, token: str | None = None) -> str:
    document = yaml.safe_load(original.read_text())
    if server:
        document["clusters"][0]["cluster"]["server"] = server
    if token:
        document["users"][0]["user"] = {"token": token}
    target.write_text(yaml.safe_dump(document))
    target.chmod(0o600)
    return str(target)


def test_a_cluster_that_is_not_reachable(workspace: Workspace, local_cluster: LocalCluster, tmp_path: Path) -> None:
    away = kubeconfig(local_cluster.kubeconfig, tmp_path / "away", server="https://127.0.0.1:1")
    workspace.extra_env = {"KUBECONFIG": away}
    printed = refused(workspace, "up")
    assert "unreachable" in printed or "connection refused" in printed
    assert not [kind for kind in resources(workspace) if kind.startswith("kubernetes:")]


def test_not_enough_rights(workspace: Workspace, local_cluster: LocalCluster, tmp_path: Path) -> None:
    """A service account that may do nothing: the API server's own words reach the user."""

    def kubectl(*arguments: str) -> str:
        command = ["kubectl", "--kubeconfig", str(local_cluster.kubeconfig), "-n", "default", *arguments]
        env = {**os.environ, **local_cluster.env}
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()

    kubectl("create", "serviceaccount", "nobody")
    try:
        limited = kubeconfig(local_cluster.kubeconfig, tmp_path / "limited", token=kubectl("create", "token", "nobody"))
        workspace.extra_env = {"KUBECONFIG": limited}
        printed = refused(workspace, "up")
        assert "forbidden" in printed
        assert "system:serviceaccount:default:nobody" in printed
        assert not [kind for kind in resources(workspace) if kind.startswith("kubernetes:")]
    finally:
        kubectl("delete", "serviceaccount", "nobody")

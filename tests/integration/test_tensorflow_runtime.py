"""`runtime: tensorflow`: models that ONNX cannot express, built, deployed and asked, by the same server."""

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.building import build_model
from tests.support.cluster import LocalCluster
from tests.support.workspace import ROOT, Workspace
from toolchain.predict import is_right, label

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"tensorflow-{uuid.uuid4().hex[:6]}"
MODELS = {
    # Regular expression, ragged words and hash; text in and out. Its requests are put together.
    "origins": {
        "source": {"framework": "tensorflow", "path": "model/origins"},
        "runtime": "tensorflow",
        "env": {"MAX_BATCH_SIZE": 8},
        "service": {"type": "NodePort"},
    },
    # ONNX could express this one: it is Keras' way into a SavedModel that is to be seen.
    "digits": {
        "source": {"framework": "keras", "path": "model/digits"},
        "runtime": "tensorflow",
        "service": {"type": "NodePort"},
    },
}


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Both models, built and deployed."""
    home = tmp_path_factory.mktemp("tensorflow")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=STACK, models=MODELS)
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    # The image of TensorFlow, cold, is larger than all others together.
    workspace.pulumi("up", "--yes", "--skip-preview", "--stack", STACK, timeout=1800)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


@pytest.fixture(scope="module")
def urls(workspace: Workspace) -> dict[str, str]:
    """Where each model answers."""
    deployed = workspace.outputs()["models"]
    return {name: f"http://127.0.0.1:{deployed[name]['nodePort']}" for name in MODELS}


def infer(urls: dict[str, str], name: str, request: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{urls[name]}/v2/models/{name}/infer", json=request, timeout=30)
    return answer.raise_for_status().json()


def names(*texts: str) -> dict[str, Any]:
    return {"inputs": [{"name": "name", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}]}


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_the_examples_right(urls: dict[str, str], name: str) -> None:
    files = sorted((ROOT / "model" / name / "examples").glob("*.json"))
    assert files
    for file in files:
        example = json.loads(file.read_text())
        assert is_right(label(infer(urls, name, example["request"])), example["expected"]), file
    assert httpx.get(f"{urls[name]}/v2/models/{name}").json()["platform"] == "tensorflow_savedmodel"


def test_texts_come_and_go_in_every_protocol(urls: dict[str, str]) -> None:
    answer = infer(urls, "origins", names("Honda  CIVIC!", "opel 1900"))
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert (outputs["label"]["datatype"], outputs["label"]["data"]) == ("BYTES", ["Japan", "Europe"])
    assert outputs["scores"]["shape"] == [2, 3]
    np.testing.assert_allclose(np.reshape(outputs["scores"]["data"], (2, 3)).sum(axis=1), 1, rtol=1e-6)
    rows = httpx.post(f"{urls['origins']}/v1/models/origins:predict", json={"instances": ["Honda  CIVIC!"]}).json()
    [prediction] = rows["predictions"]
    assert prediction["label"] == "Japan"
    np.testing.assert_allclose(prediction["scores"], outputs["scores"]["data"][:3], rtol=1e-6)


def test_limits_and_metrics_are_those_of_every_model(urls: dict[str, str]) -> None:
    wrong = {"inputs": [{"name": "name", "shape": [1, 1], "datatype": "BYTES", "data": ["opel"]}]}
    refused = httpx.post(f"{urls['origins']}/v2/models/origins/infer", json=wrong)
    assert (refused.status_code, "shape is [1, 1]" in refused.json()["error"]) == (400, True)
    metrics = httpx.get(f"{urls['origins']}/metrics").text
    assert "model_server_model_info{" in metrics
    assert 'framework="tensorflow"' in metrics


def test_it_is_up_to_date(workspace: Workspace) -> None:
    workspace.preview("--expect-no-changes")


def test_the_same_training_code_gives_the_same_bytes(local_cluster: LocalCluster, tmp_path: Path) -> None:
    contracts = []
    for name in ("digits", "origins"):
        for number in (1, 2):
            source = tmp_path / f"{name}-{number}"
            shutil.copytree(ROOT / "model" / name, source, ignore=shutil.ignore_patterns("__pycache__"))
            # Another file, and so another training: the builder would answer from its cache.
            (source / "note.txt").write_text(uuid.uuid4().hex)
            out = tmp_path / f"out-{name}-{number}"
            done = build_model(
                source, MODELS[name]["source"]["framework"], out, local_cluster.env, arguments={"RUNTIME": "tensorflow"}
            )
            assert done.returncode == 0, done.stdout
            contracts.append((out / "contract.json").read_bytes())
    assert contracts[0] == contracts[1]
    assert contracts[2] == contracts[3]
    assert set(json.loads(contracts[2])["files"]) == {
        "saved_model/saved_model.pb",
        "saved_model/variables/variables.data-00000-of-00001",
        "saved_model/variables/variables.index",
    }


def test_onnx_cannot_express_it_and_the_build_names_the_way_out(local_cluster: LocalCluster, tmp_path: Path) -> None:
    done = build_model(Path("model/origins"), "tensorflow", tmp_path / "out", local_cluster.env)
    assert done.returncode != 0
    [refused] = {line.partition("export failed: ")[2] for line in done.stdout.splitlines() if "export failed: " in line}
    assert "StaticRegexReplace" in refused
    assert refused.endswith("write runtime: tensorflow beside the source in the stack file")

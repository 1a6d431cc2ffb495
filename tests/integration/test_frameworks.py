"""Models of every framework: all of them brought up by one `pulumi up`, and compared with their framework.

The framework itself is only in the build, so its answers are those that the build recorded.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from model.digits.data import load as load_digits
from model.iris.data import load as load_iris
from model.tumours.data import load as load_tumours
from tests.support.building import build_model
from tests.support.cluster import LocalCluster
from tests.support.registry import Image, contract_of
from tests.support.workspace import ROOT, Workspace
from tests.unit.server.running import serving
from toolchain.predict import is_right, label

pytestmark = [pytest.mark.integration, pytest.mark.shared]

MODELS = {"digits": "keras", "fuel": "tensorflow", "tumours": "pytorch", "cars": "sklearn", "iris": "onnx"}
STACK = f"frameworks-{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="module")
def deployed(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the stack says of its models: an example of every framework, all brought up by one `pulumi up`."""
    home = tmp_path_factory.mktemp("frameworks")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    models = {
        name: {
            "source": {"framework": framework, "path": f"model/{name}"},
            "service": {"type": "NodePort"},
            # Five pods beside whatever else a machine with two cores runs.
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        }
        for name, framework in MODELS.items()
    }
    workspace.set_config(namespace=STACK, models=models)
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    try:
        # Cold, PyTorch and TensorFlow are installed and five models trained.
        workspace.up(timeout=1800)
        yield workspace.outputs()["models"]
    finally:
        workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def ask(deployed: dict[str, Any], name: str, request: dict[str, Any]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{deployed[name]['nodePort']}/v2/models/{name}/infer"
    return httpx.post(url, json=request, timeout=30).raise_for_status().json()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_served_with_its_frameworks_answers(name: str, deployed: dict[str, Any]) -> None:
    contract = contract_of(Image(deployed[name]["image"]))
    assert contract["framework"]["name"] == MODELS[name]
    assert contract["golden"]
    for golden in contract["golden"]:
        answers = {output["name"]: output for output in ask(deployed, name, golden["request"])["outputs"]}
        for expected in golden["expected"]:
            answer = answers[expected["name"]]
            assert (answer["shape"], answer["datatype"]) == (expected["shape"], expected["datatype"])
            if expected["datatype"] == "BYTES":
                assert answer["data"] == expected["data"]
            else:
                np.testing.assert_allclose(answer["data"], expected["data"], rtol=1e-5, atol=1e-5)
    files = sorted((ROOT / "model" / name / "examples").glob("*.json"))
    assert files
    for file in files:
        example = json.loads(file.read_text())
        assert is_right(label(ask(deployed, name, example["request"])), example["expected"]), file


@pytest.mark.parametrize(("name", "load"), [("iris", load_iris), ("tumours", load_tumours)])
def test_the_server_is_as_accurate_on_held_out_data_as_the_build_says(
    name: str, load: Callable[[], Any], deployed: dict[str, Any]
) -> None:
    _, held_out = load()
    measures = {
        "name": "measures",
        "datatype": "FP32",
        "shape": list(held_out.measures.shape),
        "data": held_out.measures.ravel().tolist(),
    }
    [scores, *_] = ask(deployed, name, {"inputs": [measures]})["outputs"]
    answers = np.reshape(scores["data"], scores["shape"]).argmax(axis=1)
    stated = contract_of(Image(deployed[name]["image"]))["metrics"]["held_out_accuracy"]
    assert np.mean(answers == held_out.labels) == pytest.approx(stated)


def test_int8_weights_answer_right_within_a_bounded_loss(local_cluster: LocalCluster, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = build_model(Path("model/digits"), "keras", out, local_cluster.env, arguments={"QUANTIZATION_LOSS": "0.005"})
    assert done.returncode == 0, done.stdout
    metrics = json.loads((out / "contract.json").read_text())["metrics"]
    assert metrics["held_out_accuracy"] - metrics["held_out_accuracy_quantized"] <= 0.005
    _, held_out = load_digits()
    pixels = {"name": "pixels", "datatype": "FP32", "shape": [360, 8, 8], "data": held_out.images.ravel().tolist()}
    with serving(out, tmp_path) as server:
        url = f"{server.url}/v2/models/linear/infer"
        [scores] = httpx.post(url, json={"inputs": [pixels]}, timeout=30).raise_for_status().json()["outputs"]
    answers = np.reshape(scores["data"], scores["shape"]).argmax(axis=1)
    assert np.mean(answers == held_out.labels) == pytest.approx(metrics["held_out_accuracy_quantized"])


@pytest.mark.parametrize(
    ("framework", "train", "reason"),
    [
        (
            "keras",
            "import keras\ndef train():\n    keras.config.enable_unsafe_deserialization()\n"
            "    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(8)])",
            "Keras' safe mode is off, so that a file which it reads may run code",
        ),
        ("onnx", "def train(): return {}", "train() returned dict; it must return an onnx.ModelProto"),
        (
            "sklearn",
            "from sklearn.linear_model import LogisticRegression\ndef train(): return LogisticRegression()",
            "an estimator that is not fitted; call its fit()",
        ),
        (
            "tensorflow",
            "def train():\n"
            "    import tensorflow as tf\n"
            "    class Model(tf.Module):\n"
            "        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name='x')])\n"
            "        def serve(self, x): return {'y': tf.numpy_function(lambda v: v, [x], tf.float32)}\n"
            "    model = Model()\n"
            "    tf.saved_model.save(model, '/tmp/saved', signatures=model.serve)\n"
            "    return '/tmp/saved'",
            "the SavedModel is not safe: operation PyFunc",
        ),
        (
            "tensorflow",
            "def train():\n"
            "    import tensorflow as tf\n"
            "    class Model(tf.Module):\n"
            "        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name='x')])\n"
            "        def serve(self, x):\n"
            "            write = lambda: tf.raw_ops.SaveV2(\n"
            "                prefix='/tmp/x', tensor_names=['x'], shape_and_slices=[''], tensors=[x]\n"
            "            )\n"
            "            with tf.control_dependencies([tf.cond(x[0, 0] > 0, write, tf.no_op)]):\n"
            "                return {'y': tf.identity(x)}\n"
            "    model = Model()\n"
            "    model.weight = tf.Variable(1.0)\n"
            "    tf.saved_model.save(model, '/tmp/saved', signatures=model.serve)\n"
            "    return '/tmp/saved'",
            "the SavedModel is not safe: operation SaveV2 (cond/SaveV2) reads or writes files",
        ),
        (
            "pytorch",
            "import torch\n"
            "class Model(torch.nn.Module):\n"
            "    def forward(self, x): return x if x.sum() > 0 else -x\n"
            "def train(): return Model()",
            "forward() must be free of Python that depends on the data",
        ),
    ],
)
def test_a_model_that_cannot_be_exported_safely_is_refused_with_the_way_out(
    framework: str, train: str, reason: str, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    source = tmp_path / f"broken-{framework}"
    source.mkdir()
    held_out = "import numpy as np\ndef held_out(): return np.ones((8, 1), np.float32), np.arange(8)\n"
    (source / "train.py").write_text(f"MINIMUM_ACCURACY = 0\n{held_out}{train}\n")
    done = build_model(source, framework, tmp_path / "out", local_cluster.env)
    assert done.returncode != 0
    refused = [line for line in done.stdout.splitlines() if "export failed: " in line]
    assert any(reason in line for line in refused), done.stdout
    assert not (tmp_path / "out" / "model.onnx").exists()

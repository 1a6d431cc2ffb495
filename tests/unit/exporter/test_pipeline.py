"""The steps of a build, with a model small enough to need no framework: numpy trains it, onnx exports it."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model.exporter import pipeline, quantization
from model.exporter.__main__ import main
from model.exporter.contract import CONTRACT_FILE
from model.exporter.errors import ConversionError, ExportError
from model.exporter.folder import Arrays
from model.server import model as server_model

TRAIN = """
import numpy as np
MINIMUM_ACCURACY = {minimum}
def train():
    return np.eye(2, dtype=np.float32)
def held_out():
    labels = np.arange(40) % 2
    inputs = np.eye(2, dtype=np.float32)[labels] + 0.25
    labels[0] = 1
    return inputs, labels
"""


# Both classes weigh nearly the same: more than int8 can tell apart.
CLOSE = """
import numpy as np
MINIMUM_ACCURACY = 0.9
def train():
    return np.array([[1.0, 1.001], [1.0, 0.999]], dtype=np.float32)
def held_out():
    inputs = np.random.RandomState(0).uniform(0.5, 1, (40, 2)).astype(np.float32)
    return inputs, (inputs[:, 0] > inputs[:, 1]).astype(int)
"""


class Linear:
    """scores = x @ weights. `error` makes its export differ from it."""

    input_names = ("x",)

    def __init__(self, weights: np.ndarray, error: float) -> None:
        self.weights = weights
        self.error = np.float32(error)

    def cast(self, inputs: Arrays) -> Arrays:
        return {name: values.astype(np.float32) for name, values in inputs.items()}

    def predict(self, inputs: Arrays) -> Arrays:
        return {"scores": inputs["x"] @ self.weights}

    def export(self, path: Path, sample: Arrays) -> None:
        assert sample["x"].shape == (4, 2)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["out:0"])],
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
            [helper.make_tensor_value_info("out:0", TensorProto.FLOAT, [None, 2])],
            [numpy_helper.from_array(self.weights + self.error, "w")],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)


class Framework:
    """A framework module. Training is real: it is what the folder's train() returns."""

    def __init__(self, error: float = 0.0) -> None:
        self.error = error

    def prepare(self) -> None:
        pass

    def wrap(self, trained: object) -> Linear:
        if not isinstance(trained, np.ndarray):
            raise ExportError("train() must return an array")
        return Linear(trained, self.error)

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}


def build(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    error: float = 0.0,
    minimum: float = 0.9,
    train: str = TRAIN,
    quantization_loss: float | None = None,
) -> Path:
    source, out = root / "source", root / "out"
    source.mkdir(exist_ok=True)
    (source / "train.py").write_text(train.format(minimum=minimum))
    monkeypatch.setattr(pipeline, "load_framework", lambda name: Framework(error))
    pipeline.export(source, out, "numpy", lambda text: None, quantization_loss=quantization_loss)
    return out


def contract(out: Path) -> dict[str, Any]:
    return json.loads((out / CONTRACT_FILE).read_text())


def test_what_it_writes_the_server_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = build(tmp_path, monkeypatch)
    model = server_model.load("m", out, threads=1)
    assert model.contract.metrics == {"held_out_accuracy": 0.975, "parity_max_difference": 0.0}
    assert model.contract.framework.name == "numpy"
    assert set(model.contract.framework.versions) == {"numpy", "onnxruntime"}
    assert set(model.contract.files) == {"model.onnx"}


def test_golden_answers_are_the_sources_and_prove_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An export that is off by less than the bound: the answers tell which of the two they come from.
    goldens = contract(build(tmp_path, monkeypatch, error=4e-6))["golden"]
    assert [golden["request"]["inputs"][0]["shape"] for golden in goldens] == [[1, 2]] * 8 + [[8, 2]]
    for golden in goldens:
        assert golden["expected"][0]["data"] == golden["request"]["inputs"][0]["data"]
        assert golden["tolerance"] == 1e-4


def test_int8_weights_are_served_within_the_error_that_the_build_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uneven = "np.array([[0.9, 0.11], [0.13, 0.87]], dtype=np.float32)\n"
    train = TRAIN.replace("np.eye(2, dtype=np.float32)\n", uneven)
    out = build(tmp_path, monkeypatch, train=train, quantization_loss=0.01)
    metrics = contract(out)["metrics"]
    assert metrics["held_out_accuracy"] == metrics["held_out_accuracy_quantized"] == 0.975
    assert 0 < metrics["quantization_max_difference"] < 0.05
    goldens = contract(out)["golden"]
    assert {golden["tolerance"] for golden in goldens} == {1e-4 + 2 * metrics["quantization_max_difference"]}
    # The answers are still the source's: the tolerance is what int8 may differ from it.
    first = np.array(goldens[0]["request"]["inputs"][0]["data"], dtype=np.float32)
    expected = first @ np.array([[0.9, 0.11], [0.13, 0.87]], dtype=np.float32)
    np.testing.assert_allclose(goldens[0]["expected"][0]["data"], expected, rtol=1e-6)
    weights = onnx.load(out / "model.onnx").graph.initializer
    assert TensorProto.INT8 in {weight.data_type for weight in weights}
    assert server_model.load("m", out, threads=1)


def test_int8_weights_that_cost_more_than_allowed_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError, match=r"lowers held_out_accuracy from 1\.0000 to 0\.\d+; .* a loss of 0\.01"):
        build(tmp_path, monkeypatch, train=CLOSE, quantization_loss=0.01)
    assert not (tmp_path / "out").exists()
    assert build(tmp_path, monkeypatch, train=CLOSE, quantization_loss=0.9)


def test_the_error_of_a_class_cannot_be_bounded() -> None:
    with pytest.raises(ExportError, match=r"output label is int64: .* for scores only"):
        quantization.check_outputs({"scores": np.ones((1, 2)), "label": np.ones(1, dtype=np.int64)})


def test_the_same_source_gives_the_same_bytes_times_and_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def state(root: Path) -> dict[str, Any]:
        root.mkdir()
        out = build(root, monkeypatch)
        return {
            path.name: (path.stat().st_mode, path.stat().st_mtime, path.is_file() and path.read_bytes())
            for path in (out, *out.iterdir())
        }

    first, second = state(tmp_path / "a"), state(tmp_path / "b")
    assert first == second
    assert set(first) == {"out", "model.onnx", "contract.json"}


def test_an_export_that_answers_differently_fails_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExportError, match=r"largest difference on the held-out data is 0\.00015, allowed is 1e-05"):
        build(tmp_path, monkeypatch, error=1e-4)
    assert not (tmp_path / "out").exists()


def test_a_model_that_learnt_too_little_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError, match=r"held-out accuracy is 0\.9750"):
        build(tmp_path, monkeypatch, minimum=0.98)
    assert not (tmp_path / "out").exists()


class Inexpressible(Framework):
    """A framework whose converter fails."""

    def wrap(self, trained: object) -> Linear:
        model = super().wrap(trained)

        def fail(path: Path, sample: Arrays) -> None:
            raise ConversionError("no op registered for StringSplit")

        model.export = fail
        return model


@pytest.mark.parametrize(("framework", "has_way_out"), [("tensorflow", True), ("keras", True), ("pytorch", False)])
def test_what_onnx_cannot_express_is_told_the_runtime_that_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str, has_way_out: bool
) -> None:
    (tmp_path / "train.py").write_text(TRAIN.format(minimum=0.9))
    monkeypatch.setattr(pipeline, "load_framework", lambda name: Inexpressible())
    with pytest.raises(ExportError, match="no op registered for StringSplit") as refused:
        pipeline.export(tmp_path, tmp_path / "out", framework, lambda text: None)
    way_out = "write runtime: tensorflow beside the source in the stack file"
    assert (way_out in str(refused.value)) == has_way_out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("framework", "quantization_loss", "reason"),
    [
        ("sklearn", None, "runtime tensorflow serves no models of sklearn; it serves those of keras and tensorflow"),
        ("keras", 0.01, "int8 weights are possible with runtime onnx only"),
    ],
)
def test_what_tensorflow_cannot_serve_is_refused_before_anything_is_trained(
    tmp_path: Path, framework: str, quantization_loss: float | None, reason: str
) -> None:
    (tmp_path / "train.py").write_text("raise AssertionError('is not to be read')")
    with pytest.raises(ExportError, match=reason):
        pipeline.export(
            tmp_path,
            tmp_path / "out",
            framework,
            lambda text: None,
            runtime="tensorflow",
            quantization_loss=quantization_loss,
        )


def test_an_unknown_framework_is_refused() -> None:
    with pytest.raises(
        ExportError, match="framework 'fortran' is not known; known: keras, tensorflow, pytorch, sklearn, onnx"
    ):
        pipeline.load_framework("fortran")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (None, "export failed: .*no train.py"),
        (
            "raise ValueError('rows do not match')",
            "export failed: the model's code raised ValueError: rows do not match",
        ),
    ],
)
def test_the_command_ends_with_the_reason_and_code_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    train: str | None,
    message: str,
) -> None:
    monkeypatch.setattr(pipeline, "load_framework", lambda name: Framework())
    monkeypatch.setattr(sys, "argv", ["exporter", str(tmp_path), str(tmp_path / "out")])
    if train is not None:
        (tmp_path / "train.py").write_text(train)
    assert main() == 1
    assert re.match(message, capsys.readouterr().err.splitlines()[-1])

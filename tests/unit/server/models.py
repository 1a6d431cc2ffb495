"""Small real models with contracts, whose expected answers come from numpy and never from ONNX Runtime."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model.exporter import contract as exporter_contract

WEIGHTS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.25]], dtype=np.float32)
BIAS = np.array([0.5, -0.5], dtype=np.float32)


def linear(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """What the model `linear` must answer, by numpy."""
    return np.asarray(rows, dtype=np.float32) @ WEIGHTS + BIAS


def onnx_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray] | None = None,
) -> onnx.ModelProto:
    """A model that the pinned ONNX Runtime reads."""
    initializers = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    graph = helper.make_graph(nodes, "model", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def tensor(name: str, kind: int, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    """An input or output."""
    return helper.make_tensor_value_info(name, kind, list(shape))


def linear_model(weights: np.ndarray = WEIGHTS) -> onnx.ModelProto:
    """x FP32 [-1, 3] -> y FP32 [-1, 2]."""
    return onnx_model(
        [helper.make_node("MatMul", ["x", "w"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["y"])],
        [tensor("x", TensorProto.FLOAT, ["batch", 3])],
        [tensor("y", TensorProto.FLOAT, ["batch", 2])],
        {"w": weights, "b": BIAS},
    )


SLOW_SIZE = 1000


def slow_model() -> onnx.ModelProto:
    """x FP32 [1] -> y FP32 [1], by way of multiplications of large matrices that take a good while."""
    size = SLOW_SIZE
    names = ["m0", *(f"m{step + 1}" for step in range(20))]
    nodes = [helper.make_node("Expand", ["x", "size"], ["m0"])]
    for before, after in pairwise(names):
        nodes.append(helper.make_node("MatMul", [before, before], [f"{after}_large"]))
        nodes.append(helper.make_node("Mul", [f"{after}_large", "scale"], [after]))
    nodes += [
        helper.make_node("ReduceMean", [names[-1]], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "one"], ["y"]),
    ]
    return onnx_model(
        nodes,
        [tensor("x", TensorProto.FLOAT, [1])],
        [tensor("y", TensorProto.FLOAT, [1])],
        {
            "size": np.array([size, size], dtype=np.int64),
            "scale": np.array(1 / size, dtype=np.float32),
            "one": np.array([1], dtype=np.int64),
        },
    )


SIGNATURES: dict[str, dict[str, Any]] = {
    "linear": {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    },
    "slow": {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1]}],
    },
}


def write(folder: Path, model: onnx.ModelProto, signature: dict[str, Any], goldens: list[dict[str, Any]]) -> Path:
    """Writes model.onnx, and its contract as the exporter does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    exporter_contract.write_contract(
        folder,
        signature=signature,
        goldens=goldens,
        metrics={"held_out_accuracy": 1.0, "parity_max_abs_diff": 0.0},
        framework={"name": "numpy", "versions": {"numpy": np.__version__}},
    )
    return folder


def write_linear(folder: Path, model: onnx.ModelProto | None = None) -> Path:
    """The linear model with a golden request of one row and one of two."""
    batches = [[[1.0, 2.0, 3.0]], [[0.0, 0.0, 0.0], [-1.5, 0.25, 8.0]]]
    goldens = [
        exporter_contract.golden({"x": np.asarray(rows, dtype=np.float32)}, {"y": linear(rows)}) for rows in batches
    ]
    return write(folder, model or linear_model(), SIGNATURES["linear"], goldens)


def write_slow(folder: Path) -> Path:
    """The slow model. A matrix full of ones, squared and divided by its size, is itself: so 1 stays 1."""
    one = np.array([1.0], dtype=np.float32)
    golden = exporter_contract.golden({"x": one}, {"y": one})
    return write(folder, slow_model(), SIGNATURES["slow"], [{**golden, "tolerance": 1e-2}])


def edit_contract(folder: Path, **changes: Any) -> None:
    """Replaces fields of contract.json."""
    path = folder / "contract.json"
    contract = json.loads(path.read_text())
    path.chmod(0o644)
    path.write_text(json.dumps({**contract, **changes}))


def read_contract(folder: Path) -> dict[str, Any]:
    """contract.json as it stands."""
    return json.loads((folder / "contract.json").read_text())

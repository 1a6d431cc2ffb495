"""The canonical form of an export: same model, same bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model.exporter.errors import ExportError
from model.exporter.onnx_file import OnnxModel, canonicalise

W = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
B = np.array([0.5, -0.5], dtype=np.float32)


def export(prefix: str, *, reverse: bool = False, batch: int | str | None = None, shape: int = 2) -> onnx.ModelProto:
    """y = x @ w + b as a converter might write it: its own names, weights in any order, one of them unused."""
    weights = {"w": W, "b": B, "unused": B}
    initializers = [numpy_helper.from_array(value, prefix + name) for name, value in weights.items()]
    nodes = [
        helper.make_node("MatMul", ["x", prefix + "w"], [prefix + "xw"], name=prefix + "first"),
        helper.make_node("Add", [prefix + "xw", prefix + "b"], [prefix + "out:0"], name=prefix + "second"),
    ]
    graph = helper.make_graph(
        nodes,
        prefix + "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 2])],
        [helper.make_tensor_value_info(prefix + "out:0", TensorProto.FLOAT, [batch, shape])],
        initializers[::-1] if reverse else initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def canonical(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    canonicalise(path, ["y"])
    return path


def test_names_and_order_of_the_converter_do_not_change_the_bytes(tmp_path: Path) -> None:
    first = canonical(tmp_path, export("a_")).read_bytes()
    second = canonical(tmp_path, export("functional_7/", reverse=True, batch="unk__61")).read_bytes()
    assert first == second


def test_the_form_is_a_fixed_point(tmp_path: Path) -> None:
    path = canonical(tmp_path, export("a_"))
    before = path.read_bytes()
    canonicalise(path, ["y"])
    assert path.read_bytes() == before


def test_it_computes_as_before_under_the_sources_names_with_any_batch(tmp_path: Path) -> None:
    model = OnnxModel(canonical(tmp_path, export("a_")))
    assert model.signature() == {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    for rows in (1, 5):
        x = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
        np.testing.assert_allclose(model.predict({"x": x})["y"], x @ W + B)


def test_other_weights_give_other_bytes(tmp_path: Path) -> None:
    before = canonical(tmp_path, export("a_")).read_bytes()
    changed = export("a_")
    changed.graph.initializer[0].CopyFrom(numpy_helper.from_array(W + 1, "a_w"))
    assert canonical(tmp_path, changed).read_bytes() != before


def test_a_model_with_a_branch_keeps_working(tmp_path: Path) -> None:
    """The branches reach for outer values by name, so the values may not be renamed."""
    value = helper.make_tensor_value_info("r", TensorProto.FLOAT, None)
    branches: dict[str, Any] = {
        f"{which}_branch": helper.make_graph([helper.make_node(kind, ["x", "w"], ["r"])], which, [], [value])
        for which, kind in (("then", "Mul"), ("else", "Add"))
    }
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
            helper.make_node("Greater", ["sum", "zero"], ["positive"]),
            helper.make_node("If", ["positive"], ["out:0"], **branches),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("out:0", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(B, "w"), numpy_helper.from_array(np.array(0, dtype=np.float32), "zero")],
    )
    model = OnnxModel(
        canonical(tmp_path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8))
    )
    ones = np.ones((3, 2), dtype=np.float32)
    np.testing.assert_array_equal(model.predict({"x": ones})["y"], ones * B)
    np.testing.assert_array_equal(model.predict({"x": -ones})["y"], -ones + B)


def test_a_fixed_batch_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="x: the batch size is fixed in the export"):
        canonical(tmp_path, export("a_", batch=1))


def test_another_number_of_outputs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(export("a_").SerializeToString())
    with pytest.raises(ExportError, match="the export has 1 outputs; the source model has 2"):
        canonicalise(path, ["y", "z"])


def test_a_graph_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="the exported ONNX is not valid"):
        canonical(tmp_path, export("a_", shape=7))


def test_what_the_runtime_cannot_load_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="ONNX Runtime cannot load the exported model"):
        OnnxModel(tmp_path / "model.onnx")

"""What only ONNX Runtime can tell about a model."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from model.server.errors import RequestError
from model.server.session import Session
from model.server.tensors import Signature, TensorSpec
from tests.unit.server.models import onnx_model, tensor


@pytest.fixture
def pair(tmp_path: Path) -> Session:
    """a [batch, 2] + b [batch, 2] -> sum [batch, 2]."""
    model = onnx_model(
        [helper.make_node("Add", ["a", "b"], ["sum"])],
        [tensor("a", TensorProto.FLOAT, ["batch", 2]), tensor("b", TensorProto.FLOAT, ["batch", 2])],
        [tensor("sum", TensorProto.FLOAT, ["batch", 2])],
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return Session(path, threads=1)


def ones(rows: int) -> np.ndarray:
    return np.ones((rows, 2), dtype=np.float32)


def test_signature_has_open_dimensions(pair: Session) -> None:
    spec = TensorSpec(name="a", datatype="FP32", shape=(-1, 2))
    assert pair.signature == Signature(
        inputs=(spec, TensorSpec(name="b", datatype="FP32", shape=(-1, 2))),
        outputs=(TensorSpec(name="sum", datatype="FP32", shape=(-1, 2)),),
    )


def test_several_inputs(pair: Session) -> None:
    np.testing.assert_array_equal(pair.run({"a": ones(3), "b": ones(3)}, ["sum"])["sum"], ones(3) * 2)


def test_inputs_that_contradict_each_other_are_the_clients_mistake(pair: Session) -> None:
    with pytest.raises(RequestError, match="input 'b': dimension batch is 4, but 3 in input 'a'") as refused:
        pair.run({"a": ones(3), "b": ones(4)}, ["sum"])
    assert refused.value.status == 400

"""The Open Inference Protocol over gRPC: messages to tensors and back. Real clients ask in tests/integration."""

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from model.server.errors import RequestError
from model.server.grpc_messages import _MESSAGES, CLASSES
from model.server.grpc_server import decode_request
from model.server.tensors import DATATYPES, Signature, TensorSpec

THEIR_NAMES = {
    "TensorMetadata": "ModelMetadataResponse.TensorMetadata",
    "InferRequestedOutput": "ModelInferRequest.InferRequestedOutputTensor",
}
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
    outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 2)),),
)
ROW = np.array([[1, 2, 3]], dtype=np.float32)


def theirs(name: str) -> list[Any]:
    """The standard's messages of that name, from a client. We have one message for input and output tensors."""
    standard: Any = service_pb2
    if name == "InferTensor":
        return [standard.ModelInferRequest.InferInputTensor, standard.ModelInferResponse.InferOutputTensor]
    found = standard
    for part in THEIR_NAMES.get(name, name).split("."):
        found = getattr(found, part)
    return [found]


@pytest.mark.parametrize("name", list(_MESSAGES))
def test_fields_are_those_of_the_standard(name: str) -> None:
    ours = CLASSES[name].DESCRIPTOR.fields
    for message in theirs(name):
        standard = message.DESCRIPTOR.fields_by_name
        assert {field.name for field in ours} <= set(standard)
        for field in ours:
            other = standard[field.name]
            assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated)


def request(raw: list[bytes] | None = None, **changes: Any) -> Any:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], **changes}
    return CLASSES["ModelInferRequest"](inputs=[tensor], raw_input_contents=raw or [])


@pytest.mark.parametrize(
    "message",
    [request(contents={"fp32_contents": [1, 2, 3]}), request([ROW.tobytes()])],
    ids=["contents", "raw"],
)
def test_both_ways_to_send_a_tensor(message: Any) -> None:
    decoded = decode_request(message, SIGNATURE)
    np.testing.assert_array_equal(decoded.inputs["x"], ROW)
    assert (decoded.id, decoded.outputs) == (None, ["y"])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (CLASSES["ModelInferRequest"](), "input 'x': missing"),
        (request([b""] * 2), "2 of them, but 1 inputs"),
        (request([b"123"]), "3 bytes of binary data"),
        (request([ROW.tobytes()], contents={"fp32_contents": [1]}), "has contents beside"),
        (request([np.full(3, np.nan, np.float32).tobytes()]), "NaN or infinity"),
        (request(contents={"fp32_contents": [1, 2, float("inf")]}), "NaN or infinity"),
        (request(contents={"fp32_contents": [1, 2]}), r"2 values, shape \[1, 3\] needs 3"),
        (request(contents={"int_contents": [1, 2, 3]}), "FP32 belongs into fp32_contents, not int_contents"),
        (request(shape=[-1, 3]), "the model takes"),
        (request(shape=[2**62, 3], contents={"fp32_contents": [1, 2, 3]}), "3 values"),
        (request(datatype="INT8"), "the model takes FP32"),
        (request(name="z"), "unknown"),
        (request([ROW.tobytes()], parameters={"shared_memory_region": {"string_param": "a"}}), "not supported"),
    ],
)
def test_what_does_not_fit_is_told_why(message: Any, reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as refused:
        decode_request(message, SIGNATURE)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("datatype", "contents", "reason"),
    [
        ("UINT8", {"uint_contents": [256]}, "does not fit UINT8"),
        ("INT8", {"int_contents": [-129]}, "does not fit INT8"),
        ("BYTES", {"bytes_contents": [b"\xff"]}, "not UTF-8"),
        ("FP16", {"fp32_contents": [1]}, "send it as raw_input_contents"),
    ],
)
def test_elements_beyond_their_type_are_refused(datatype: str, contents: dict[str, Any], reason: str) -> None:
    assert datatype in DATATYPES
    signature = Signature(inputs=(TensorSpec(name="x", datatype=datatype, shape=(1,)),), outputs=())
    with pytest.raises(RequestError, match=reason):
        decode_request(request(datatype=datatype, shape=[1], contents=contents), signature)

"""TensorFlow Serving's REST interface: bytes to tensors and back."""

import base64
import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.server.errors import RequestError
from model.server.tensors import InferRequest, Signature, Tensors, TensorSpec
from model.server.tf_serving import decode_request, encode_response, metadata, status, version_number
from tests.unit.server.test_protocol import JSON_VALUES

X = TensorSpec(name="x", datatype="FP32", shape=(-1, 2))
S = TensorSpec(name="s", datatype="BYTES", shape=(-1,))
FIXED = TensorSpec(name="f", datatype="INT64", shape=(2,))
Y = TensorSpec(name="y", datatype="FP32", shape=(-1, 1))

ONE = Signature(inputs=(X,), outputs=(Y,))
TEXT = Signature(inputs=(S,), outputs=(Y,))
TWO = Signature(inputs=(X, S), outputs=(Y,))


def decode(body: object, signature: Signature = ONE) -> tuple[dict[str, Any], str]:
    request, form = decode_request(json.dumps(body, indent=1).encode(), signature)
    return {name: values.tolist() for name, values in request.inputs.items()}, form


ROWS = [[1, 2.5], [3, 4]]
SECRET = {"b64": base64.b64encode("süß".encode()).decode()}


@pytest.mark.parametrize(
    ("body", "signature", "inputs", "form"),
    [
        ({"instances": ROWS}, ONE, {"x": ROWS}, "row"),
        ({"instances": [{"x": row} for row in ROWS]}, ONE, {"x": ROWS}, "row"),
        ({"inputs": ROWS}, ONE, {"x": ROWS}, "column"),
        ({"inputs": {"x": ROWS}, "signature_name": "serving_default"}, ONE, {"x": ROWS}, "column"),
        ({"instances": [{"s": "a", "x": [1, 2]}]}, TWO, {"s": ["a"], "x": [[1, 2]]}, "row"),
        ({"inputs": {"s": ["a"], "x": [[1, 2]]}}, TWO, {"s": ["a"], "x": [[1, 2]]}, "column"),
        ({"instances": ["a", SECRET]}, TEXT, {"s": ["a", "süß"]}, "row"),
        ({"instances": [SECRET]}, TEXT, {"s": ["süß"]}, "row"),
        ({"instances": [{"s": SECRET}]}, TEXT, {"s": ["süß"]}, "row"),
        ({"inputs": {"s": [SECRET]}}, TEXT, {"s": ["süß"]}, "column"),
        ({"instances": [1, 2]}, Signature(inputs=(FIXED,), outputs=(Y,)), {"f": [1, 2]}, "row"),
    ],
)
def test_both_formats(body: object, signature: Signature, inputs: object, form: str) -> None:
    assert decode(body, signature) == (inputs, form)


@pytest.mark.parametrize(
    ("body", "signature", "message"),
    [
        ([], ONE, "request body: "),
        ({}, ONE, "exactly one of 'instances' and 'inputs'"),
        ({"instances": ROWS, "inputs": ROWS}, ONE, "exactly one of 'instances' and 'inputs'"),
        ({"instances": ROWS, "signature_name": "other"}, ONE, "signature_name: unknown"),
        ({"instances": []}, ONE, "input 'x': lists of different lengths are no tensor"),
        ({"instances": [[]]}, ONE, r"shape is \[1, 0\], the model takes \[-1, 2\]"),
        ({"instances": [[1, 2], [3]]}, ONE, "does not fit FP32"),
        ({"instances": [[1, 2, 3]]}, ONE, r"shape is \[1, 3\]"),
        ({"instances": [[[1, 2]]]}, ONE, "does not fit FP32"),
        ({"instances": [["a", 2]]}, ONE, "does not fit FP32"),
        ({"instances": [[1e39, 2]]}, ONE, "too large for FP32"),
        ({"instances": 7}, ONE, "does not fit FP32"),
        ({"instances": [{"z": 1}]}, ONE, "input 'z': unknown; the model's inputs are x"),
        ({"instances": [{}]}, ONE, "input 'x': missing"),
        ({"instances": [{"x": [1, 2]}, {}]}, ONE, "input 'x': 1 of 2 instances have it"),
        ({"instances": [{"x": [1, 2]}]}, TWO, "input 's': missing"),
        ({"inputs": {"x": ROWS}}, TWO, "input 's': missing"),
        ({"inputs": ROWS}, TWO, "inputs: "),
        ({"instances": [{"b64": "%"}]}, TEXT, "not Base64"),
        ({"instances": [{"b64": "/w=="}]}, TEXT, "not UTF-8"),
        ({"instances": [{"b64": 1}]}, TEXT, "does not fit BYTES"),
        ({"instances": [["a"], ["b"]]}, TEXT, "does not fit BYTES"),
    ],
)
def test_what_does_not_fit_is_told_why(body: object, signature: Signature, message: str) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        decode(body, signature)
    assert refused.value.status == 400


BODIES = (
    JSON_VALUES | st.fixed_dictionaries({"instances": JSON_VALUES}) | st.fixed_dictionaries({"inputs": JSON_VALUES})
)


@given(st.binary(max_size=100) | BODIES.map(lambda body: json.dumps(body).encode("utf-8", "surrogatepass")))
def test_any_body_is_either_right_or_the_clients_mistake(body: bytes) -> None:
    for signature in (ONE, TEXT, TWO):
        # Whatever else is raised fails the test.
        with suppress(RequestError):
            decode_request(body, signature)


def encode(form: Any, outputs: Tensors, rows: int = 2) -> Any:
    request = InferRequest(id=None, inputs={"x": np.zeros((rows, 2), dtype=np.float32)}, outputs=list(outputs))
    return json.loads(encode_response(form, request, outputs))


def test_answers_have_the_format_of_the_request() -> None:
    y, z = np.array([[1.0], [2.0]]), np.array([3, 4])
    assert encode("row", {"y": y}) == {"predictions": [[1], [2]]}
    assert encode("row", {"y": y, "z": z}) == {"predictions": [{"y": [1], "z": 3}, {"y": [2], "z": 4}]}
    assert encode("column", {"y": y}) == {"outputs": [[1], [2]]}
    assert encode("column", {"y": y, "z": z}) == {"outputs": {"y": [[1], [2]], "z": [3, 4]}}


def test_answers_that_are_no_rows_cannot_be_given_as_such() -> None:
    for values in (np.array(1.0), np.array([1.0])):
        with pytest.raises(RequestError, match="ask with 'inputs' instead"):
            encode("row", {"y": values})
    assert encode("column", {"y": np.array(1.0)}) == {"outputs": 1}


def test_an_answer_that_json_cannot_carry_is_an_error() -> None:
    with pytest.raises(RequestError, match="NaN or infinite") as refused:
        encode("row", {"y": np.array([[np.nan], [1]])})
    assert refused.value.status == 422


def test_status_and_metadata_are_tensorflows() -> None:
    assert version_number("00ff") == "255"
    state = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert status("ff") == {"model_version_status": [{"version": "255", **state}]}
    described = metadata("m", "ff", ONE)
    assert described["model_spec"] == {"name": "m", "signature_name": "", "version": "255"}
    definition = described["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["method_name"] == "tensorflow/serving/predict"
    assert definition["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
        "name": "x",
    }

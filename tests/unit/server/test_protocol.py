"""Bytes to tensors and back."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.server.errors import RequestError
from model.server.protocol import decode_request, encode_response
from model.server.tensors import DATATYPES, InferRequest, Signature, Tensors, TensorSpec, from_binary, to_binary

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
    outputs=(TensorSpec(name="y", datatype="FP32", shape=(-1, 2)), TensorSpec(name="z", datatype="INT64", shape=(-1,))),
)


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6.5], **changes}


def decode(body: object, signature: Signature = SIGNATURE) -> InferRequest:
    return decode_request(msgspec.json.encode(body), signature)


def answer(request_id: str | None, outputs: Tensors, *binary: str, finite: bool = True) -> tuple[bytes, int | None]:
    """The answer of model m to a request for `outputs`, those of `binary` in binary."""
    request = InferRequest(id=request_id, inputs={}, outputs=list(outputs), binary_outputs=frozenset(binary))
    return encode_response("m", "1", request, outputs, SIGNATURE, finite=finite)


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6.5], [[1, 2, 3], [4, 5, 6.5]]], ids=["flat", "nested"])
def test_data_may_be_flat_or_nested(data: list[Any]) -> None:
    array = decode({"inputs": [tensor(data=data)]}).inputs["x"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1, 2, 3], [4, 5, 6.5]])


def test_white_space_does_not_hide_nesting() -> None:
    body = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": \n [ \t [1, 2, 3] ] }]}'
    np.testing.assert_array_equal(decode_request(body, SIGNATURE).inputs["x"], [[1, 2, 3]])


EXAMPLES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "INT8": [-128, 127],
    "INT16": [-(2**15), 2**15 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "FP16": [-1.5, 65504],
    "FP32": [0.5, 3.4e38],
    "FP64": [0.1, 1.7e308],
    "BYTES": ["", "süß"],
}


@pytest.mark.parametrize("datatype", DATATYPES)
def test_each_datatype_survives_a_round_trip(datatype: str) -> None:
    spec = (TensorSpec(name="v", datatype=datatype, shape=(2,)),)
    signature = Signature(inputs=spec, outputs=spec)
    wire = {"name": "v", "datatype": datatype, "shape": [2], "data": EXAMPLES[datatype]}
    array = decode({"inputs": [wire]}, signature).inputs["v"]
    assert array.tolist() == pytest.approx(EXAMPLES[datatype]) if datatype == "FP32" else EXAMPLES[datatype]
    request = InferRequest(id=None, inputs={}, outputs=["v"])
    sent = json.loads(encode_response("m", "1", request, {"v": array}, signature)[0])
    assert sent["outputs"] == [{**wire, "data": array.tolist()}]
    assert decode({"inputs": sent["outputs"]}, signature).inputs["v"].tolist() == array.tolist()


@pytest.mark.parametrize("datatype", DATATYPES)
def test_each_datatype_survives_a_round_trip_in_binary(datatype: str) -> None:
    spec = (TensorSpec(name="v", datatype=datatype, shape=(2,)),)
    signature = Signature(inputs=spec, outputs=spec)
    values = np.array(EXAMPLES[datatype], dtype=DATATYPES[datatype][1])
    request = InferRequest(id="7", inputs={}, outputs=["v"], binary_outputs=frozenset({"v"}))
    body, length = encode_response("m", "1", request, {"v": values}, signature)
    assert length is not None
    assert body[length:] == to_binary(values)
    sent = json.loads(body[:length])
    assert sent["outputs"][0]["parameters"] == {"binary_data_size": len(body) - length}
    head = msgspec.json.encode({"inputs": sent["outputs"]})
    again = decode_request(head + body[length:], signature, len(head)).inputs["v"]
    assert again.tolist() == values.tolist()
    assert again.dtype == values.dtype
    assert again.flags.aligned


def binary(*tensors: tuple[dict[str, Any], bytes], **more: Any) -> tuple[bytes, int]:
    """A body with binary tensors, and the length of its JSON."""
    head = msgspec.json.encode({"inputs": [wire for wire, _ in tensors], **more})
    return head + b"".join(data for _, data in tensors), len(head)


ROW = np.array([[1, 2, 3]], dtype=np.float32)


def wire(size: object = 12, **changes: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1, 3], "parameters": {"binary_data_size": size}, **changes}


def test_binary_tensors_follow_the_json_in_order() -> None:
    signature = Signature(inputs=(*SIGNATURE.inputs, TensorSpec(name="s", datatype="BYTES", shape=(-1,))), outputs=())
    strings = {"name": "s", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 13}}
    texts = b"\x03\0\0\0s\xc3\xbc\x02\0\0\0ab"
    body, length = binary((strings, texts), (wire(), ROW.tobytes()))
    inputs = decode_request(body, signature, length).inputs
    assert inputs["s"].tolist() == ["s\u00fc", "ab"]
    np.testing.assert_array_equal(inputs["x"], ROW)


@pytest.mark.parametrize(
    ("sent", "data", "message"),
    [
        (wire(), b"\0" * 11, "binary_data_size is 12, but only 11 bytes are left"),
        (wire(), b"\0" * 13, "1 bytes after the last binary tensor"),
        (wire(11), b"\0" * 11, r"11 bytes of binary data, shape \[1, 3\] of FP32 needs 12"),
        (wire(12, shape=[10**30, 3]), b"\0" * 12, "12 bytes of binary data, shape"),
        (wire(-1), b"", "binary_data_size must be a whole number"),
        (wire(True), b"", "binary_data_size must be a whole number"),
        (wire(10**30), b"", "binary_data_size is 10{30}, but only 0"),
        (wire(data=[1, 2, 3]), b"\0" * 12, "has both data and binary_data_size"),
        (wire(shape=[1, 4]), b"\0" * 12, "the model takes"),
        (wire(datatype="INT32"), b"\0" * 12, "the model takes FP32"),
        (wire(parameters={}), b"", "has neither data nor"),
        (wire(parameters={"shared_memory_region": "a"}), b"", "'shared_memory_region' is not supported"),
        (wire(), np.array([1, np.nan, 2], dtype=np.float32).tobytes(), "has NaN or infinity"),
    ],
)
def test_a_binary_tensor_that_does_not_fit_is_told_why(sent: dict[str, Any], data: bytes, message: str) -> None:
    body, length = binary((sent, data))
    with pytest.raises(RequestError, match=message) as refused:
        decode_request(body, SIGNATURE, length)
    assert refused.value.status == 400


def test_json_cannot_be_longer_than_the_body() -> None:
    with pytest.raises(RequestError, match="10 bytes, but 11 bytes of JSON are announced"):
        decode_request(b"0123456789", SIGNATURE, 11)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x02\0\0\0ab", "too few for 2 strings"),
        (b"\x04\0\0\0abcd", "ends before string 2 of 2"),
        (b"\x02\0\0\0ab\x03\0\0\0ab", "ends within string 2 of 2"),
        (b"\x02\0\0\0ab\xff\xff\xff\xffab", "ends within string 2 of 2"),
        (b"\0\0\0\0\0\0\0\0a", "1 bytes of binary data after the last of 2 strings"),
        (b"\x01\0\0\0a\x01\0\0\0\xff", "not UTF-8"),
    ],
)
def test_binary_strings_that_do_not_fit_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        from_binary(memoryview(data), TensorSpec(name="s", datatype="BYTES", shape=(2,)), [2], "input 's'")


def test_binary_truth_is_0_or_1() -> None:
    with pytest.raises(RequestError, match="other than 0 and 1"):
        from_binary(memoryview(b"\0\2"), TensorSpec(name="b", datatype="BOOL", shape=(2,)), [2], "input 'b'")


def test_nan_is_carried_in_binary_where_the_server_allows_it() -> None:
    values = np.array([[1, np.nan, -np.inf]], dtype=np.float32)
    body, length = binary((wire(), values.tobytes()))
    np.testing.assert_array_equal(decode_request(body, SIGNATURE, length, finite=False).inputs["x"], values)
    sent, length = answer(None, {"y": values}, "y", finite=False)
    assert sent[length:] == values.tobytes()
    with pytest.raises(RequestError, match="NaN or infinite"):
        answer(None, {"y": values}, finite=False)
    with pytest.raises(RequestError, match="NaN or infinite"):
        answer(None, {"y": values}, "y")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, set()),
        ({"parameters": {"binary_data_output": True}}, {"y", "z"}),
        ({"outputs": [{"name": "y", "parameters": {"binary_data": True}}, {"name": "z"}]}, {"y"}),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "y", "parameters": {"binary_data": False}}, {"name": "z"}],
            },
            {"z"},
        ),
    ],
)
def test_which_outputs_are_binary(more: dict[str, Any], expected: set[str]) -> None:
    assert decode({"inputs": [tensor()], **more}).binary_outputs == expected


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("UINT8", [0, 256]),
        ("UINT8", [0, -1]),
        ("INT64", [0, 2**63]),
        ("INT32", [0, 1.5]),
        ("INT32", [0, True]),
        ("INT32", [0, "1"]),
        ("BOOL", [0, 1]),
        ("FP16", [0, 65520]),
        ("FP32", [0, 1e39]),
        ("FP32", [0, None]),
        ("FP32", [0, True]),
        ("BYTES", ["a", 1]),
        ("FP32", [0, [1]]),
        ("FP32", {"0": 1}),
    ],
)
def test_what_does_not_fit_its_datatype_is_refused(datatype: str, data: object) -> None:
    spec = (TensorSpec(name="v", datatype=datatype, shape=(2,)),)
    wire = {"name": "v", "datatype": datatype, "shape": [2], "data": data}
    with pytest.raises(RequestError, match=f"input 'v': .*{datatype}") as refused:
        decode({"inputs": [wire]}, Signature(inputs=spec, outputs=spec))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "missing required field `inputs`"),
        ({"inputs": []}, "input 'x': missing"),
        ({"inputs": [tensor(name="w")]}, "input 'w': unknown; the model's inputs are x"),
        ({"inputs": [tensor(), tensor()]}, "input 'x': given twice"),
        ({"inputs": [tensor(datatype="FP64")]}, "datatype is 'FP64', the model takes FP32"),
        ({"inputs": [tensor(shape=[6])]}, r"shape is \[6\], the model takes \[-1, 3\]"),
        ({"inputs": [tensor(shape=[3, 2])]}, r"shape is \[3, 2\], the model takes \[-1, 3\]"),
        ({"inputs": [tensor(shape=[0, 3], data=[])]}, r"shape is \[0, 3\]"),
        ({"inputs": [tensor(shape=[-2, 3])]}, r"shape is \[-2, 3\]"),
        ({"inputs": [tensor(shape=[10**30, 3])]}, "6 values, shape .* needs 3000000"),
        ({"inputs": [tensor(data=[1, 2, 3])]}, r"3 values, shape \[2, 3\] needs 6"),
        ({"inputs": [tensor(data=[[1, 2, 3], [4, 5]])]}, "data does not fit"),
        ({"inputs": [tensor(data=[[1, 2], [3, 4], [5, 6]])]}, r"nested as \[3, 2\], shape is \[2, 3\]"),
        ({"inputs": [tensor(data=[[[1, 2, 3]], [[4, 5, 6]]])]}, "data does not fit"),
        ({"inputs": [tensor()], "outputs": [{"name": "w"}]}, "output 'w': unknown; the model's outputs are y, z"),
        (
            {"inputs": [tensor()], "outputs": [{"name": "y", "parameters": {"binary_data": 1}}]},
            "output 'y': binary_data must be true or false",
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "y", "parameters": {"classification": 1}}]},
            "output 'y': parameter 'classification' is not supported",
        ),
        ({"inputs": [tensor()], "id": 7}, "Expected `str | null`, got `int`"),
    ],
)
def test_a_request_that_does_not_fit_is_told_why(body: object, message: str) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        decode(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [NaN, 1, 2]}]}',
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1e999, 1, 2]}]}',
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": ' + b"[" * 5000 + b"]" * 5000 + b"}]}",
    ],
    ids=["empty", "not UTF-8", "cut off", "deep", "NaN", "too large for a double", "deep data"],
)
def test_what_is_not_json_of_the_protocol_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        decode_request(body, SIGNATURE)
    assert refused.value.status == 400


def test_all_outputs_are_answered_unless_some_are_asked_for() -> None:
    assert list(decode({"inputs": [tensor()]}).outputs) == ["y", "z"]
    assert list(decode({"inputs": [tensor()], "outputs": []}).outputs) == ["y", "z"]
    assert list(decode({"inputs": [tensor()], "outputs": [{"name": "z"}, {"name": "z"}]}).outputs) == ["z"]


def test_the_answer_names_model_version_and_request() -> None:
    outputs = {"z": np.array([3, 4]), "y": np.array([[0.5, 1.5]], dtype=np.float32)}
    assert json.loads(answer("id-1", outputs)[0]) == {
        "model_name": "m",
        "model_version": "1",
        "id": "id-1",
        "outputs": [
            {"name": "z", "datatype": "INT64", "shape": [2], "data": [3, 4]},
            {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1.5]},
        ],
    }


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_json_cannot_carry_is_an_error(value: float) -> None:
    outputs = {"y": np.array([[value, 1]], dtype=np.float32)}
    with pytest.raises(RequestError, match="output 'y'") as refused:
        answer(None, outputs)
    assert refused.value.status == 422


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.booleans() | st.none()


@given(
    st.sampled_from([name for name in DATATYPES if name != "BYTES"]),
    st.lists(NUMBERS | st.integers(0, 2), min_size=1, max_size=4),
    st.sampled_from([0, 0, 0, 1]),
)
def test_the_usual_form_is_answered_as_any_other(datatype: str, data: list[Any], more: int) -> None:
    spec = (TensorSpec(name="v", datatype=datatype, shape=(-1,)),)
    wire = {"name": "v", "datatype": datatype, "shape": [len(data) + more], "data": data}

    def found(tensor: dict[str, Any]) -> object:
        try:
            array = decode({"id": "i", "inputs": [tensor]}, Signature(inputs=spec, outputs=())).inputs["v"]
        except RequestError as error:
            return error.status, str(error)
        return array.dtype, array.tolist()

    # Parameters, even none, are what takes a request the long way.
    assert found(wire) == found({**wire, "parameters": {}})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("x") | JSON_VALUES,
        "datatype": st.sampled_from(list(DATATYPES)) | JSON_VALUES,
        "shape": st.lists(st.integers(-1, 4), max_size=4) | JSON_VALUES,
        "data": st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=8) | JSON_VALUES,
        "parameters": JSON_VALUES,
    },
)
BODIES = JSON_VALUES | st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=2) | JSON_VALUES}, optional={"id": JSON_VALUES, "outputs": JSON_VALUES}
)


@given(st.binary(max_size=200) | BODIES.map(lambda body: json.dumps(body).encode("utf-8", "surrogatepass")))
def test_any_body_is_either_right_or_the_clients_mistake(body: bytes) -> None:
    # Whatever else is raised fails the test.
    with suppress(RequestError):
        assert decode_request(body, SIGNATURE).inputs["x"].shape[1:] == (3,)

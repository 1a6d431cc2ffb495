"""The Open Inference Protocol v2 over REST: bytes to tensors and back. No HTTP, no model.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md, and its extension
for binary tensors: a body whose first bytes are the JSON, and whose others are tensors, one after the other.
"""

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import RequestError
from .tensors import (
    DATATYPES,
    InferRequest,
    Signature,
    Tensors,
    TensorSpec,
    check_complete,
    check_datatype,
    check_shape,
    from_binary,
    from_numbers,
    input_spec,
    not_finite,
    to_binary,
    wanted_outputs,
)

EXTENSIONS = ("binary_tensor_data",)
"""The protocol's extensions that the server speaks."""

_NOT_SUPPORTED = frozenset({"classification", "shared_memory_region"})


class Tensor(msgspec.Struct):
    """A tensor on the wire. Its data stays raw until its datatype is known to be right; empty where it is binary."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Any] | None = None


class _RequestedOutput(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _InferBody(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_RequestedOutput] | None = None


_NOTHING = memoryview(b"")
_NESTED = re.compile(rb"\s*\[\s*\[")
_decoder = msgspec.json.Decoder(_InferBody)
_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """Any of the protocol's answers as JSON."""
    return _encoder.encode(value)


def decode_request(
    body: bytes | bytearray | msgspec.Raw,
    signature: Signature,
    json_length: int | None = None,
    *,
    finite: bool = True,
) -> InferRequest:
    """Decodes and checks an inference request.

    `json_length` is the number of bytes of JSON before the binary tensors; None: it is JSON to the end. With `finite`,
    NaN and infinity are refused in binary tensors too; JSON cannot carry them anyway.

    Raises: RequestError: 400: not JSON, not of the protocol's form, or not what the signature asks for.
    """
    content, rest = body, _NOTHING
    if json_length is None:
        if (usual := _usual_request(body, signature)) is not None:
            return usual
    else:
        data = memoryview(body)
        if json_length > data.nbytes:
            raise RequestError(400, f"request body: {data.nbytes} bytes, but {json_length} bytes of JSON are announced")
        content, rest = data[:json_length], data[json_length:]
    try:
        request = _decoder.decode(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"request body: {error}") from None

    inputs: Tensors = {}
    for tensor in request.inputs:
        spec = input_spec(tensor.name, signature, inputs)
        where = f"input {tensor.name!r}"
        size = _binary_size(tensor, tensor.parameters, where) if tensor.parameters else None
        if size is None:
            inputs[tensor.name] = decode_tensor(tensor, spec, where)
        else:
            inputs[tensor.name] = _decode_binary(tensor, spec, rest[:size], size, where, finite=finite)
            rest = rest[size:]
    check_complete(inputs, signature)
    if rest.nbytes:
        raise RequestError(400, f"request body: {rest.nbytes} bytes after the last binary tensor")

    default = _flag(request.parameters, "binary_data_output", "request", default=False)
    if not request.outputs:
        outputs = signature.output_names
        return InferRequest(
            id=request.id, inputs=inputs, outputs=outputs, binary_outputs=frozenset(outputs if default else ())
        )
    return InferRequest(
        id=request.id,
        inputs=inputs,
        outputs=wanted_outputs((output.name for output in request.outputs), signature),
        binary_outputs=frozenset(
            output.name
            for output in request.outputs
            if _flag(output.parameters, "binary_data", f"output {output.name!r}", default=default)
        ),
    )


def _usual_request(body: bytes | bytearray | msgspec.Raw, signature: Signature) -> InferRequest | None:
    """What most clients send, decoded and checked in one step: one input, flat JSON data, nothing asked for.

    None: it has another form, or a mistake, which the long way tells.
    """
    if len(signature.inputs) != 1:
        return None
    spec = signature.inputs[0]
    decoder, where = _usual_decoder(spec)
    try:
        request = decoder.decode(body)
    except (ValueError, RecursionError):
        return None
    tensor = request.inputs[0]
    check_shape(tensor.shape, spec, where)
    values = _flat(tensor.data, spec, tensor.shape, where)
    return InferRequest(id=request.id, inputs={spec.name: values}, outputs=signature.output_names)


@cache
def _usual_decoder(spec: TensorSpec) -> tuple[msgspec.json.Decoder[Any], str]:
    """Takes requests for a model with this single input, of the usual form; and how messages name the input.

    Bounded: a process serves one model.
    """
    element, _ = DATATYPES[spec.datatype]
    tensor = msgspec.defstruct(
        "UsualTensor",
        [
            ("name", Literal[spec.name]),
            ("shape", list[int]),
            ("datatype", Literal[spec.datatype]),
            ("data", list[element]),
            ("parameters", None, None),
        ],
    )
    fields = [("inputs", tuple[tensor]), ("id", str | None, None), ("parameters", None, None), ("outputs", None, None)]
    return msgspec.json.Decoder(msgspec.defstruct("UsualBody", fields)), f"input {spec.name!r}"


def decode_tensor(tensor: Tensor, spec: TensorSpec, where: str) -> NDArray[Any]:
    """The tensor's JSON data as an array of the spec's datatype, in the tensor's own shape.

    Data may be flat in row-major order or nested as the shape says. `where` starts the error messages.

    Raises: RequestError: 400: other datatype or shape than the spec's, wrong elements or number of them.
    """
    check_datatype(tensor.datatype, spec, where)
    check_shape(tensor.shape, spec, where)
    element, array_type = DATATYPES[spec.datatype]
    raw = bytes(tensor.data)
    if not raw:
        raise RequestError(400, f"{where}: has neither data nor, as a binary tensor, binary_data_size")
    nested = len(tensor.shape) > 1 and _NESTED.match(raw) is not None
    try:
        values = data_decoder(element, len(tensor.shape) if nested else 1).decode(raw)
        if not nested:
            return _flat(values, spec, tensor.shape, where)
        array = to_array(values, array_type)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RequestError(400, f"{where}: data does not fit {spec.datatype} {tensor.shape}: {error}") from None
    if list(array.shape) != tensor.shape:
        raise RequestError(400, f"{where}: data is nested as {list(array.shape)}, shape is {tensor.shape}")
    check_magnitude(array, spec, where)
    return array


def _flat(values: list[Any], spec: TensorSpec, shape: list[int], where: str) -> NDArray[Any]:
    if len(values) != (count := math.prod(shape)):
        raise RequestError(400, f"{where}: {len(values)} values, shape {shape} needs {count}")
    array = np.array(values, dtype=np.object_) if spec.datatype == "BYTES" else from_numbers(values, spec, where)
    return array.reshape(shape)


def to_array(values: Any, array_type: type[np.generic]) -> NDArray[Any]:
    """Decoded JSON as an array. Raises: ValueError, OverflowError: it is ragged, or a number is beyond the type."""
    with np.errstate(over="ignore"):
        return np.array(values, dtype=array_type)


def check_magnitude(array: NDArray[Any], spec: TensorSpec, where: str) -> None:
    """Raises: RequestError: 400: a number is infinite. JSON has no infinity: it was too large for the type."""
    if not_finite(array):
        raise RequestError(400, f"{where}: data has a number too large for {spec.datatype}")


def encode_response(
    model_name: str,
    model_version: str,
    request: InferRequest,
    outputs: Tensors,
    signature: Signature,
    *,
    finite: bool = True,
) -> tuple[bytes, int | None]:
    """The answer's body, outputs in the order of `outputs`, and how much of it is JSON: None: all of it.

    Raises: RequestError: 422: an answer is not finite, and is to be `finite` or JSON, which cannot carry it.
    """
    datatypes = signature.output_datatypes
    tensors: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for name, values in outputs.items():
        tensor: dict[str, Any] = {"name": name, "datatype": datatypes[name], "shape": values.shape}
        if name in request.binary_outputs:
            if finite:
                check_answer(name, values)
            binary.append(to_binary(values))
            tensor["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            tensor["data"] = numbers = values.ravel().tolist()
            check_answer(name, values, numbers)
        tensors.append(tensor)
    answer: dict[str, Any] = {"model_name": model_name, "model_version": model_version, "outputs": tensors}
    if request.id is not None:
        answer["id"] = request.id
    body = encode(answer)
    return (b"".join((body, *binary)), len(body)) if binary else (body, None)


def check_answer(name: str, values: NDArray[Any], numbers: list[Any] | None = None) -> None:
    """`numbers` are the values as a list, where there is one.

    Raises: RequestError: 422: the model's answer is not finite.
    """
    if not_finite(values, numbers):
        raise RequestError(422, f"output {name!r}: the model's answer to these inputs is NaN or infinite")


def _binary_size(tensor: Tensor, parameters: dict[str, Any], where: str) -> int | None:
    """How many bytes of binary data the tensor has; None: its data is JSON."""
    refuse_unsupported(parameters, where)
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise RequestError(400, f"{where}: binary_data_size must be a whole number of bytes")
    if bytes(tensor.data):
        raise RequestError(400, f"{where}: has both data and binary_data_size")
    return size


def _decode_binary(
    tensor: Tensor, spec: TensorSpec, data: memoryview, size: int, where: str, *, finite: bool
) -> NDArray[Any]:
    check_datatype(tensor.datatype, spec, where)
    check_shape(tensor.shape, spec, where)
    if data.nbytes < size:
        raise RequestError(400, f"{where}: binary_data_size is {size}, but only {data.nbytes} bytes are left")
    values = from_binary(data, spec, tensor.shape, where)
    if finite:
        check_finite(values, where)
    return values


def check_finite(values: NDArray[Any], where: str) -> None:
    """Raises: RequestError: 400: it has NaN or infinity."""
    if not_finite(values):
        raise RequestError(400, f"{where}: has NaN or infinity, which this server refuses (NON_FINITE=refuse)")


def _flag(parameters: dict[str, Any] | None, name: str, where: str, *, default: bool) -> bool:
    if not parameters:
        return default
    refuse_unsupported(parameters, where)
    value = parameters.get(name, default)
    if type(value) is not bool:
        raise RequestError(400, f"{where}: {name} must be true or false")
    return value


def refuse_unsupported(parameters: Mapping[str, Any], where: str) -> None:
    """Raises: RequestError: 400: for what would change the answer, and is not done here."""
    if asked := _NOT_SUPPORTED & parameters.keys():
        raise RequestError(400, f"{where}: parameter {min(asked)!r} is not supported")


@cache
def data_decoder(element: Any, depth: int) -> msgspec.json.Decoder[Any]:
    """A decoder of lists of `element` nested `depth` times. Bounded: the depths are those of the signature's shapes."""
    kind = element
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)

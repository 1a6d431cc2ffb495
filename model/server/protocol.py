"""The Open Inference Protocol v2 as JSON: bytes to tensors and back. No HTTP, no model.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import RequestError

Tensors = dict[str, NDArray[Any]]

DATATYPES: Mapping[str, tuple[type, type[np.generic]]] = {
    "BOOL": (bool, np.bool_),
    "UINT8": (int, np.uint8),
    "UINT16": (int, np.uint16),
    "UINT32": (int, np.uint32),
    "UINT64": (int, np.uint64),
    "INT8": (int, np.int8),
    "INT16": (int, np.int16),
    "INT32": (int, np.int32),
    "INT64": (int, np.int64),
    "FP16": (float, np.float16),
    "FP32": (float, np.float32),
    "FP64": (float, np.float64),
    "BYTES": (str, np.object_),
}
"""Protocol datatype -> what its JSON elements must be, and the array's element type."""


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor of the model's signature; -1 in the shape is a dimension that the client chooses."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Tensor(msgspec.Struct):
    """A tensor with data on the wire. The data stays raw until its datatype is known to be right."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
    parameters: dict[str, Any] | None = None


class _RequestedOutput(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _InferBody(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_RequestedOutput] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InferRequest:
    """A request that fits the signature."""

    id: str | None
    inputs: Tensors
    outputs: Sequence[str]


_NESTED = re.compile(rb"\s*\[\s*\[")
_decoder = msgspec.json.Decoder(_InferBody)
_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """Any of the protocol's answers as JSON."""
    return _encoder.encode(value)


def decode_request(body: bytes | bytearray | msgspec.Raw, signature: Signature) -> InferRequest:
    """Decodes and checks an inference request.

    Raises: RequestError: 400: not JSON, not of the protocol's form, or not what the signature asks for.
    """
    try:
        request = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"request body: {error}") from None

    specs = {spec.name: spec for spec in signature.inputs}
    inputs: Tensors = {}
    for tensor in request.inputs:
        spec = specs.get(tensor.name)
        if spec is None:
            raise RequestError(
                400, f"input {tensor.name!r}: unknown; the model's inputs are {_names(signature.inputs)}"
            )
        if tensor.name in inputs:
            raise RequestError(400, f"input {tensor.name!r}: given twice")
        inputs[tensor.name] = decode_tensor(tensor, spec, f"input {tensor.name!r}")
    missing = [name for name in specs if name not in inputs]
    if missing:
        raise RequestError(400, f"input {missing[0]!r}: missing; the model's inputs are {_names(signature.inputs)}")

    return InferRequest(id=request.id, inputs=inputs, outputs=_outputs(request, signature))


def decode_tensor(tensor: Tensor, spec: TensorSpec, where: str) -> NDArray[Any]:
    """The tensor's data as an array of the spec's datatype, in the tensor's own shape.

    Data may be flat in row-major order or nested as the shape says. `where` starts the error messages.

    Raises: RequestError: 400: other datatype or shape than the spec's, wrong elements or number of them.
    """
    if tensor.datatype != spec.datatype:
        raise RequestError(400, f"{where}: datatype is {tensor.datatype!r}, the model takes {spec.datatype}")
    fits = len(tensor.shape) == len(spec.shape) and all(
        size >= 1 and wanted in (-1, size) for size, wanted in zip(tensor.shape, spec.shape, strict=True)
    )
    if not fits:
        raise RequestError(
            400, f"{where}: shape is {tensor.shape}, the model takes {list(spec.shape)} (-1: any size from 1)"
        )

    element, array_type = DATATYPES[spec.datatype]
    raw = bytes(tensor.data)
    nested = len(tensor.shape) > 1 and _NESTED.match(raw) is not None
    try:
        values = _data_decoder(element, len(tensor.shape) if nested else 1).decode(raw)
        count = math.prod(tensor.shape)
        if not nested and len(values) != count:
            raise RequestError(400, f"{where}: {len(values)} values, shape {tensor.shape} needs {count}")
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=array_type)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RequestError(400, f"{where}: data does not fit {spec.datatype} {tensor.shape}: {error}") from None
    if nested and list(array.shape) != tensor.shape:
        raise RequestError(400, f"{where}: data is nested as {list(array.shape)}, shape is {tensor.shape}")
    # JSON has no infinity: one can only come from a number too large for the type.
    if element is float and not np.isfinite(array).all():
        raise RequestError(400, f"{where}: data has a number too large for {spec.datatype}")
    return array.reshape(tensor.shape)


def encode_response(
    model_name: str, model_version: str, request_id: str | None, outputs: Tensors, signature: Signature
) -> bytes:
    """The answer's JSON, outputs in the order of `outputs`, data flat.

    Raises: RequestError: 422: an answer is not finite, which JSON cannot carry; the inputs are beyond the model.
    """
    datatypes = {spec.name: spec.datatype for spec in signature.outputs}
    tensors = []
    for name, values in outputs.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise RequestError(422, f"output {name!r}: the model's answer to these inputs is NaN or infinite")
        tensors.append(
            {"name": name, "datatype": datatypes[name], "shape": values.shape, "data": values.ravel().tolist()}
        )
    answer: dict[str, Any] = {"model_name": model_name, "model_version": model_version, "outputs": tensors}
    if request_id is not None:
        answer["id"] = request_id
    return encode(answer)


def _outputs(request: _InferBody, signature: Signature) -> list[str]:
    known = [spec.name for spec in signature.outputs]
    if not request.outputs:
        return known
    wanted = [output.name for output in request.outputs]
    for output in request.outputs:
        if output.name not in known:
            raise RequestError(
                400, f"output {output.name!r}: unknown; the model's outputs are {_names(signature.outputs)}"
            )
        if output.parameters and output.parameters.get("binary_data"):
            raise RequestError(400, f"output {output.name!r}: binary_data is not supported; ask for JSON")
    return list(dict.fromkeys(wanted))


def _names(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(spec.name for spec in specs)


@cache
def _data_decoder(element: type, depth: int) -> msgspec.json.Decoder[Any]:
    """A decoder of lists of `element` nested `depth` times. Bounded: the depths are those of the signature's shapes."""
    kind: Any = element
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)

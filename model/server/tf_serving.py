"""TensorFlow Serving's REST interface: bytes to tensors and back. No HTTP, no model.

https://www.tensorflow.org/tfx/serving/api_rest. A request has `instances` (row format: one value for each example) or
`inputs` (column format: one tensor for each input), and is answered in the same format.
"""

import base64
import binascii
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import RequestError
from .protocol import check_answer, check_magnitude, data_decoder, encode, to_array
from .tensors import (
    DATATYPES,
    InferRequest,
    Signature,
    Tensors,
    TensorSpec,
    check_complete,
    check_shape,
    input_spec,
    text,
    wanted_outputs,
)

Format = Literal["row", "column"]

SIGNATURE_NAME = "serving_default"
"""The only one that a served model has."""

_DTYPES = {
    "BOOL": "DT_BOOL",
    "UINT8": "DT_UINT8",
    "UINT16": "DT_UINT16",
    "UINT32": "DT_UINT32",
    "UINT64": "DT_UINT64",
    "INT8": "DT_INT8",
    "INT16": "DT_INT16",
    "INT32": "DT_INT32",
    "INT64": "DT_INT64",
    "FP16": "DT_HALF",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "BYTES": "DT_STRING",
}


class _Base64(msgspec.Struct, forbid_unknown_fields=True):
    """How a JSON body writes bytes."""

    b64: str


class _PredictBody(msgspec.Struct):
    instances: msgspec.Raw = msgspec.Raw()
    inputs: msgspec.Raw = msgspec.Raw()
    signature_name: str = ""


_decoder = msgspec.json.Decoder(_PredictBody)
_columns = msgspec.json.Decoder(dict[str, msgspec.Raw])
_rows = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def version_number(version: str) -> str:
    """A version as TensorFlow Serving writes them, as a number: the same hexadecimal digits, read as one."""
    return str(int(version, 16))


def decode_request(body: bytes | bytearray, signature: Signature) -> tuple[InferRequest, Format]:
    """Decodes and checks a predict request.

    Raises: RequestError: 400: not JSON, not of the interface's form, or not what the signature asks for.
    """
    try:
        request = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"request body: {error}") from None
    if request.signature_name not in ("", SIGNATURE_NAME):
        raise RequestError(400, f"signature_name: unknown; this model has {SIGNATURE_NAME!r}")
    rows, columns = bytes(request.instances), bytes(request.inputs)
    if bool(rows) == bool(columns):
        raise RequestError(400, "request body: needs exactly one of 'instances' and 'inputs'")

    inputs = _from_rows(rows, signature) if rows else _from_columns(columns, signature)
    check_complete(inputs, signature)
    return InferRequest(id=None, inputs=inputs, outputs=wanted_outputs((), signature)), "row" if rows else "column"


def encode_response(form: Format, request: InferRequest, outputs: Tensors) -> bytes:
    """The answer: `predictions` or `outputs`, without names where the model has one output.

    Raises: RequestError: 422: an answer is not finite; 400: the answers are no rows, one for each of the request's.
    """
    for name, values in outputs.items():
        check_answer(name, values)
    if form == "column":
        answer = {name: values.tolist() for name, values in outputs.items()}
        return encode({"outputs": next(iter(answer.values())) if len(answer) == 1 else answer})

    count = len(next(iter(request.inputs.values())))
    for name, values in outputs.items():
        if not values.ndim or len(values) != count:
            raise RequestError(400, f"output {name!r}: has no row for each instance; ask with 'inputs' instead")
    if len(outputs) == 1:
        return encode({"predictions": next(iter(outputs.values())).tolist()})
    listed = {name: values.tolist() for name, values in outputs.items()}
    return encode({"predictions": [dict(zip(listed, row, strict=True)) for row in zip(*listed.values(), strict=True)]})


def status(version: str) -> dict[str, Any]:
    """What a model that is ready says of itself."""
    ok = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": version_number(version), "state": "AVAILABLE", "status": ok}]}


def metadata(name: str, version: str, signature: Signature) -> dict[str, Any]:
    """The model's signature in TensorFlow's words."""
    definition = {
        "inputs": {spec.name: _tensor_info(spec) for spec in signature.inputs},
        "outputs": {spec.name: _tensor_info(spec) for spec in signature.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": version_number(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE_NAME: definition}}},
    }


def _tensor_info(spec: TensorSpec) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in spec.shape]
    return {
        "dtype": _DTYPES[spec.datatype],
        "tensor_shape": {"dim": dimensions, "unknown_rank": False},
        "name": spec.name,
    }


def _from_columns(raw: bytes, signature: Signature) -> Tensors:
    if len(signature.inputs) == 1 and not _names_inputs(raw, signature):
        spec = signature.inputs[0]
        return {spec.name: _decode(raw, spec)}
    inputs: Tensors = {}
    for name, value in _form(_columns, raw, "inputs").items():
        inputs[name] = _decode(bytes(value), input_spec(name, signature, inputs))
    return inputs


def _from_rows(raw: bytes, signature: Signature) -> Tensors:
    for spec in signature.inputs:
        if not spec.shape:
            raise RequestError(400, f"input {spec.name!r}: has no rows; ask with 'inputs' instead of 'instances'")
    first = raw[1:].lstrip()  # white space before the list is not part of a raw value
    if len(signature.inputs) == 1 and not _names_inputs(first, signature):
        spec = signature.inputs[0]
        return {spec.name: _decode(raw, spec)}
    rows = _form(_rows, raw, "instances")
    inputs: Tensors = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        spec = input_spec(name, signature, inputs)
        values = [bytes(row[name]) for row in rows if name in row]
        if len(values) != len(rows):
            raise RequestError(400, f"input {name!r}: {len(values)} of {len(rows)} instances have it")
        inputs[name] = _decode(b"[" + b",".join(values) + b"]", spec)
    return inputs


def _names_inputs(raw: bytes, signature: Signature) -> bool:
    """Whether the value is an object of inputs by name, and not a single one in Base64."""
    if not raw.startswith(b"{"):
        return False
    is_base64 = signature.inputs[0].datatype == "BYTES" and raw[1:].lstrip().startswith(b'"b64"')
    return not is_base64 or signature.inputs[0].name == "b64"


def _form(decoder: msgspec.json.Decoder[Any], raw: bytes, where: str) -> Any:
    try:
        return decoder.decode(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"{where}: {error}") from None


def _decode(raw: bytes, spec: TensorSpec) -> NDArray[Any]:
    """A nested list as an array that fits the spec."""
    where = f"input {spec.name!r}"
    element, array_type = DATATYPES[spec.datatype]
    if element is str:
        element = str | _Base64
    depth = len(spec.shape)
    try:
        array = to_array(data_decoder(element, depth).decode(raw), array_type)
    except (ValueError, OverflowError, RecursionError) as error:
        raise RequestError(400, f"{where}: does not fit {spec.datatype} {list(spec.shape)}: {error}") from None
    if array.ndim != depth:
        raise RequestError(400, f"{where}: lists of different lengths are no tensor")
    check_shape(array.shape, spec, where)
    check_magnitude(array, spec, where)
    return _plain(array, where) if spec.datatype == "BYTES" else array


def _plain(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Text instead of Base64."""
    plain = np.empty(array.size, dtype=np.object_)
    for index, value in enumerate(array.ravel()):
        if not isinstance(value, _Base64):
            plain[index] = value
            continue
        try:
            plain[index] = text(base64.b64decode(value.b64, validate=True), where)
        except binascii.Error:
            raise RequestError(400, f"{where}: a 'b64' value is not Base64") from None
    return plain.reshape(array.shape)

"""Tensors, whatever carries them: datatypes, signatures, and what makes a tensor fit one."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
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

_STRUCT_CODES = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}

_LENGTH = struct.Struct("<I")

_FEW = 512
"""NumPy's products let go of Python's lock. To get it back takes longer than to add up so many in Python."""


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor of the model's signature; -1 in the shape is a dimension that the client chooses."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What the model takes and gives. `dict`: what follows from it is kept beside it."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @cached_property
    def output_names(self) -> Sequence[str]:
        """In the model's order."""
        return [spec.name for spec in self.outputs]

    @cached_property
    def output_datatypes(self) -> dict[str, str]:
        """By name."""
        return {spec.name: spec.datatype for spec in self.outputs}


class InferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that fits the signature. `binary_outputs` are those of `outputs` that are wanted in binary."""

    id: str | None
    inputs: Tensors
    outputs: Sequence[str]
    binary_outputs: frozenset[str] = frozenset()


def numbers_in(tensors: Tensors) -> int:
    """How many elements all of them have together."""
    count = 0
    for values in tensors.values():
        count += values.size
    return count


def names(specs: Iterable[TensorSpec]) -> str:
    """For messages."""
    return ", ".join(spec.name for spec in specs)


def input_spec(name: str, signature: Signature, known: Iterable[str]) -> TensorSpec:
    """The spec of an input that is not among the `known` ones yet.

    Raises: RequestError: 400: there is no such input, or it is given twice.
    """
    for spec in signature.inputs:
        if spec.name == name:
            if name in known:
                raise RequestError(400, f"input {name!r}: given twice")
            return spec
    raise RequestError(400, f"input {name!r}: unknown; the model's inputs are {names(signature.inputs)}")


def check_complete(inputs: Tensors, signature: Signature) -> None:
    """Raises: RequestError: 400: an input is missing."""
    if len(inputs) < len(signature.inputs):
        missing = next(spec.name for spec in signature.inputs if spec.name not in inputs)
        raise RequestError(400, f"input {missing!r}: missing; the model's inputs are {names(signature.inputs)}")


def wanted_outputs(wanted: Iterable[str], signature: Signature) -> Sequence[str]:
    """The outputs to compute: those that are `wanted`, each once, or all where none is.

    Raises: RequestError: 400: there is no such output.
    """
    for name in (chosen := list(dict.fromkeys(wanted))):
        if name not in signature.output_datatypes:
            raise RequestError(400, f"output {name!r}: unknown; the model's outputs are {names(signature.outputs)}")
    return chosen or signature.output_names


def check_datatype(datatype: str, spec: TensorSpec, where: str) -> None:
    """Raises: RequestError: 400: it is another than the spec's."""
    if datatype != spec.datatype:
        raise RequestError(400, f"{where}: datatype is {datatype!r}, the model takes {spec.datatype}")


def check_shape(shape: Sequence[int], spec: TensorSpec, where: str) -> None:
    """Raises: RequestError: 400: it does not fit the spec's."""
    if len(shape) == len(spec.shape):
        for size, wanted in zip(shape, spec.shape, strict=True):
            if size < 1 or wanted not in (-1, size):
                break
        else:
            return
    raise RequestError(
        400, f"{where}: shape is {list(shape)}, the model takes {list(spec.shape)} (-1: any size from 1)"
    )


def from_numbers(values: Sequence[Any], spec: TensorSpec, where: str) -> NDArray[Any]:
    """Numbers of the spec's Python type as a flat array, which cannot be written to.

    Raises: RequestError: 400: one is beyond the datatype.
    """
    try:
        # Other than NumPy, it says so itself when a number is too large, and takes half the time.
        data = struct.pack(f"={len(values)}{_STRUCT_CODES[spec.datatype]}", *values)
    except OverflowError:
        raise RequestError(400, f"{where}: data has a number too large for {spec.datatype}") from None
    except struct.error as error:
        raise RequestError(400, f"{where}: data does not fit {spec.datatype}: {error}") from None
    return np.frombuffer(data, dtype=DATATYPES[spec.datatype][1])


def not_finite(values: NDArray[Any], numbers: list[Any] | None = None) -> bool:
    """Whether floating-point values hold NaN or infinity. `numbers` are the same as a list, where there is one."""
    if values.dtype.kind != "f":
        return False
    # A sum shows it: most often all is well, and it is finite. NumPy's product would call in the threads of its BLAS
    # for a large array, which then spin beside the model's.
    if values.size <= _FEW and math.isfinite(sum(numbers or values.ravel().tolist())):
        return False
    return not np.isfinite(values).all()


def from_binary(data: memoryview, spec: TensorSpec, shape: Sequence[int], where: str) -> NDArray[Any]:
    """A tensor from the protocol's binary form: little-endian, row-major; BYTES as 4 bytes of length before each.

    Raises: RequestError: 400: another size than the shape's, or a value that the datatype does not have.
    """
    count = math.prod(shape)
    if spec.datatype == "BYTES":
        return _strings(data, count, where).reshape(shape)
    array_type = np.dtype(DATATYPES[spec.datatype][1])
    if data.nbytes != count * array_type.itemsize:
        wanted = f"shape {list(shape)} of {spec.datatype} needs {count * array_type.itemsize}"
        raise RequestError(400, f"{where}: {data.nbytes} bytes of binary data, {wanted}")
    values = np.frombuffer(data, dtype=array_type.newbyteorder("<"))
    if spec.datatype == "BOOL" and (values.view(np.uint8) > 1).any():
        raise RequestError(400, f"{where}: binary data of BOOL has bytes other than 0 and 1")
    # Behind other tensors it starts anywhere, where the model's instructions may not read.
    return np.require(values, array_type, ["ALIGNED"]).reshape(shape)


def _strings(data: memoryview, count: int, where: str) -> NDArray[Any]:
    # Each takes its length at least: so a shape cannot ask for more memory than was sent.
    if count * _LENGTH.size > data.nbytes:
        raise RequestError(400, f"{where}: {data.nbytes} bytes of binary data are too few for {count} strings")
    values = np.empty(count, dtype=np.object_)
    place = 0
    for index in range(count):
        start = place + _LENGTH.size
        if start > data.nbytes:
            raise RequestError(400, f"{where}: binary data ends before string {index + 1} of {count}")
        place = start + _LENGTH.unpack_from(data, place)[0]
        if place > data.nbytes:
            raise RequestError(400, f"{where}: binary data ends within string {index + 1} of {count}")
        values[index] = text(bytes(data[start:place]), where)
    if place != data.nbytes:
        raise RequestError(
            400, f"{where}: {data.nbytes - place} bytes of binary data after the last of {count} strings"
        )
    return values


def text(value: bytes, where: str) -> str:
    """A BYTES element, which is text here. Raises: RequestError: 400: it is not UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise RequestError(400, f"{where}: a BYTES element is not UTF-8, which is all that models take here") from None


def to_binary(values: NDArray[Any]) -> bytes:
    """The protocol's binary form of a tensor."""
    if values.dtype.kind == "O":
        encoded = [str(value).encode() for value in values.ravel()]
        return b"".join(part for value in encoded for part in (_LENGTH.pack(len(value)), value))
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()

"""The model's contract: what was built, so that what is loaded can be compared with it. The exporter writes it."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import RefusalError, RequestError
from .protocol import Tensor, decode_request, decode_tensor
from .tensors import DATATYPES, InferRequest, Signature, Tensors, TensorSpec

CONTRACT_FILE = "contract.json"
ONNX_FILE = "model.onnx"
SAVED_MODEL_FILE = "saved_model/saved_model.pb"
VERSION = 1


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What trained the model, with the versions of its packages."""

    name: str
    versions: dict[str, str]


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request and the source framework's answer to it. `tolerance` is what compare() allows."""

    request: msgspec.Raw
    expected: tuple[Tensor, ...]
    tolerance: float


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """contract.json. `files` maps each other file of the folder to its SHA-256 in hexadecimal digits."""

    contract_version: int
    framework: Framework
    signature: Signature
    files: dict[str, str]
    metrics: dict[str, float]
    golden: tuple[Golden, ...]


def read(folder: Path) -> tuple[Contract, str]:
    """The folder's contract and the SHA-256 of its bytes, which stands for the model as a whole.

    Raises: RefusalError: it is missing, malformed, of another version, or proves nothing.
    """
    try:
        data = (folder / CONTRACT_FILE).read_bytes()
    except OSError as error:
        raise RefusalError(f"{CONTRACT_FILE}: cannot be read from {folder}: {error.strerror}") from error
    try:
        contract = msgspec.json.decode(data, type=Contract)
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"{CONTRACT_FILE}: {error}") from error
    if contract.contract_version != VERSION:
        raise RefusalError(f"{CONTRACT_FILE}: version {contract.contract_version}; this server reads version {VERSION}")
    if len({ONNX_FILE, SAVED_MODEL_FILE} & contract.files.keys()) != 1:
        raise RefusalError(f"{CONTRACT_FILE}: must hold the SHA-256 of either {ONNX_FILE} or {SAVED_MODEL_FILE}")
    if not contract.golden:
        raise RefusalError(f"{CONTRACT_FILE}: no golden requests, so nothing proves what the model answers")
    for spec in (*contract.signature.inputs, *contract.signature.outputs):
        if spec.datatype not in DATATYPES:
            raise RefusalError(f"{CONTRACT_FILE}: signature: {spec.name}: datatype {spec.datatype!r} is not known")
    return contract, hashlib.sha256(data).hexdigest()


def verify_files(contract: Contract, folder: Path) -> None:
    """Compares the folder's files with the contract, before anything loads them.

    Raises: RefusalError: a file has another SHA-256, is missing, or is not in the contract.
    """
    for name, expected in contract.files.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise RefusalError(f"{CONTRACT_FILE}: files: {name!r} lies outside the model's folder")
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise RefusalError(f"{name}: in the contract, but cannot be read: {error.strerror}") from error
        if found != expected:
            raise RefusalError(f"{name}: SHA-256 is {found}, contract says {expected}")
    # An unlisted file could be loaded by a listed one, such as weights that the model refers to.
    listed = {CONTRACT_FILE, *contract.files}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in listed:
            raise RefusalError(f"{name}: not in the contract")


def verify_signature(contract: Contract, loaded: Signature) -> None:
    """Raises: RefusalError: the loaded model takes or gives something else than the contract says."""
    for role, expected, found in (
        ("input", contract.signature.inputs, loaded.inputs),
        ("output", contract.signature.outputs, loaded.outputs),
    ):
        # Names, not places: a SavedModel has no order.
        if {spec.name: spec for spec in expected} != {spec.name: spec for spec in found}:
            raise RefusalError(f"signature: the model's {role}s are {_show(found)}, contract says {_show(expected)}")


def replay(contract: Contract, infer: Callable[[InferRequest], Tensors]) -> None:
    """Sends the golden requests through `infer` and compares the answers. Warms the model up, too.

    Raises: RefusalError: an answer differs by more than its tolerance.
    """
    for number, golden in enumerate(contract.golden, start=1):
        where = f"golden request {number}"
        try:
            answers = infer(decode_request(golden.request, contract.signature))
            expected = expected_answers(contract, golden)
        except (RequestError, RefusalError) as error:
            raise RefusalError(f"{where}: {error}") from error
        for name, values in expected.items():
            compare(values, answers[name], golden.tolerance, f"{where}: output {name}")


def expected_answers(contract: Contract, golden: Golden) -> Tensors:
    """What the source framework answered, by output name.

    Raises: RefusalError, RequestError: it is not one answer for each of the signature's outputs.
    """
    outputs = {spec.name: spec for spec in contract.signature.outputs}
    answers: Tensors = {}
    for tensor in golden.expected:
        if tensor.name not in outputs:
            raise RefusalError(f"expects the output {tensor.name}, which the signature lacks")
        answers[tensor.name] = decode_tensor(tensor, outputs[tensor.name], f"output {tensor.name}")
    if answers.keys() != outputs.keys():
        raise RefusalError(f"does not state an answer for each of {', '.join(outputs)}")
    return answers


def compare(expected: NDArray[Any], got: NDArray[Any], tolerance: float, where: str) -> None:
    """Raises: RefusalError: an element differs by more than `tolerance`, or the shapes do.

    The difference is absolute up to an expected value of 1 and relative above, as the exporter's own bound is.
    """
    if expected.shape != got.shape:
        raise RefusalError(f"{where} has shape {list(got.shape)}, contract says {list(expected.shape)}")
    if expected.dtype.kind == "O":
        if not np.array_equal(expected, got):
            raise RefusalError(f"{where} differs")
        return
    wanted = expected.astype(np.float64)
    differences = np.abs(wanted - got.astype(np.float64)) / np.maximum(1.0, np.abs(wanted))
    difference = float(np.max(differences, initial=0.0))
    # Not `difference > tolerance`, which a NaN would pass.
    if not difference <= tolerance:
        raise RefusalError(f"{where} differs by {difference:.3g}, allowed {tolerance:g}")


def _show(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in specs) or "none"

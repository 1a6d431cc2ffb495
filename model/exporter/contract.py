"""Writes the model's contract, by which the server proves what it loads. server/contract.py reads it."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ExportError
from .folder import Arrays

CONTRACT_FILE = "contract.json"
CONTRACT_VERSION = 1

GOLDEN_TOLERANCE = 1e-4
"""Largest difference that a server accepts from the golden answers: absolute up to 1, relative to the answer above.

Ten times the build's parity bound: other processors sum in another order than the one that built the image.
"""


def datatype(array_type: np.dtype[Any]) -> str:
    """The Open Inference Protocol's name of a numpy type, such as FP32 of float32.

    Raises: ExportError: the protocol has no such type.
    """
    if array_type.kind in "OSU":
        return "BYTES"
    if array_type.kind in "biuf" and array_type.itemsize <= 8:
        return array_type.name.upper().replace("FLOAT", "FP")
    raise ExportError(f"type {array_type} has no name in the Open Inference Protocol")


def tensor(name: str, values: NDArray[Any]) -> dict[str, Any]:
    """A tensor as an Open Inference Protocol body holds it, values flattened in row-major order."""
    return {
        "name": name,
        "shape": list(values.shape),
        "datatype": datatype(values.dtype),
        "data": values.ravel().tolist(),
    }


def golden(inputs: Arrays, expected: Arrays, tolerance: float = GOLDEN_TOLERANCE) -> dict[str, Any]:
    """One golden request with the source framework's answer to it."""
    return {
        "request": {"inputs": [tensor(name, values) for name, values in inputs.items()]},
        "expected": [tensor(name, values) for name, values in expected.items()],
        "tolerance": tolerance,
    }


def write_contract(
    folder: Path,
    *,
    signature: dict[str, Any],
    goldens: list[dict[str, Any]],
    metrics: dict[str, float],
    framework: dict[str, Any],
) -> None:
    """Writes contract.json beside the model's files, all of which it lists with their SHA-256.

    The same model gives the same bytes, times and modes included, so that the image's layer keeps its digest.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CONTRACT_FILE)
    contract = {
        "contract_version": CONTRACT_VERSION,
        "framework": framework,
        "signature": signature,
        "files": {str(path.relative_to(folder).as_posix()): sha256(path) for path in files},
        "metrics": metrics,
        "golden": goldens,
    }
    # allow_nan: a NaN would be written as something that is not JSON.
    text = json.dumps(contract, indent=1, sort_keys=True, allow_nan=False)
    (folder / CONTRACT_FILE).write_text(text + "\n", encoding="utf-8")
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o444)
        os.utime(path, (0, 0))


def sha256(path: Path) -> str:
    """The file's SHA-256 in lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

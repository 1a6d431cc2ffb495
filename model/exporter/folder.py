"""The contract between a model's source folder and the exporter.

A folder must hold a `train.py` that defines

    train() -> the framework's model, trained (for keras: a keras.Model)
    held_out() -> (inputs, labels): data that training never sees. `inputs` is an array whose first axis counts the
        examples, or a dict of such arrays by input name; `labels` are whole class numbers, one an example
    MINIMUM_ACCURACY: share of right answers on the held-out data, 0 to 1, below which the build fails

and may hold a `requirements.txt` (installed before training), data files, and modules of its own, which train.py
imports relatively (`from .data import load`).
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ExportError

PACKAGE = "model_source"
"""The name under which the folder is imported, whatever it is called on disk."""

Arrays = dict[str, NDArray[Any]]
"""Tensors by name; the first axis counts the examples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Data that training never saw."""

    inputs: Arrays
    labels: NDArray[Any]

    def rows(self, first: int, last: int) -> Arrays:
        """The inputs of examples `first` up to, not including, `last`."""
        return {name: values[first:last] for name, values in self.inputs.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """What a folder's train.py defines."""

    train: Callable[[], object]
    held_out: Callable[[], object]
    minimum_accuracy: float

    def load_held_out(self, input_names: Sequence[str]) -> HeldOut:
        """Calls the folder's held_out() and checks its answer against the model's inputs.

        Raises: ExportError: it is not of the form that the folder's contract asks for.
        """
        return check_held_out(self.held_out(), input_names)


def load_folder(path: Path) -> ModelFolder:
    """Imports the folder's train.py.

    Raises: ExportError: the folder or something that it must define is missing or of the wrong type.
    """
    if not path.is_dir():
        raise ExportError(f"{path}: no such folder. The model's source must be a folder with a train.py")
    if not (path / "train.py").is_file():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())) or "nothing"
        raise ExportError(f"{path}: no train.py (found: {found}). Add one that defines train() and held_out()")

    module = _import(path)
    minimum = getattr(module, "MINIMUM_ACCURACY", None)
    if isinstance(minimum, bool) or not isinstance(minimum, int | float) or not 0 <= minimum <= 1:
        raise ExportError(f"train.py: MINIMUM_ACCURACY is {minimum!r}; it must be a number from 0 to 1, such as 0.97")
    return ModelFolder(
        train=_function(module, "train", "the trained model"),
        held_out=_function(module, "held_out", "(inputs, labels) that training never sees"),
        minimum_accuracy=float(minimum),
    )


def check_held_out(answer: object, input_names: Sequence[str]) -> HeldOut:
    """Turns held_out()'s answer into arrays by input name.

    Raises: ExportError: wrong type, unknown or missing inputs, or lengths that differ.
    """
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ExportError(f"train.py: held_out() returned {type(answer).__name__}; it must return (inputs, labels)")
    raw_inputs, raw_labels = answer
    if not isinstance(raw_inputs, dict):
        if len(input_names) != 1:
            raise ExportError(
                f"train.py: the model has the inputs {', '.join(input_names)}; held_out() must return them as a dict"
            )
        raw_inputs = {input_names[0]: raw_inputs}
    if set(raw_inputs) != set(input_names):
        raise ExportError(
            f"train.py: held_out() returned the inputs {', '.join(map(str, raw_inputs))}; "
            f"the model's are {', '.join(input_names)}"
        )

    labels = np.asarray(raw_labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or len(labels) == 0:
        raise ExportError(
            f"train.py: held_out()'s labels are {labels.dtype} of shape {list(labels.shape)}; "
            "they must be whole class numbers, one an example, at least one"
        )
    inputs = {name: np.asarray(raw_inputs[name]) for name in input_names}
    for name, values in inputs.items():
        if values.ndim == 0 or len(values) != len(labels):
            raise ExportError(
                f"train.py: held_out()'s input {name} has shape {list(values.shape)} for {len(labels)} labels; "
                "its first axis must count the examples"
            )
    return HeldOut(inputs=inputs, labels=labels)


def _import(path: Path) -> ModuleType:
    package = ModuleType(PACKAGE)
    package.__path__ = [str(path)]
    sys.modules[PACKAGE] = package
    try:
        return importlib.import_module(f"{PACKAGE}.train")
    except ModuleNotFoundError as error:
        if (path / f"{error.name}.py").is_file() or (path / str(error.name)).is_dir():
            raise ExportError(
                f"train.py: cannot import {error.name}. Import the folder's own modules relatively: "
                f"from .{error.name} import ..."
            ) from error
        raise ExportError(
            f"train.py: there is no module {error.name} here. Add its package to requirements.txt in the model's folder"
        ) from error


def _function(module: ModuleType, name: str, returns: str) -> Callable[[], object]:
    function = getattr(module, name, None)
    if not callable(function):
        raise ExportError(f"train.py: no function {name}(). Define {name}(), which returns {returns}")
    return function

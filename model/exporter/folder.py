"""The contract between a model's source folder and the exporter.

A folder must hold a `train.py` that defines

    train() -> the framework's model, trained (for keras: a keras.Model)
    held_out() -> (inputs, labels): data that training never sees. `inputs` is an array whose first axis counts the
        examples, or a dict of such arrays by input name; `labels` are the right answers to them, one an example:
        classes (whole numbers or texts), or numbers where the model predicts a number
    MINIMUM_ACCURACY: share of right answers on the held-out data, 0 to 1, below which the build fails; or
    MINIMUM_R2: the same for the coefficient of determination of a model that predicts a number

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

GOALS = {"MINIMUM_ACCURACY": "held_out_accuracy", "MINIMUM_R2": "held_out_r2"}
"""How a train.py names its goal -> the metric that the contract states."""

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
class Goal:
    """The quality on held-out data that the folder demands: `name` is its constant (a key of GOALS)."""

    name: str
    minimum: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """What a folder's train.py defines."""

    train: Callable[[], object]
    held_out: Callable[[], object]
    goal: Goal

    def load_held_out(self, input_names: Sequence[str]) -> HeldOut:
        """Calls the folder's held_out() and checks its answer against the model's inputs.

        Raises: ExportError: it is not of the form that the folder's contract asks for.
        """
        return check_held_out(self.held_out(), input_names, numbers=self.goal.name == "MINIMUM_R2")


def load_folder(path: Path, *, trains: bool = True) -> ModelFolder:
    """Imports the folder's train.py, which needs no train() where nothing `trains`.

    Raises: ExportError: the folder or something that it must define is missing or of the wrong type.
    """
    if not path.is_dir():
        raise ExportError(f"{path}: no such folder. The model's source must be a folder with a train.py")
    if not (path / "train.py").is_file():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())) or "nothing"
        raise ExportError(f"{path}: no train.py (found: {found}). Add one that defines train() and held_out()")

    module = _import(path)
    return ModelFolder(
        train=_function(module, "train", "the trained model") if trains else _nothing,
        held_out=_function(module, "held_out", "(inputs, labels) that training never sees"),
        goal=_goal(module),
    )


def check_held_out(answer: object, input_names: Sequence[str], *, numbers: bool = False) -> HeldOut:
    """Turns held_out()'s answer into arrays by input name; texts become arrays of Python's str.

    `numbers` says that the labels are numbers to come close to, not classes.

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

    labels = _texts_as_objects(np.asarray(raw_labels))
    if labels.ndim != 1 or labels.dtype.kind not in ("iuf" if numbers else "iuO") or len(labels) == 0:
        raise ExportError(
            f"train.py: held_out()'s labels are {labels.dtype} of shape {list(labels.shape)}; "
            f"they must be {'numbers' if numbers else 'whole class numbers or texts'}, one an example, at least one"
        )
    inputs = {name: _texts_as_objects(np.asarray(raw_inputs[name])) for name in input_names}
    for name, values in inputs.items():
        if values.ndim == 0 or len(values) != len(labels):
            raise ExportError(
                f"train.py: held_out()'s input {name} has shape {list(values.shape)} for {len(labels)} labels; "
                "its first axis must count the examples"
            )
    return HeldOut(inputs=inputs, labels=labels)


def _nothing() -> object:
    raise ExportError("nothing is trained here")


def _texts_as_objects(values: NDArray[Any]) -> NDArray[Any]:
    """Texts as ONNX Runtime and the frameworks take them; everything else as it is."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    return values.astype(object) if values.dtype.kind == "U" else values


def _goal(module: ModuleType) -> Goal:
    given = [name for name in GOALS if hasattr(module, name)]
    if len(given) != 1:
        found = " and ".join(given) or "neither"
        raise ExportError(
            f"train.py: defines {found}; it must define MINIMUM_ACCURACY (a model that chooses a class) or MINIMUM_R2 "
            "(a model that predicts a number), a number from 0 to 1, such as 0.97"
        )
    [name] = given
    minimum = getattr(module, name)
    if isinstance(minimum, bool) or not isinstance(minimum, int | float) or not 0 <= minimum <= 1:
        raise ExportError(f"train.py: {name} is {minimum!r}; it must be a number from 0 to 1, such as 0.97")
    return Goal(name=name, minimum=float(minimum))


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

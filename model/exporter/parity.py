"""Compares the exported model with its source, and both with the truth. Pure functions of arrays."""

import numpy as np
from numpy.typing import NDArray

from .errors import ExportError
from .folder import GOALS, Arrays, Goal

MAX_DIFFERENCE = 1e-5
"""Largest difference between the source framework's and the serving runtime's answers that the build accepts.

Both compute in float32, whose rounding is 6e-8 of the value; sums over a network's layers leave it near 1e-6.
"""


def max_difference(expected: Arrays, got: Arrays) -> float:
    """The largest difference between any two corresponding numbers: absolute up to 1, relative to the value above.

    Infinite where only one is a number, or where texts differ.

    Raises: ExportError: the outputs' names or shapes differ, or an expected answer is not finite.
    """
    if set(expected) != set(got):
        raise ExportError(
            f"the exported model has the outputs {', '.join(sorted(got))}; its source has {', '.join(sorted(expected))}"
        )
    largest = 0.0
    for name, values in expected.items():
        if values.shape != got[name].shape:
            raise ExportError(
                f"output {name}: shape {list(got[name].shape)} from the export, {list(values.shape)} from the source"
            )
        if values.dtype.kind == "O":
            largest = largest if np.array_equal(values, got[name]) else np.inf
            continue
        if not np.all(np.isfinite(values)):
            raise ExportError(f"output {name}: the source model answers NaN or infinity on the held-out data")
        wanted = values.astype(np.float64)
        difference = np.abs(wanted - got[name].astype(np.float64)) / np.maximum(1.0, np.abs(wanted))
        largest = max(largest, float(np.max(np.nan_to_num(difference, nan=np.inf), initial=0.0)))
    return largest


def check_parity(difference: float, allowed: float = MAX_DIFFERENCE) -> None:
    """Raises: ExportError: the difference is above what is allowed."""
    if difference > allowed:
        raise ExportError(
            f"the exported model does not answer as its source: the largest difference on the held-out data is "
            f"{difference:.3g}, allowed is {allowed:g}. Look for layers that behave differently in inference, "
            "custom operations, or a lower precision in the export"
        )


def quality(goal: Goal, output: NDArray[np.generic], labels: NDArray[np.generic]) -> float:
    """How good the model's first output is, in the goal's measure. Raises: ExportError: the output does not fit it."""
    return accuracy(output, labels) if goal.name == "MINIMUM_ACCURACY" else r2(output, labels)


def accuracy(output: NDArray[np.generic], labels: NDArray[np.generic]) -> float:
    """Share of right answers. `output` holds scores by class ([n, classes]) or classes ([n]: whole numbers, texts).

    Raises: ExportError: the output has neither form.
    """
    if output.ndim == 2 and len(output) == len(labels) and output.dtype.kind != "O":
        predicted = output.argmax(axis=1)
    elif output.shape == labels.shape and output.dtype.kind in "iuO":
        predicted = output
    else:
        raise ExportError(
            f"accuracy needs class scores [n, classes] or classes [n]; the model's first output is "
            f"{output.dtype} of shape {list(output.shape)} for {len(labels)} labels"
        )
    if (predicted.dtype.kind == "O") != (labels.dtype.kind == "O"):
        raise ExportError(
            f"the model answers classes as {predicted.dtype}, held_out() labels them as {labels.dtype}; "
            "both must be numbers, or both texts"
        )
    return float(np.mean(predicted == labels))


def r2(output: NDArray[np.generic], labels: NDArray[np.generic]) -> float:
    """Coefficient of determination: 1 - squared errors / squared distances of the labels from their mean.

    Raises: ExportError: the output is not one number an example, or all labels are equal.
    """
    if output.dtype.kind not in "iuf" or output.size != len(labels):
        raise ExportError(
            f"R2 needs one number an example; the model's first output is {output.dtype} of shape "
            f"{list(output.shape)} for {len(labels)} labels"
        )
    truth = labels.astype(np.float64)
    spread = float(np.sum((truth - truth.mean()) ** 2))
    if spread == 0:
        raise ExportError("train.py: all of held_out()'s labels are equal, so R2 says nothing")
    return 1 - float(np.sum((output.astype(np.float64).ravel() - truth) ** 2)) / spread


def check_quality(goal: Goal, measured: float) -> None:
    """Raises: ExportError: the model is worse than its folder demands."""
    if measured < goal.minimum:
        name = GOALS[goal.name].removeprefix("held_out_")
        raise ExportError(f"held-out {name} is {measured:.4f}; train.py demands {goal.name} = {goal.minimum:g}")

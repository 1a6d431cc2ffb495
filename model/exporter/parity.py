"""Compares the exported model with its source, and both with the truth. Pure functions of arrays."""

import numpy as np
from numpy.typing import NDArray

from .errors import ExportError
from .folder import Arrays

MAX_ABS_DIFFERENCE = 1e-5
"""Largest difference between the source framework's and ONNX Runtime's answers that the build accepts.

Both compute in float32, whose rounding is 6e-8 of the value; sums over a network's layers leave it near 1e-6.
"""


def max_abs_difference(expected: Arrays, got: Arrays) -> float:
    """The largest difference between any two corresponding numbers; infinite where only one is a number.

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
                f"output {name}: shape {list(got[name].shape)} from ONNX Runtime, {list(values.shape)} from the source"
            )
        if not np.all(np.isfinite(values)):
            raise ExportError(f"output {name}: the source model answers NaN or infinity on the held-out data")
        difference = np.abs(values.astype(np.float64) - got[name].astype(np.float64))
        largest = max(largest, float(np.max(np.nan_to_num(difference, nan=np.inf), initial=0.0)))
    return largest


def check_parity(difference: float, allowed: float = MAX_ABS_DIFFERENCE) -> None:
    """Raises: ExportError: the difference is above what is allowed."""
    if difference > allowed:
        raise ExportError(
            f"the exported model does not answer as its source: the largest difference on the held-out data is "
            f"{difference:.3g}, allowed is {allowed:g}. Look for layers that behave differently in inference, "
            "custom operations, or a lower precision in the export"
        )


def accuracy(output: NDArray[np.generic], labels: NDArray[np.generic]) -> float:
    """Share of right answers. `output` holds scores by class ([n, classes]) or class numbers ([n]).

    Raises: ExportError: the output has neither form.
    """
    if output.ndim == 2 and len(output) == len(labels):
        predicted = output.argmax(axis=1)
    elif output.shape == labels.shape and np.issubdtype(output.dtype, np.integer):
        predicted = output
    else:
        raise ExportError(
            f"accuracy needs class scores [n, classes] or class numbers [n]; the model's first output is "
            f"{output.dtype} of shape {list(output.shape)} for {len(labels)} labels"
        )
    return float(np.mean(predicted == labels))


def check_accuracy(measured: float, minimum: float) -> None:
    """Raises: ExportError: the model is less accurate than its folder demands."""
    if measured < minimum:
        raise ExportError(f"held-out accuracy is {measured:.4f}; train.py demands MINIMUM_ACCURACY = {minimum:g}")

"""Dynamic int8: weights as eight-bit whole numbers, which makes a file a quarter of its size and big sums faster."""

from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic

from .errors import ExportError
from .folder import Arrays

TOLERANCE_FACTOR = 2
"""A server accepts this many times the largest difference that the build measured: int8 sums differ by processor."""


def quantize(path: Path) -> None:
    """Rewrites the ONNX file with int8 weights. Raises: ExportError: ONNX Runtime cannot."""
    try:
        # reduce_range: seven bits, since the products of eight overflow on processors without VNNI.
        quantize_dynamic(path, path, weight_type=QuantType.QInt8, reduce_range=True)
    except Exception as error:  # its exceptions share no base of their own
        raise ExportError(f"ONNX Runtime cannot quantize the model: {type(error).__name__}: {error}") from error


def check_outputs(answers: Arrays) -> None:
    """Raises: ExportError: an output is a class and not a score, so that no tolerance can bound its error."""
    for name, values in answers.items():
        if values.dtype.kind != "f":
            raise ExportError(
                f"output {name} is {values.dtype}: the error of quantization can be bounded for scores only. Let the "
                "model give scores alone, or take quantization out of the stack file"
            )


def check_loss(metric: str, before: float, after: float, most: float) -> None:
    """Raises: ExportError: quantization costs more quality than the stack file allows."""
    if before - after > most:
        raise ExportError(
            f"quantization lowers {metric} from {before:.4f} to {after:.4f}; the stack file allows a loss of {most:g}"
        )

"""A model that is ONNX already. Its answers come from ONNX's reference evaluator, never from the runtime that serves.

The reference evaluator is the specification's own, in Python and numpy (`onnx.reference`); it shares no code with ONNX
Runtime, so the two agreeing says something.
"""

from pathlib import Path
from typing import Any

import numpy as np

from .artifact import find
from .errors import ExportError
from .folder import Arrays


def prepare() -> None:
    """Nothing to set up."""


def versions() -> dict[str, str]:
    """Versions of the packages that the answers come from."""
    import onnx

    return {"onnx": onnx.__version__}


def load(artifact: Path) -> object:
    """The model in the artifact's folder. Raises: ExportError: there is none, or it cannot be read."""
    import onnx

    path = find(artifact, "onnx")
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own
        raise ExportError(f"{path.name} is not an ONNX model: {error}") from error


def wrap(trained: object) -> "OnnxSource":
    """Checks what train() returned. Raises: ExportError: it is not a valid ONNX model."""
    return OnnxSource(trained)


class OnnxSource:
    """An ONNX model, seen through names and arrays only."""

    def __init__(self, trained: object) -> None:
        """Raises: ExportError: `trained` is not a valid onnx.ModelProto, or not one that the evaluator can run."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        if not isinstance(trained, onnx.ModelProto):
            raise ExportError(
                f"train.py: train() returned {type(trained).__name__}; it must return an onnx.ModelProto, such as "
                "onnx.load gives"
            )
        try:
            onnx.checker.check_model(trained, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ExportError(f"the ONNX model is not valid: {error}") from error
        try:
            self._reference = ReferenceEvaluator(trained)
        except Exception as error:  # an operator that it does not know, among others
            raise ExportError(
                f"ONNX's reference evaluator cannot run the model: {type(error).__name__}: {error}. Use the framework "
                "that trained the model as its source: its own answers prove the export"
            ) from error
        self._model = trained
        weights = {value.name for value in trained.graph.initializer}
        self._types = {
            value.name: onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            for value in trained.graph.input
            if value.name not in weights
        }
        self.input_names = list(self._types)

    def cast(self, inputs: Arrays) -> Arrays:
        """The inputs in the types of the graph."""
        return {name: values.astype(self._types[name]) for name, values in inputs.items()}

    def predict(self, inputs: Arrays) -> Arrays:
        """The reference evaluator's answers by output name."""
        answers: Any = self._reference.run(None, inputs)
        names = [value.name for value in self._model.graph.output]
        return {name: np.asarray(answer) for name, answer in zip(names, answers, strict=True)}

    def export(self, path: Path, sample: Arrays) -> None:
        """Writes the model as it is."""
        path.write_bytes(self._model.SerializeToString())

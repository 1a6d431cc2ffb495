"""The exported SavedModel, for models that ONNX cannot express: a canonical form, its signature, and its answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contract import datatype
from .errors import ExportError
from .folder import Arrays
from .unsafe_operations import refuse_unsafe

FOLDER = "saved_model"
"""Where the SavedModel is in the model's folder. The server knows it by its file saved_model.pb there."""

SIGNATURE = "serving_default"


def canonicalise(folder: Path) -> None:
    """Rewrites the SavedModel so that the same model gives the same bytes.

    Raises: ExportError: it holds operations that reach outside of the graph.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    refuse_unsafe(folder)
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(path.read_bytes())
    # Maps are written in an order of their own each time, unless this is asked for.
    path.write_bytes(saved.SerializeToString(deterministic=True))
    # A random number for TensorFlow's own statistics; loading needs none.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    for empty in ("assets", "assets.extra", "debug"):
        if (folder / empty).is_dir() and not any((folder / empty).iterdir()):
            (folder / empty).rmdir()


class LoadedSavedModel:
    """A SavedModel's `serving_default`, seen through names and arrays only, as the server will load it."""

    def __init__(self, folder: Path) -> None:
        """Raises: ExportError: TensorFlow cannot load it, or it has no such signature."""
        import tensorflow as tf

        try:
            self._module: Any = tf.saved_model.load(str(folder))
        except Exception as error:  # whatever the file makes TensorFlow raise
            raise ExportError(f"TensorFlow cannot load the SavedModel: {type(error).__name__}: {error}") from error
        if SIGNATURE not in self._module.signatures:
            found = ", ".join(self._module.signatures) or "none"
            raise ExportError(
                f"the SavedModel has no signature {SIGNATURE} (found: {found}). Name a tf.function when it is saved: "
                "tf.saved_model.save(module, folder, signatures=module.serve)"
            )
        self._function: Any = self._module.signatures[SIGNATURE]
        self.inputs: dict[str, Any] = dict(sorted(self._function.structured_input_signature[1].items()))
        self.outputs: dict[str, Any] = dict(sorted(self._function.structured_outputs.items()))

    def arrange(self, input_names: Sequence[str], output_names: Sequence[str]) -> None:
        """Puts inputs and outputs into the source's order; a SavedModel has none of its own.

        Raises: ExportError: they have other names than the source's.
        """
        for role, specs, names in (("inputs", self.inputs, input_names), ("outputs", self.outputs, output_names)):
            if set(specs) != set(names):
                raise ExportError(
                    f"the SavedModel has the {role} {', '.join(specs)}; its source has {', '.join(names)}. Use names "
                    "of letters, digits and _"
                )
        self.inputs = {name: self.inputs[name] for name in input_names}
        self.outputs = {name: self.outputs[name] for name in output_names}

    def signature(self) -> dict[str, Any]:
        """Inputs and outputs as the contract states them; -1 is a dimension that the client chooses.

        Raises: ExportError: the batch size is fixed, or a tensor has no known number of dimensions.
        """
        return {"inputs": _tensors(self.inputs), "outputs": _tensors(self.outputs)}

    def predict(self, inputs: Arrays) -> Arrays:
        """TensorFlow's answers by output name."""
        import tensorflow as tf

        answer = self._function(**{name: tf.constant(values) for name, values in inputs.items()})
        return {name: _array(answer[name]) for name in self.outputs}


def _tensors(specs: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, spec in specs.items():
        if spec.shape.rank is None:
            raise ExportError(f"{name}: the number of dimensions is not known. State it with tf.ensure_shape")
        sizes = [-1 if size is None else int(size) for size in spec.shape]
        if not sizes or sizes[0] != -1:
            raise ExportError(
                f"{name}: the batch size is fixed in the SavedModel. Leave the model's first dimension open"
            )
        found.append({"name": name, "datatype": datatype(np.dtype(spec.dtype.as_numpy_dtype)), "shape": sizes})
    return found


def _array(value: Any) -> NDArray[Any]:
    values = value.numpy()
    # TensorFlow's texts are bytes, which JSON has no form of.
    return np.char.decode(values.astype("S"), "utf-8").astype(object) if values.dtype.kind == "O" else values

"""Keras on TensorFlow: checks what train() returned, asks it for answers, exports it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .artifact import find
from .errors import ConversionError, ExportError
from .folder import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence


TRAINING_THREADS = 4
"""A folder whose training wants more sets them with tf.config.threading at the top of its train.py."""


def prepare() -> None:
    """Sets TensorFlow up to give the same weights from the same code. Call before anything imports it."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # oneDNN picks its kernels, and so the order of its sums, by the processor it finds.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    # Sums are split by the number of threads: a fixed one gives the same weights with any number of cores.
    tf.config.threading.set_intra_op_parallelism_threads(TRAINING_THREADS)


def versions() -> dict[str, str]:
    """Versions of the packages that made the model."""
    import keras
    import tensorflow as tf
    import tf2onnx

    return {"keras": keras.__version__, "tensorflow": tf.__version__, "tf2onnx": tf2onnx.__version__}


def load(artifact: Path) -> object:
    """The model in the artifact's folder, read in Keras' safe mode.

    Raises: ExportError: there is none, or it holds code, as Lambda layers do.
    """
    import keras

    path = find(artifact, "keras")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras' own errors share no base
        raise ExportError(
            f"{path.name}: Keras cannot read it in safe mode: {error}. A Lambda layer is code in the file: replace it "
            "by a layer of Keras or keras.ops, or train the model here"
        ) from error


def wrap(trained: object) -> "KerasModel":
    """Checks what train() returned. Raises: ExportError: it is not a Keras model with known inputs."""
    return KerasModel(trained)


class KerasModel:
    """A trained model, seen through names and arrays only."""

    def __init__(self, trained: object) -> None:
        """Raises: ExportError: `trained` is not a keras.Model with known inputs."""
        import keras
        from keras.src.saving import serialization_lib

        # Its public way to switch this off has none to ask.
        if serialization_lib.in_safe_mode() is False:
            raise ExportError(
                "train.py: Keras' safe mode is off, so that a file which it reads may run code. Take "
                "enable_unsafe_deserialization() out, and replace Lambda layers by layers of Keras or keras.ops"
            )
        if not isinstance(trained, keras.Model):
            raise ExportError(f"train.py: train() returned {type(trained).__name__}; it must return a keras.Model")
        model: Any = trained
        if not model.built or not getattr(model, "inputs", None):
            raise ExportError("train.py: the model's inputs are not known. Start it with keras.Input(shape, name=...)")
        self._model = model
        self.input_names: Sequence[str] = [tensor.name for tensor in model.inputs]

    def cast(self, inputs: Arrays) -> Arrays:
        """The inputs in the types of the model's keras.Input's."""
        types = {tensor.name: tensor.dtype for tensor in self._model.inputs}
        return {
            name: values if types[name] == "string" else values.astype(types[name]) for name, values in inputs.items()
        }

    def predict(self, inputs: Arrays) -> Arrays:
        """Keras' own answers by output name: the reference for everything that is served.

        Outputs are in the order in which TensorFlow flattens them, and so in that of the exported file.
        """
        import tensorflow as tf

        # Keras takes texts as TensorFlow's tensors only.
        given = {name: tf.constant(value) if value.dtype.kind == "O" else value for name, value in inputs.items()}
        answer = self._model.predict(given[self.input_names[0]] if len(given) == 1 else given, verbose=0)
        return {name: np.asarray(value) for name, value in self._by_name(answer).items()}

    def _by_name(self, answer: Any) -> dict[str, Any]:
        if isinstance(answer, dict):
            return {name: answer[name] for name in sorted(answer)}
        values = answer if isinstance(answer, list | tuple) else [answer]
        # A Sequential model has no names for its outputs; these are what Keras' own export calls them.
        names = getattr(self._model, "output_names", None) or [f"output_{place}" for place in range(len(values))]
        return dict(zip(names, values, strict=True))

    def export(self, path: Path, sample: Arrays) -> None:
        """Writes the model as ONNX with an open batch size.

        Raises: ConversionError: Keras or tf2onnx cannot express the model in ONNX.
        """
        try:
            self._model.export(str(path), format="onnx", verbose=False)
        except Exception as error:  # whatever stops the converter: the message is for the model's author
            raise ConversionError(
                f"Keras cannot export the model to ONNX: {type(error).__name__}: {error}. "
                "Use layers that have an ONNX form; a layer in Python code has none"
            ) from error
        if not path.is_file():
            raise ConversionError("Keras' ONNX export wrote no file")

    def export_saved_model(self, folder: Path) -> None:
        """Writes the model as a SavedModel, with the model's names for inputs and outputs, and an open batch size.

        Raises: ExportError: Keras cannot trace the model.
        """
        from . import keras_saved_model

        keras_saved_model.export(self._model, self._by_name, folder)

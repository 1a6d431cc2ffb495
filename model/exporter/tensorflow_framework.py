"""TensorFlow without Keras: a SavedModel and its signature `serving_default`, through tf2onnx or as it is."""

import shutil
import subprocess
import sys
from pathlib import Path

from . import keras_framework
from .artifact import find
from .errors import ConversionError, ExportError
from .folder import Arrays
from .saved_model import SIGNATURE, LoadedSavedModel
from .unsafe_operations import refuse_unsafe

OPSET = 18
"""The newest set of ONNX operators that tf2onnx writes."""

prepare = keras_framework.prepare


def versions() -> dict[str, str]:
    """Versions of the packages that made the model."""
    import tensorflow as tf
    import tf2onnx

    return {"tensorflow": tf.__version__, "tf2onnx": tf2onnx.__version__}


def load(artifact: Path) -> object:
    """The folder of the SavedModel in the artifact. Raises: ExportError: there is none."""
    return find(artifact, "tensorflow").parent


def wrap(trained: object) -> "SavedModel":
    """Checks what train() returned. Raises: ExportError: it is not the folder of a SavedModel that can be served."""
    return SavedModel(trained)


class SavedModel:
    """A SavedModel's signature, seen through names and arrays only. Inputs and outputs have the signature's names.

    Outputs are in the order of their names, which is TensorFlow's own.
    """

    def __init__(self, trained: object) -> None:
        """Raises: ExportError: no SavedModel there, no signature, or unsafe operations."""
        if not isinstance(trained, str | Path) or not (Path(trained) / "saved_model.pb").is_file():
            raise ExportError(
                f"train.py: train() returned {trained!r}; it must return the folder that tf.saved_model.save wrote "
                "(it holds a saved_model.pb)"
            )
        self._folder = Path(trained)
        refuse_unsafe(self._folder)
        self._loaded = LoadedSavedModel(self._folder)
        self.input_names = list(self._loaded.inputs)
        self.predict = self._loaded.predict

    def cast(self, inputs: Arrays) -> Arrays:
        """The inputs in the types of the signature."""
        import tensorflow as tf

        types = {name: spec.dtype for name, spec in self._loaded.inputs.items()}
        return {
            name: values if types[name] == tf.string else values.astype(types[name].name)
            for name, values in inputs.items()
        }

    def export(self, path: Path, sample: Arrays) -> None:
        """Writes the model as ONNX with an open batch size.

        Raises: ConversionError: tf2onnx cannot express the model in ONNX.
        """
        # tf2onnx finds a SavedModel's look-up tables only where it reads the folder itself, which is its command line.
        command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(self._folder), "--output", str(path)]
        options = ["--tag", "serve", "--signature_def", SIGNATURE, "--opset", str(OPSET)]
        done = subprocess.run([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0 or not path.is_file():
            said = [line for line in done.stdout.splitlines() if line.strip()][-1:]
            raise ConversionError(
                f"tf2onnx cannot export the SavedModel to ONNX: {' '.join(said)}. Use operations that have an ONNX form"
            )

    def export_saved_model(self, folder: Path) -> None:
        """Copies what TensorFlow loads; a SavedModel may have other things beside it."""
        for part in ("saved_model.pb", "variables", "assets"):
            if (self._folder / part).is_dir():
                shutil.copytree(self._folder / part, folder / part)
            elif (self._folder / part).is_file():
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._folder / part, folder / part)

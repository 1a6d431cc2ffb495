"""TensorFlow without Keras: a SavedModel and its signature `serving_default`, through tf2onnx."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import keras_framework
from .artifact import find
from .errors import ExportError
from .folder import Arrays

SIGNATURE = "serving_default"

OPSET = 18
"""The newest set of ONNX operators that tf2onnx writes."""

UNSAFE = {
    "PyFunc": "runs Python",
    "PyFuncStateless": "runs Python",
    "EagerPyFunc": "runs Python",
    "ReadFile": "reads files",
    "WriteFile": "writes files",
    "MatchingFiles": "reads folders",
}
"""Operations of a graph that reach outside of it. A model that is asked for answers would run them."""

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
    """A SavedModel's signature, seen through names and arrays only. Inputs and outputs have the signature's names."""

    def __init__(self, trained: object) -> None:
        """Raises: ExportError: no SavedModel there, no signature, inputs without a batch size, or unsafe operations."""
        import tensorflow as tf

        if not isinstance(trained, str | Path) or not (Path(trained) / "saved_model.pb").is_file():
            raise ExportError(
                f"train.py: train() returned {trained!r}; it must return the folder that tf.saved_model.save wrote "
                "(it holds a saved_model.pb)"
            )
        self._folder = Path(trained)
        refuse_unsafe(self._folder)
        self._module: Any = tf.saved_model.load(str(trained))
        if SIGNATURE not in self._module.signatures:
            found = ", ".join(self._module.signatures) or "none"
            raise ExportError(
                f"the SavedModel has no signature {SIGNATURE} (found: {found}). Name a tf.function when it is saved: "
                "tf.saved_model.save(module, folder, signatures=module.serve)"
            )
        self._function: Any = self._module.signatures[SIGNATURE]
        self._specs: dict[str, Any] = dict(sorted(self._function.structured_input_signature[1].items()))
        self.input_names = list(self._specs)

    def cast(self, inputs: Arrays) -> Arrays:
        """The inputs in the types of the signature."""
        import tensorflow as tf

        return {
            name: values if self._specs[name].dtype == tf.string else values.astype(self._specs[name].dtype.name)
            for name, values in inputs.items()
        }

    def predict(self, inputs: Arrays) -> Arrays:
        """TensorFlow's own answers by output name, in the order of the names, which is TensorFlow's own."""
        import tensorflow as tf

        answer = self._function(**{name: tf.constant(values) for name, values in inputs.items()})
        return {name: _array(answer[name]) for name in sorted(answer)}

    def export(self, path: Path, sample: Arrays) -> None:
        """Writes the model as ONNX with an open batch size.

        Raises: ExportError: tf2onnx cannot express the model in ONNX.
        """
        # tf2onnx finds a SavedModel's look-up tables only where it reads the folder itself, which is its command line.
        command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(self._folder), "--output", str(path)]
        options = ["--tag", "serve", "--signature_def", SIGNATURE, "--opset", str(OPSET)]
        done = subprocess.run([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0 or not path.is_file():
            said = [line for line in done.stdout.splitlines() if line.strip()][-1:]
            raise ExportError(
                f"tf2onnx cannot export the SavedModel to ONNX: {' '.join(said)}. Use operations that have an ONNX form"
            )


def refuse_unsafe(folder: Path) -> None:
    """Raises: ExportError: the SavedModel in `folder` cannot be read, or holds an operation that reaches outside."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    except Exception as error:  # protobuf's own
        raise ExportError(f"{folder.name}/saved_model.pb is not a SavedModel: {error}") from error
    for graph in saved.meta_graphs:
        functions = graph.graph_def.library.function
        nodes = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
        for node in nodes:
            if node.op in UNSAFE:
                raise ExportError(
                    f"the SavedModel is not safe: operation {node.op} ({node.name}) {UNSAFE[node.op]}. "
                    "Save a function that computes from its inputs alone; what prepares them belongs to the client, or "
                    "into TensorFlow operations"
                )


def _array(value: Any) -> NDArray[Any]:
    values = value.numpy()
    # TensorFlow's texts are bytes, which JSON has no form of.
    return np.char.decode(values.astype("S"), "utf-8").astype(object) if values.dtype.kind == "O" else values

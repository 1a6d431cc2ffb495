"""Writes a Keras model as a SavedModel whose bytes are the same for the same model.

Keras' own export keeps variables in sets, and writes them in another order each time.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import ExportError
from .saved_model import SIGNATURE


def export(model: Any, by_name: Callable[[Any], dict[str, Any]], folder: Path) -> None:
    """Writes `model`, whose answer `by_name` turns into tensors by output name, for inference.

    Raises: ExportError: TensorFlow cannot trace or save the model.
    """
    import tensorflow as tf

    names = [tensor.name for tensor in model.inputs]

    def serve(*values: Any) -> dict[str, Any]:
        inputs = dict(zip(names, values, strict=True))
        return by_name(model(values[0] if len(names) == 1 else inputs, training=False))

    signature = [tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name) for tensor in model.inputs]
    module: Any = tf.Module()
    try:
        module.serve = tf.function(serve, input_signature=signature, autograph=False)
        used = {id(variable) for variable in module.serve.get_concrete_function().variables}
        module.weights = [variable.value for variable in model.variables if id(variable.value) in used]
        # Look-up tables, which TensorFlow saves only if it is told of them.
        module.tables = [
            value
            for layer in model._flatten_layers()
            for value in vars(layer).values()
            if isinstance(value, tf.saved_model.experimental.TrackableResource)
        ]
        tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve})
    except Exception as error:  # whatever the model's own code raises, too
        raise ExportError(
            f"TensorFlow cannot save the Keras model: {type(error).__name__}: {error}. Build it from layers and "
            "keras.ops, which TensorFlow can trace"
        ) from error

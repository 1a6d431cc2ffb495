"""The model in TensorFlow: for graphs that ONNX cannot express. Imported only where a SavedModel is served."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import RefusalError, RequestError, overloaded
from .tensors import DATATYPES, Signature, Tensors, TensorSpec

# Of its log, errors only: what it says of processors and optimisations is no news of this model.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Precision is explicit: float32 is computed in float32, whatever the processor offers.
os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "STRICT"

import tensorflow as tf  # pyright: ignore[reportMissingModuleSource]

SIGNATURE = "serving_default"

_DATATYPES = {tf.dtypes.as_dtype(element).name: name for name, (_, element) in DATATYPES.items() if name != "BYTES"} | {
    "string": "BYTES"
}

_WRONG_INPUTS = (
    tf.errors.InvalidArgumentError,
    tf.errors.OutOfRangeError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnimplementedError,
)


class TensorFlowSession:
    """A loaded model, of the same form as session.Session. `run` may be called from several threads at once."""

    platform = "tensorflow_savedmodel"

    def __init__(self, path: Path, threads: int) -> None:
        """`path` is the file saved_model.pb; `threads` is set once for the process.

        Raises: RefusalError: TensorFlow cannot load the model, or it has tensors that the protocol cannot name.
        """
        # Requests are computed at the same time by as many threads as each of them may use.
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        try:
            self._module: Any = tf.saved_model.load(str(path.parent))
            # Traced when it was saved: no request makes TensorFlow trace anything.
            self._function: Any = self._module.signatures[SIGNATURE]
        except Exception as error:  # whatever the files make TensorFlow raise
            raise RefusalError(f"{path.name}: TensorFlow cannot load it: {type(error).__name__}: {error}") from error
        self._inputs: dict[str, Any] = self._function.structured_input_signature[1]
        self.signature = Signature(inputs=_specs(self._inputs), outputs=_specs(self._function.structured_outputs))

    def run(self, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        """The model's answers by output name. Inputs must fit the signature.

        Raises: RequestError: 422: the model cannot compute with these inputs, or answers text that is not UTF-8;
        503: there is not enough memory for them.
        """
        try:
            answers = self._function(**{name: tf.constant(values) for name, values in inputs.items()})
            return {name: _array(name, answers[name].numpy()) for name in outputs}
        except _WRONG_INPUTS:
            # Its message may quote the inputs, and so goes nowhere.
            raise RequestError(422, "the model cannot compute with these inputs: a size or value is wrong") from None
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise overloaded("not enough memory for these inputs") from None


def _specs(tensors: dict[str, Any]) -> tuple[TensorSpec, ...]:
    for name, spec in tensors.items():
        if spec.dtype.name not in _DATATYPES:
            raise RefusalError(f"{name}: type {spec.dtype.name} has no name in the Open Inference Protocol")
        if spec.shape.rank is None:
            raise RefusalError(f"{name}: the number of dimensions is not known")
    return tuple(
        TensorSpec(
            name=name,
            datatype=_DATATYPES[spec.dtype.name],
            shape=tuple(-1 if size is None else int(size) for size in spec.shape),
        )
        for name, spec in sorted(tensors.items())
    )


def _array(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind != "O":
        return values
    # TensorFlow's texts are bytes.
    texts = np.empty(values.size, dtype=np.object_)
    try:
        texts[:] = [value.decode() for value in values.ravel()]
    except UnicodeDecodeError:
        raise RequestError(422, f"output {name!r}: the model answers bytes that are not UTF-8") from None
    return texts.reshape(values.shape)

"""The model in ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from . import accelerators
from .errors import RefusalError, RequestError, overloaded
from .tensors import Signature, Tensors, TensorSpec

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class Session:
    """A loaded model. `run` may be called from several threads at once."""

    platform = "onnxruntime_onnx"

    def __init__(self, path: Path, threads: int, accelerator: str = "none") -> None:
        """`threads` are the processor's; `accelerator` is one of accelerators.ACCELERATORS.

        Raises: RefusalError: ONNX Runtime cannot load the file, it has values that the protocol cannot name, or the
        accelerator is not here.
        """
        accelerators.check(accelerator, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Waiting threads that spin burn the CPU time that the control group grants to the others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # Providers are named, and a missing one is an error, never a silent fallback.
            self._session = onnxruntime.InferenceSession(
                path, options, providers=accelerators.providers(accelerator), enable_fallback=0
            )
        except Exception as error:  # its exceptions share no base of their own
            raise RefusalError(f"{path.name}: ONNX Runtime cannot load it: {error}") from error
        accelerators.check_used(accelerator, self._session.get_providers())
        # Past the checks that its Python class makes for each call, as the signature's are stricter: both together take
        # a tenth more of a small request's time.
        self._run = self._session._sess.run  # pyright: ignore[reportOptionalMemberAccess]
        self._symbols = {value.name: value.shape for value in self._session.get_inputs()}
        symbols = [size for shape in self._symbols.values() for size in shape if isinstance(size, str)]
        self._shares_symbols = len(symbols) > len(set(symbols))
        self.signature = Signature(
            inputs=_specs(self._session.get_inputs()), outputs=_specs(self._session.get_outputs())
        )

    def run(self, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        """The model's answers by output name. Inputs must fit the signature.

        Raises: RequestError: 400: dimensions that the model holds equal differ between the inputs; 422: the model
        cannot compute with these inputs; 503: there is not enough memory for them.
        """
        if self._shares_symbols:
            self._check_symbols(inputs)
        try:
            answers = self._run(outputs, inputs, None)
        except (InvalidArgument, RuntimeException, Fail) as error:
            # Its message may quote the inputs, and so goes nowhere.
            if "alloc" in str(error).lower():
                raise overloaded("not enough memory for these inputs") from None
            raise RequestError(422, "the model cannot compute with these inputs: a size or value is wrong") from None
        # onnxruntime's types allow for sparse tensors, sequences and maps, which the signature has ruled out.
        return cast(Tensors, dict(zip(outputs, answers, strict=True)))

    def _check_symbols(self, inputs: Tensors) -> None:
        """Dimensions of the same name, such as the batch of two inputs, must have the same size."""
        sizes: dict[str, tuple[int, str]] = {}
        for name, values in inputs.items():
            for symbol, size in zip(self._symbols[name], values.shape, strict=True):
                if not isinstance(symbol, str):
                    continue
                known, where = sizes.setdefault(symbol, (size, name))
                if known != size:
                    raise RequestError(
                        400, f"input {name!r}: dimension {symbol} is {size}, but {known} in input {where!r}"
                    )


def _specs(values: Sequence[onnxruntime.NodeArg]) -> tuple[TensorSpec, ...]:
    for value in values:
        if value.type not in _DATATYPES:
            raise RefusalError(f"{value.name}: type {value.type} has no name in the Open Inference Protocol")
    return tuple(
        TensorSpec(
            name=value.name,
            datatype=_DATATYPES[value.type],
            shape=tuple(size if isinstance(size, int) else -1 for size in value.shape),
        )
        for value in values
    )

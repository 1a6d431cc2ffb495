"""PyTorch: traces a module with torch.export, and writes the traced graph as ONNX."""

import inspect
import io
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from .artifact import find
from .errors import ExportError
from .folder import Arrays

TRAINING_THREADS = 4
"""A folder whose training wants more calls torch.set_num_threads at the top of its train.py."""


def prepare() -> None:
    """Sets PyTorch up to give the same weights from the same code. Call before anything imports it."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    torch.use_deterministic_algorithms(True)
    # Sums are split by the number of threads: a fixed one gives the same weights with any number of cores.
    torch.set_num_threads(TRAINING_THREADS)
    # oneDNN picks its kernels, and so the order of its sums, by the processor it finds.
    torch.backends.mkldnn.enabled = False


def versions() -> dict[str, str]:
    """Versions of the packages that made the model."""
    import onnxscript
    import torch

    return {"torch": str(torch.__version__), "onnxscript": onnxscript.__version__}


def load(artifact: Path) -> object:
    """The module that torch.export saved. Raises: ExportError: there is none, or it holds more than tensors."""
    import torch

    path = find(artifact, "pytorch")
    # The file holds pickles beside its graph. With this, only tensors are read from them, and no code is run.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        return torch.export.load(path).module()
    except Exception as error:
        raise ExportError(
            f"{path.name}: PyTorch {torch.__version__} cannot read it: {type(error).__name__}: {error}. Save it with "
            "torch.export.save, and with this version of PyTorch"
        ) from error


def wrap(trained: object) -> "TorchModel":
    """Checks what train() returned. Raises: ExportError: it is not a module whose inputs have names."""
    return TorchModel(trained)


class TorchModel:
    """A trained module, seen through names and arrays only.

    Inputs are the parameters of its forward(). Outputs are the keys of the dict that it returns; one tensor is
    `output`, several are `output_0` and so on.
    """

    def __init__(self, trained: object) -> None:
        """Raises: ExportError: `trained` is not a torch.nn.Module, or its forward() takes *args or **kwargs."""
        import torch

        if not isinstance(trained, torch.nn.Module) or isinstance(trained, torch.jit.ScriptModule):
            raise ExportError(
                f"train.py: train() returned {type(trained).__name__}; it must return a torch.nn.Module, not scripted"
            )
        model: Any = trained
        parameters = inspect.signature(model.forward).parameters.values()
        if not parameters or any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
            raise ExportError("train.py: the module's forward() must name each of its inputs; *args and * do not")
        # An input with a default is an option of the module's, not something that a client sends.
        self.input_names = [p.name for p in parameters if p.default is p.empty]
        # A module that torch.export saved was traced in this mode already, and has no other.
        self._model: Any = model if isinstance(model, torch.fx.GraphModule) else model.eval()
        self._float = next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.float32)

    def cast(self, inputs: Arrays) -> Arrays:
        """Numbers with a fraction in the type of the module's weights. Raises: ExportError: an input is text."""
        import torch

        texts = [name for name, values in inputs.items() if values.dtype.kind == "O"]
        if texts:
            raise ExportError(f"train.py: held_out()'s input {texts[0]} is text, which PyTorch has no tensors of")
        wanted = torch.empty(0, dtype=self._float).numpy().dtype
        return {name: values.astype(wanted) if values.dtype.kind == "f" else values for name, values in inputs.items()}

    def predict(self, inputs: Arrays) -> Arrays:
        """PyTorch's own answers by output name."""
        import torch

        with torch.inference_mode():
            answer = self._model(*_tensors(inputs, self.input_names))
        return {name: np.asarray(value) for name, value in _named(answer).items()}

    def export(self, path: Path, sample: Arrays) -> None:
        """Writes the model as ONNX with an open batch size.

        Raises: ExportError: torch.export cannot trace the module, or an operator of it has no ONNX form.
        """
        import torch

        tensors = _tensors(sample, self.input_names)
        batch = torch.export.Dim("batch", min=1, max=2**31 - 1)
        try:
            with torch.no_grad(), redirect_stdout(io.StringIO()):  # it prints its progress, with emoji
                names = list(_named(self._model(*tensors)))
                traced = torch.export.export(self._model, tensors, dynamic_shapes=tuple({0: batch} for _ in tensors))
                program: Any = torch.onnx.export(
                    traced, tensors, dynamo=True, input_names=list(self.input_names), output_names=names
                )
        except Exception as error:  # whatever stops it: the message is for the model's author
            raise ExportError(
                f"PyTorch cannot export the model to ONNX: {type(error).__name__}: {error}. "
                "forward() must be free of Python that depends on the data, and take any batch size"
            ) from error
        path.write_bytes(program.model_proto.SerializeToString())


def _tensors(inputs: Arrays, names: Sequence[str]) -> tuple[Any, ...]:
    """In the order of forward(): a module that torch.export saved takes its inputs by place only."""
    import torch

    # A copy: held-out data may be a view that cannot be written, which PyTorch warns of.
    return tuple(torch.from_numpy(np.array(inputs[name])) for name in names)


def _named(answer: Any) -> dict[str, Any]:
    import torch

    if isinstance(answer, torch.Tensor):
        return {"output": answer}
    if isinstance(answer, dict):
        return {str(name): value for name, value in answer.items()}
    if isinstance(answer, list | tuple):
        return {f"output_{place}": value for place, value in enumerate(answer)}
    raise ExportError(
        f"train.py: the module returns {type(answer).__name__}; it must be tensors, by name or in a tuple"
    )

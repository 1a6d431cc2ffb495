"""Train, export, prove: the steps of a build, each of which may refuse the model."""

import importlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import onnxruntime

from . import contract, parity, quantization, saved_model
from .errors import ConversionError, ExportError
from .folder import GOALS, Arrays, Goal, HeldOut, load_folder
from .onnx_file import OnnxModel, canonicalise

MODEL_FILE = "model.onnx"
FRAMEWORKS = ("keras", "tensorflow", "pytorch", "sklearn", "onnx")

RUNTIMES = {"onnx": FRAMEWORKS, "tensorflow": ("keras", "tensorflow")}
"""What serves a model -> the frameworks whose models it can serve."""

SAMPLE = 4
"""Examples that an export may trace the model with; more than one, since a size of 1 is taken for a constant."""

SINGLE_GOLDENS = BATCH_GOLDEN = 8
"""Golden requests: eight of one example each, then one with a batch of eight, which proves the open batch size."""


class TrainedModel(Protocol):
    """What a framework module must offer of the model that a folder's train() returned."""

    input_names: Sequence[str]

    def cast(self, inputs: Arrays) -> Arrays:
        """The inputs in the types that the served model takes."""
        ...

    def predict(self, inputs: Arrays) -> Arrays:
        """The framework's own answers by output name, in the order of the exported file's outputs."""
        ...

    def export(self, path: Path, sample: Arrays) -> None:
        """Writes the model as ONNX with an open batch size. `sample` holds a few examples."""
        ...


class SavedModelSource(TrainedModel, Protocol):
    """What those of RUNTIMES["tensorflow"] must offer, too."""

    def export_saved_model(self, folder: Path) -> None:
        """Writes the model as a SavedModel with an open batch size."""
        ...


class Exported(Protocol):
    """A model as it will be served, in the runtime that will serve it."""

    def signature(self) -> dict[str, Any]: ...
    def predict(self, inputs: Arrays) -> Arrays: ...


class Framework(Protocol):
    """A module of this package named after its framework, such as keras_framework."""

    def prepare(self) -> None: ...
    def load(self, artifact: Path) -> object: ...
    def wrap(self, trained: object) -> TrainedModel: ...
    def versions(self) -> dict[str, str]: ...


def export(
    source: Path,
    out: Path,
    framework: str,
    report: Callable[[str], None],
    *,
    runtime: str = "onnx",
    artifact: Path | None = None,
    quantization_loss: float | None = None,
) -> None:
    """Trains the folder's model and writes it and contract.json into `out`, which it empties first.

    The model is model.onnx, or for the `runtime` tensorflow the folder saved_model.

    With `artifact`, a folder that holds a finished model, it reads that one instead of training. The folder's
    held_out() and goal are what it is judged by, too. With `quantization_loss` the weights become int8, unless that
    costs more than so much of the quality on the held-out data.

    Raises: ExportError: the folder, the model or its export is not good enough to serve; nothing is left in `out`.
    """
    started = time.monotonic()

    def step(text: str) -> None:
        report(f"[{time.monotonic() - started:5.1f} s] {text}")

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        _check_runtime(runtime, framework, quantization_loss)
        step(f"loading {framework}")
        adapter = load_framework(framework)
        adapter.prepare()
        folder = load_folder(source, trains=artifact is None)
        if artifact is None:
            step("training")
            model = adapter.wrap(folder.train())
        else:
            step("reading the finished model")
            model = adapter.wrap(adapter.load(artifact))
        held_out = folder.load_held_out(model.input_names)
        held_out = replace(held_out, inputs=model.cast(held_out.inputs))
        expected = model.predict(held_out.inputs)
        metric = GOALS[folder.goal.name]
        measured = parity.quality(folder.goal, next(iter(expected.values())), held_out.labels)
        step(f"{metric} {measured:.4f} of {len(held_out.labels)} examples")
        parity.check_quality(folder.goal, measured)

        exported: Exported
        if runtime == "tensorflow":
            step("exporting as a SavedModel")
            exported = _to_saved_model(cast(SavedModelSource, model), out / saved_model.FOLDER, list(expected))
        else:
            step("exporting to ONNX")
            exported = _to_onnx(framework, model, out / MODEL_FILE, held_out, list(expected))
        difference = parity.max_difference(expected, exported.predict(held_out.inputs))
        step(f"largest difference from {framework} {difference:.2e}, allowed {parity.MAX_DIFFERENCE:g}")
        parity.check_parity(difference)

        metrics = {metric: measured, "parity_max_difference": difference}
        tolerance = contract.GOLDEN_TOLERANCE
        if quantization_loss is not None:
            step("quantizing")
            path = out / MODEL_FILE
            exported, after, error = _quantize(path, folder.goal, held_out, expected, measured, quantization_loss)
            step(f"{metric} {after:.4f} quantized, largest difference {error:.2e}")
            metrics |= {f"{metric}_quantized": after, "quantization_max_difference": error}
            tolerance += quantization.TOLERANCE_FACTOR * error

        contract.write_contract(
            out,
            signature=exported.signature(),
            goldens=_goldens(held_out, model, tolerance),
            metrics=metrics,
            framework={"name": framework, "versions": adapter.versions() | _runtime_versions(runtime)},
        )
        for path in sorted(path for path in out.rglob("*") if path.is_file()):
            step(f"wrote {path.relative_to(out)} (SHA-256 {contract.sha256(path)})")
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _check_runtime(runtime: str, framework: str, quantization_loss: float | None) -> None:
    if framework in FRAMEWORKS and framework not in RUNTIMES[runtime]:
        raise ExportError(
            f"runtime {runtime} serves no models of {framework}; it serves those of {' and '.join(RUNTIMES[runtime])}"
        )
    if runtime != "onnx" and quantization_loss is not None:
        raise ExportError("int8 weights are possible with runtime onnx only. Take quantization out of the stack file")


def _to_onnx(
    framework: str, model: TrainedModel, path: Path, held_out: HeldOut, output_names: Sequence[str]
) -> OnnxModel:
    try:
        model.export(path, held_out.rows(0, SAMPLE))
        canonicalise(path, output_names)
        return OnnxModel(path)
    except ConversionError as error:
        if framework not in RUNTIMES["tensorflow"]:
            raise
        raise ExportError(
            f"{error}. Or serve the model with TensorFlow itself, in a larger image: write runtime: tensorflow beside "
            "the source in the stack file"
        ) from error


def _to_saved_model(model: SavedModelSource, folder: Path, output_names: Sequence[str]) -> saved_model.LoadedSavedModel:
    model.export_saved_model(folder)
    saved_model.canonicalise(folder)
    exported = saved_model.LoadedSavedModel(folder)
    exported.arrange(model.input_names, output_names)
    return exported


def _runtime_versions(runtime: str) -> dict[str, str]:
    # TensorFlow's own is among the framework's.
    return {"onnxruntime": onnxruntime.__version__} if runtime == "onnx" else {}


def _quantize(
    path: Path, goal: Goal, held_out: HeldOut, expected: Arrays, before: float, most: float
) -> tuple[OnnxModel, float, float]:
    """The quantized file, its quality, and its largest difference from the source: in one batch, and row by row.

    Both, because the scale of dynamic quantization is taken from the whole batch.
    """
    quantization.check_outputs(expected)
    quantization.quantize(path)
    quantized = OnnxModel(path)
    together = quantized.predict(held_out.inputs)
    after = parity.quality(goal, next(iter(together.values())), held_out.labels)
    quantization.check_loss(GOALS[goal.name], before, after, most)
    errors = [parity.max_difference(expected, together)]
    for first, last in _golden_edges(len(held_out.labels)):
        wanted = {name: values[first:last] for name, values in expected.items()}
        errors.append(parity.max_difference(wanted, quantized.predict(held_out.rows(first, last))))
    return quantized, after, max(errors)


def load_framework(name: str) -> Framework:
    """Imports the framework's module, and nothing of the framework yet.

    Raises: ExportError: there is none of that name.
    """
    if name not in FRAMEWORKS:
        raise ExportError(f"framework {name!r} is not known; known: {', '.join(FRAMEWORKS)}")
    return cast(Framework, importlib.import_module(f".{name}_framework", __package__))


def _goldens(held_out: HeldOut, model: TrainedModel, tolerance: float) -> list[dict[str, Any]]:
    """Golden requests from the held-out data, answered by the source model in requests of the same form."""
    requests = [held_out.rows(first, last) for first, last in _golden_edges(len(held_out.labels))]
    return [contract.golden(inputs, model.predict(inputs), tolerance) for inputs in requests]


def _golden_edges(examples: int) -> list[tuple[int, int]]:
    """First and last + 1 of the examples of each golden request."""
    edges = [(row, row + 1) for row in range(SINGLE_GOLDENS)]
    edges.append((SINGLE_GOLDENS, SINGLE_GOLDENS + BATCH_GOLDEN))
    return [(first, last) for first, last in edges if first < examples]

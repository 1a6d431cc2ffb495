"""Finds a finished model's file among those that were given or fetched, and refuses formats that run code."""

from pathlib import Path

from .errors import ExportError

PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"})

FORMATS = {
    "keras": ("*.keras", "model.save('model.keras')"),
    "pytorch": ("*.pt2", "torch.export.save(torch.export.export(model, ...), 'model.pt2') with an open batch size"),
    "sklearn": ("*.skops", "skops.io.dump(model, 'model.skops')"),
    "onnx": ("*.onnx", "onnx.save(model, 'model.onnx')"),
    "tensorflow": ("saved_model.pb", "tf.saved_model.save(model, folder, signatures=...)"),
}
"""Framework -> the file that it is read from, and what writes that file."""


def find(folder: Path, framework: str) -> Path:
    """The one file in `folder` that a model of the framework is read from.

    Raises: ExportError: there is none or several, or only one that runs code when it is read.
    """
    pattern, written_by = FORMATS[framework]
    # In folders too: MLflow keeps Keras' file in data/.
    found = sorted(folder.rglob(pattern))
    if len(found) == 1:
        return found[0]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = ", ".join(path.relative_to(folder).as_posix() for path in files[:10]) or "nothing"
    if found:
        raise ExportError(f"the artifact holds several models ({names}); it must hold one file {pattern}")
    for path in files:
        if reason := _unsafe(path):
            raise ExportError(f"the artifact's {path.name} {reason}. Save the model with {written_by}")
    raise ExportError(f"the artifact holds no {pattern} (found: {names}). Save the model with {written_by}")


def _unsafe(path: Path) -> str | None:
    if path.suffix in PICKLES:
        return "is a pickle, which runs whatever code it holds when it is read"
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt"):
        return "is a pickle of PyTorch's, or weights without their model"
    if path.suffix in (".h5", ".hdf5"):
        return "is in Keras' old format, which may hold code"
    return None

"""scikit-learn: classifiers and regressors, pipelines with text and categories among them, through skl2onnx."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .artifact import find
from .errors import ExportError
from .folder import Arrays

UNNAMED = "features"
"""The input of a model that was fitted on an array, whose columns have no names."""

_WAY_OUT = "Use estimators that skl2onnx has a converter for (sklearn-onnx's documentation lists them)"


def prepare() -> None:
    """Sets the numeric libraries up to give the same model from the same code. Call before anything imports them."""
    # Sums are split by the number of threads, and BLAS takes as many as there are cores.
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})


def versions() -> dict[str, str]:
    """Versions of the packages that made the model."""
    import skl2onnx
    import sklearn

    return {"scikit-learn": sklearn.__version__, "skl2onnx": skl2onnx.__version__}


def load(artifact: Path) -> object:
    """The model that skops saved, which holds no code.

    Raises: ExportError: there is none, or it needs types that are not scikit-learn's or numpy's own.
    """
    import skops.io

    path = find(artifact, "sklearn")
    unknown = skops.io.get_untrusted_types(file=path)
    if unknown:
        raise ExportError(
            f"{path.name}: needs {', '.join(unknown)}, which may run code of its own when it is read. Use estimators "
            "of scikit-learn, or train the model here"
        )
    return skops.io.load(path)


def wrap(trained: object) -> "SklearnModel":
    """Checks what train() returned. Raises: ExportError: it is not a fitted classifier or regressor."""
    return SklearnModel(trained)


class SklearnModel:
    """A fitted estimator, seen through names and arrays only.

    One fitted on a data frame has an input for each of its columns, of shape [n, 1]; any other has the one input
    `features`, of shape [n, columns], or [n, 1] for texts.
    """

    def __init__(self, trained: object) -> None:
        """Raises: ExportError: `trained` is not a fitted classifier or regressor."""
        from sklearn.base import BaseEstimator, is_classifier, is_regressor
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        if not isinstance(trained, BaseEstimator) or not (is_classifier(trained) or is_regressor(trained)):
            raise ExportError(
                f"train.py: train() returned {type(trained).__name__}; it must return a fitted classifier or regressor "
                "of scikit-learn, or a Pipeline that ends in one"
            )
        try:
            check_is_fitted(trained)
        except NotFittedError as error:
            raise ExportError("train.py: train() returned an estimator that is not fitted; call its fit()") from error
        self._model: Any = trained
        self._classifies = is_classifier(trained)
        columns = getattr(trained, "feature_names_in_", None)
        self._has_columns = columns is not None
        self.input_names = [UNNAMED] if columns is None else [str(name) for name in columns]

    def cast(self, inputs: Arrays) -> Arrays:
        """Numbers with a fraction as float32, which is what skl2onnx computes in; a column as [n, 1]."""
        return {
            name: values.reshape(len(values), -1).astype(np.float32 if values.dtype.kind == "f" else values.dtype)
            for name, values in inputs.items()
        }

    def predict(self, inputs: Arrays) -> Arrays:
        """The estimator's own answers: `label` and, where it has them, `probabilities`; or `prediction` [n, 1].

        As float32, rounded from the float64 that scikit-learn computes in.
        """
        data = self._data(inputs)
        answer = np.asarray(self._model.predict(data))
        if not self._classifies:
            return {"prediction": answer.reshape(len(answer), -1).astype(np.float32)}
        outputs = {"label": _label(answer)}
        if hasattr(self._model, "predict_proba"):
            outputs["probabilities"] = np.asarray(self._model.predict_proba(data), dtype=np.float32)
        return outputs

    def export(self, path: Path, sample: Arrays) -> None:
        """Writes the model as ONNX with an open batch size.

        Raises: ExportError: skl2onnx cannot express the model in ONNX.
        """
        import skl2onnx

        types = [(name, _type(name, values)) for name, values in sample.items()]
        try:
            converted: Any = skl2onnx.convert_sklearn(self._model, initial_types=types, options=self._options())
        except Exception as error:  # whatever stops the converter: the message is for the model's author
            raise ExportError(
                f"skl2onnx cannot export the model to ONNX: {type(error).__name__}: {error}. {_WAY_OUT}"
            ) from error
        if self._classifies and not hasattr(self._model, "predict_proba"):
            # Scores that are no probabilities differ in form from scikit-learn's own; the label is what is promised.
            del converted.graph.output[1:]
        path.write_bytes(converted.SerializeToString())

    def _options(self) -> dict[Any, dict[str, Any]]:
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        # Small images have this locale only; it knows the lower case of other letters than English ones, too.
        text: dict[Any, dict[str, Any]] = {kind: {"locale": "C.UTF-8"} for kind in (CountVectorizer, TfidfVectorizer)}
        return text | ({id(self._model): {"zipmap": False}} if self._classifies else {})

    def _data(self, inputs: Mapping[str, NDArray[Any]]) -> Any:
        if self._has_columns:
            import pandas as pd

            return pd.DataFrame({name: values.ravel() for name, values in inputs.items()})
        values = inputs[UNNAMED]
        # A vectorizer takes a list of texts, not a table of them.
        return values.ravel() if values.dtype.kind == "O" else values


def _label(classes: NDArray[Any]) -> NDArray[Any]:
    if classes.ndim != 1:
        raise ExportError("train.py: the classifier has several outputs; serve one model for each of them")
    return classes.astype(np.int64 if classes.dtype.kind in "iub" else object)


def _type(name: str, values: NDArray[Any]) -> Any:
    """skl2onnx's type of an input. Raises: ExportError: there is none for its array."""
    from skl2onnx.common import data_types

    kinds: dict[str, Any] = {
        "float32": data_types.FloatTensorType,
        "int64": data_types.Int64TensorType,
        "int32": data_types.Int32TensorType,
        "bool": data_types.BooleanTensorType,
        "object": data_types.StringTensorType,
    }
    if values.dtype.name not in kinds:
        raise ExportError(
            f"train.py: held_out()'s input {name} is {values.dtype}; allowed are {', '.join(kinds)} (object: texts)"
        )
    return kinds[values.dtype.name]([None, *values.shape[1:]])

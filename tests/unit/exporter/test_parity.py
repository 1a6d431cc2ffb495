"""The figures by which a build refuses a model."""

import numpy as np
import pytest

from model.exporter import parity
from model.exporter.errors import ExportError


def test_the_largest_difference_of_all_outputs_counts() -> None:
    expected = {"a": np.array([[1.0, 2.0]], dtype=np.float32), "b": np.array([5, 6])}
    got = {"a": np.array([[1.0, 2.25]], dtype=np.float32), "b": np.array([5, 7])}
    assert parity.max_abs_difference(expected, expected) == 0
    assert parity.max_abs_difference(expected, got) == 1
    assert parity.max_abs_difference({"a": expected["a"]}, {"a": got["a"]}) == 0.25


def test_whole_numbers_do_not_wrap_around() -> None:
    small, large = {"a": np.array([0], dtype=np.uint8)}, {"a": np.array([255], dtype=np.uint8)}
    assert parity.max_abs_difference(small, large) == 255


def test_nan_from_the_export_is_an_infinite_difference() -> None:
    assert parity.max_abs_difference({"a": np.array([1.0])}, {"a": np.array([np.nan])}) == np.inf


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        ({"a": np.array([1.0])}, {"b": np.array([1.0])}, "the exported model has the outputs b; its source has a"),
        ({"a": np.ones((2, 3))}, {"a": np.ones((3, 2))}, r"shape \[3, 2\] from ONNX Runtime, \[2, 3\] from the source"),
        ({"a": np.array([np.nan])}, {"a": np.array([np.nan])}, "the source model answers NaN or infinity"),
    ],
)
def test_what_cannot_be_compared_is_refused(expected: parity.Arrays, got: parity.Arrays, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        parity.max_abs_difference(expected, got)


def test_the_bound_is_1e_5_and_the_message_has_the_figures() -> None:
    parity.check_parity(1e-5)
    with pytest.raises(ExportError, match=r"held-out data is 1\.01e-05, allowed is 1e-05"):
        parity.check_parity(1.01e-5)


def test_accuracy_of_scores_and_of_class_numbers() -> None:
    labels = np.array([0, 1, 1, 0])
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    assert parity.accuracy(scores, labels) == 0.75
    assert parity.accuracy(np.array([0, 1, 1, 1]), labels) == 0.75
    with pytest.raises(ExportError, match=r"first output is float64 of shape \[4\] for 4 labels"):
        parity.accuracy(np.array([0.0, 1.0, 1.0, 1.0]), labels)


def test_a_model_below_its_folders_minimum_is_refused() -> None:
    parity.check_accuracy(0.97, 0.97)
    with pytest.raises(ExportError, match=r"held-out accuracy is 0\.9650; train\.py demands MINIMUM_ACCURACY = 0\.97"):
        parity.check_accuracy(0.965, 0.97)

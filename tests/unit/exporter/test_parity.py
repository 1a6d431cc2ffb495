"""The figures by which a build refuses a model."""

import numpy as np
import pytest

from model.exporter import parity
from model.exporter.errors import ExportError
from model.exporter.folder import Goal


def test_the_largest_difference_of_all_outputs_counts() -> None:
    expected = {"a": np.array([[1.0, 0.5]], dtype=np.float32), "b": np.array([0, 1])}
    got = {"a": np.array([[1.0, 0.75]], dtype=np.float32), "b": np.array([0, 2])}
    assert parity.max_difference(expected, expected) == 0
    assert parity.max_difference(expected, got) == 1
    assert parity.max_difference({"a": expected["a"]}, {"a": got["a"]}) == 0.25


def test_above_1_a_difference_is_relative_to_the_value() -> None:
    assert parity.max_difference({"a": np.array([-400.0, 0.1])}, {"a": np.array([-401.0, 0.1])}) == 1 / 400


def test_whole_numbers_do_not_wrap_around() -> None:
    small, large = {"a": np.array([0], dtype=np.uint8)}, {"a": np.array([255], dtype=np.uint8)}
    assert parity.max_difference(small, large) == 255


def test_texts_are_equal_or_infinitely_apart() -> None:
    expected = {"a": np.array(["x", "y"], dtype=object)}
    assert parity.max_difference(expected, {"a": np.array(["x", "y"], dtype=object)}) == 0
    assert parity.max_difference(expected, {"a": np.array(["x", "z"], dtype=object)}) == np.inf


def test_nan_from_the_export_is_an_infinite_difference() -> None:
    assert parity.max_difference({"a": np.array([1.0])}, {"a": np.array([np.nan])}) == np.inf


@pytest.mark.parametrize(
    ("expected", "got", "message"),
    [
        ({"a": np.array([1.0])}, {"b": np.array([1.0])}, "the exported model has the outputs b; its source has a"),
        ({"a": np.ones((2, 3))}, {"a": np.ones((3, 2))}, r"shape \[3, 2\] from the export, \[2, 3\] from the source"),
        ({"a": np.array([np.nan])}, {"a": np.array([np.nan])}, "the source model answers NaN or infinity"),
    ],
)
def test_what_cannot_be_compared_is_refused(expected: parity.Arrays, got: parity.Arrays, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        parity.max_difference(expected, got)


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


def test_accuracy_of_classes_that_are_texts() -> None:
    origins = np.array(["USA", "Japan"], dtype=object)
    assert parity.accuracy(np.array(["USA", "Europe"], dtype=object), origins) == 0.5
    with pytest.raises(ExportError, match=r"classes as int64, held_out\(\) labels them as object"):
        parity.accuracy(np.array([0, 1]), origins)


def test_r2_is_1_for_the_truth_and_0_for_its_mean() -> None:
    labels = np.array([1, 2, 3])
    assert parity.r2(np.array([[1.0], [2.0], [3.0]], dtype=np.float32), labels) == 1
    assert parity.r2(np.array([2.0, 2.0, 2.0]), labels) == 0
    assert parity.r2(np.array([1.0, 2.0, 4.0]), labels) == 0.5
    with pytest.raises(ExportError, match=r"first output is float64 of shape \[3, 2\] for 3 labels"):
        parity.r2(np.ones((3, 2)), labels)
    with pytest.raises(ExportError, match="labels are equal"):
        parity.r2(np.ones(2), np.array([5, 5]))


def test_the_goal_decides_what_is_measured() -> None:
    output, labels = np.array([0, 1, 3]), np.array([0, 1, 2])
    assert parity.quality(Goal(name="MINIMUM_ACCURACY", minimum=0), output, labels) == pytest.approx(2 / 3)
    assert parity.quality(Goal(name="MINIMUM_R2", minimum=0), output, labels) == 0.5


def test_a_model_below_its_folders_minimum_is_refused() -> None:
    parity.check_quality(Goal(name="MINIMUM_ACCURACY", minimum=0.97), 0.97)
    with pytest.raises(ExportError, match=r"held-out accuracy is 0\.9650; train\.py demands MINIMUM_ACCURACY = 0\.97"):
        parity.check_quality(Goal(name="MINIMUM_ACCURACY", minimum=0.97), 0.965)
    with pytest.raises(ExportError, match=r"held-out r2 is -0\.1000; train\.py demands MINIMUM_R2 = 0\.5"):
        parity.check_quality(Goal(name="MINIMUM_R2", minimum=0.5), -0.1)

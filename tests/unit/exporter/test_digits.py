"""The data of the digits model, and the examples that stand beside it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from model.digits.data import load

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "model/digits/examples").glob("*.json"))


def rows(images: np.ndarray) -> set[bytes]:
    return {image.astype(np.float32).tobytes() for image in images}


def test_the_split_is_of_the_whole_data_set_without_overlap() -> None:
    training, held_out = load()
    assert (len(training.labels), len(held_out.labels)) == (1437, 360)
    assert np.bincount(held_out.labels).tolist() == [36] * 10
    assert not rows(training.images) & rows(held_out.images)
    pixels, _ = load_digits(return_X_y=True)
    assert rows(training.images) | rows(held_out.images) == rows(np.asarray(pixels))
    assert training.images.dtype == held_out.images.dtype == np.float32


def test_the_split_is_the_same_everywhere() -> None:
    digests = [hashlib.sha256(part.images.tobytes() + part.labels.tobytes()).hexdigest() for part in load()]
    assert [digest[:16] for digest in digests] == ["ad227e4d6559967b", "92d9ff40bf5dbc16"]


def test_there_is_an_example_of_each_digit() -> None:
    assert [json.loads(path.read_text())["expected"]["label"] for path in EXAMPLES] == list(range(10))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_images_that_training_never_sees(path: Path) -> None:
    example = json.loads(path.read_text())
    (tensor,) = example["request"]["inputs"]
    assert (tensor["name"], tensor["datatype"], tensor["shape"]) == ("pixels", "FP32", [1, 8, 8])
    image = np.array(tensor["data"], dtype=np.float32).reshape(8, 8)
    _, held_out = load()
    labels = [label for row, label in zip(held_out.images, held_out.labels, strict=True) if np.array_equal(row, image)]
    assert labels == [example["expected"]["label"]]

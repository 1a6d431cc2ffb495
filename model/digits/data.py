"""The data set of the digits model: 1,797 scans of handwritten digits, shipped with scikit-learn.

Needs numpy and scikit-learn only, so that tests and benchmarks reuse the exact split without TensorFlow.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

SEED = 20240229
HELD_OUT_PER_CLASS = 36
"""Held-out images of each digit: 360 of 1,797, a fifth of the data set."""


class Split(NamedTuple):
    """Images are float32 of shape [n, 8, 8], grey levels 0 (paper) to 16 (ink); labels are int64 digits 0-9."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def load() -> tuple[Split, Split]:
    """Returns (training, held_out): a stratified split that is the same on every machine.

    Source: the test set of Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI (1998).
    """
    pixels, target = load_digits(return_X_y=True)
    images = np.asarray(pixels, dtype=np.float32).reshape(-1, 8, 8)
    labels = np.asarray(target, dtype=np.int64)

    # numpy promises that a legacy RandomState yields the same stream in every version; default_rng does not.
    order = np.random.RandomState(SEED).permutation(len(labels))
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        held_out[order[labels[order] == digit][:HELD_OUT_PER_CLASS]] = True

    training_order = order[~held_out[order]]
    held_out_order = order[held_out[order]]
    return (
        Split(images[training_order], labels[training_order]),
        Split(images[held_out_order], labels[held_out_order]),
    )

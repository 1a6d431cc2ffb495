"""The data set of the tumours model: 569 breast tumours measured under a microscope, shipped with scikit-learn."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

SEED = 20240229
HELD_OUT_PER_CLASS = 60


class Split(NamedTuple):
    """Measures are float32 of shape [n, 30], in the units of the source; labels are int64: 0 malignant, 1 benign."""

    measures: NDArray[np.float32]
    labels: NDArray[np.int64]


def load() -> tuple[Split, Split]:
    """Returns (training, held_out): 60 tumours of each class are held out, the same on every machine.

    Source: Wolberg, Street and Mangasarian, "Breast Cancer Wisconsin (Diagnostic)", UCI (1995).
    """
    raw, target = load_breast_cancer(return_X_y=True)
    measures, labels = np.asarray(raw, dtype=np.float32), np.asarray(target, dtype=np.int64)
    # numpy promises that a legacy RandomState yields the same stream in every version; default_rng does not.
    order = np.random.RandomState(SEED).permutation(len(labels))
    held_out = np.concatenate([order[labels[order] == kind][:HELD_OUT_PER_CLASS] for kind in range(2)])
    training = np.setdiff1d(order, held_out)
    return Split(measures[training], labels[training]), Split(measures[held_out], labels[held_out])

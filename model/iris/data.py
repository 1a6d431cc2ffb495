"""The data set of the iris model: 150 flowers of three species, shipped with scikit-learn."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris

SEED = 20240229
HELD_OUT_PER_CLASS = 15


class Split(NamedTuple):
    """Measures are float32 of shape [n, 4], in cm: length and width of sepal and petal; labels are int64, 0 to 2."""

    measures: NDArray[np.float32]
    labels: NDArray[np.int64]


def load() -> tuple[Split, Split]:
    """Returns (training, held_out): a stratified split that is the same on every machine.

    Source: Fisher, "The use of multiple measurements in taxonomic problems" (1936).
    """
    raw, target = load_iris(return_X_y=True)
    measures, labels = np.asarray(raw, dtype=np.float32), np.asarray(target, dtype=np.int64)
    # numpy promises that a legacy RandomState yields the same stream in every version; default_rng does not.
    order = np.random.RandomState(SEED).permutation(len(labels))
    held_out = np.concatenate([order[labels[order] == species][:HELD_OUT_PER_CLASS] for species in range(3)])
    training = np.setdiff1d(order, held_out)
    return Split(measures[training], labels[training]), Split(measures[held_out], labels[held_out])

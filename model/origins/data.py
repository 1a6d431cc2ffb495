"""The data set of the origins model: the names of 311 cars of 1970-1982, shipped with vega_datasets.

Needs numpy and vega_datasets only.
"""

import importlib.resources
import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 20240311
HELD_OUT_SHARE = 0.25


class Split(NamedTuple):
    """Texts: the names, and where each was made: Europe, Japan, USA."""

    names: NDArray[Any]
    origins: NDArray[Any]


def load() -> tuple[Split, Split]:
    """Returns (training, held_out), the same on every machine. No name is in both.

    Source: Ramos and Donoho, ASA Data Exposition of 1983.
    """
    file = importlib.resources.files("vega_datasets") / "_data/cars.json"
    origins = {car["Name"]: car["Origin"] for car in json.loads(file.read_text(encoding="utf-8"))}
    names = sorted(origins)
    # numpy promises that a legacy RandomState yields the same stream in every version; default_rng does not.
    order = np.random.RandomState(SEED).permutation(len(names))
    edge = int(len(names) * HELD_OUT_SHARE)
    held_out, training = ([names[place] for place in places] for places in (order[:edge], order[edge:]))
    return _split(training, origins), _split(held_out, origins)


def _split(names: list[str], origins: dict[str, str]) -> Split:
    return Split(np.array(names, dtype=object), np.array([origins[name] for name in names], dtype=object))

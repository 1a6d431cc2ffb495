"""The data set of the fuel model: 398 cars of 1970-1982 whose fuel consumption is known, shipped with vega_datasets.

Needs numpy and vega_datasets only.
"""

import importlib.resources
import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 20240229
HELD_OUT = 80
FIGURES = ("Cylinders", "Displacement", "Weight_in_lbs", "Acceleration")


class Split(NamedTuple):
    """`origin` is text [n]: Europe, Japan, USA; `figures` float32 [n, 5]: FIGURES, then the year; `miles_per_gallon`
    float32 [n].
    """

    origin: NDArray[Any]
    figures: NDArray[np.float32]
    miles_per_gallon: NDArray[np.float32]


def load() -> tuple[Split, Split]:
    """Returns (training, held_out): 80 cars are held out, the same on every machine.

    Source: Ramos and Donoho, ASA Data Exposition of 1983.
    """
    file = importlib.resources.files("vega_datasets") / "_data/cars.json"
    cars = [car for car in json.loads(file.read_text(encoding="utf-8")) if car["Miles_per_Gallon"] is not None]
    # numpy promises that a legacy RandomState yields the same stream in every version; default_rng does not.
    order = np.random.RandomState(SEED).permutation(len(cars))
    return _split([cars[place] for place in order[HELD_OUT:]]), _split([cars[place] for place in order[:HELD_OUT]])


def _split(cars: list[dict[str, Any]]) -> Split:
    figures = [[*(car[name] for name in FIGURES), int(car["Year"][:4])] for car in cars]
    return Split(
        np.array([car["Origin"] for car in cars], dtype=object),
        np.array(figures, dtype=np.float32),
        np.array([car["Miles_per_Gallon"] for car in cars], dtype=np.float32),
    )

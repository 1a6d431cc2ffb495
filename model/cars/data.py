"""The data set of the cars model: 406 cars of 1970-1982, shipped with vega_datasets.

Needs numpy and vega_datasets only.
"""

import importlib.resources
import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 20240229
HELD_OUT_SHARE = 0.25


class Split(NamedTuple):
    """Arrays by column, and the labels beside them; one entry a car.

    `name` (text), `year` (text, "1970" to "1982"), `cylinders` (int64), `displacement` (cubic inches), `weight`
    (pounds), `acceleration` (seconds to 60 miles per hour): float32. Labels are texts: Europe, Japan, USA.
    """

    columns: dict[str, NDArray[Any]]
    labels: NDArray[Any]


def load() -> tuple[Split, Split]:
    """Returns (training, held_out), the same on every machine. No name of a car is in both.

    Source: Ramos and Donoho, ASA Data Exposition of 1983.
    """
    file = importlib.resources.files("vega_datasets") / "_data/cars.json"
    cars = json.loads(file.read_text(encoding="utf-8"))
    names = sorted({car["Name"] for car in cars})
    # numpy promises that a legacy RandomState yields the same stream in every version; default_rng does not.
    order = np.random.RandomState(SEED).permutation(len(names))
    held_out = {names[place] for place in order[: int(len(names) * HELD_OUT_SHARE)]}
    return (
        _split([car for car in cars if car["Name"] not in held_out]),
        _split([car for car in cars if car["Name"] in held_out]),
    )


def _split(cars: list[dict[str, Any]]) -> Split:
    numbers = {"displacement": "Displacement", "weight": "Weight_in_lbs", "acceleration": "Acceleration"}
    columns: dict[str, NDArray[Any]] = {
        "name": np.array([car["Name"] for car in cars], dtype=object),
        "year": np.array([car["Year"][:4] for car in cars], dtype=object),
        "cylinders": np.array([car["Cylinders"] for car in cars], dtype=np.int64),
    }
    columns |= {name: np.array([car[key] for car in cars], dtype=np.float32) for name, key in numbers.items()}
    return Split(columns, np.array([car["Origin"] for car in cars], dtype=object))

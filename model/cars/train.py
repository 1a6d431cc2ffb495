"""Trains the cars model: tells from a car's name and figures where it was made.

A pipeline with a text column, categories and numbers, each prepared by the pipeline itself, so that clients send what
they have.
"""

from typing import Any

import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from .data import load

MINIMUM_ACCURACY = 0.9
"""Share of right answers on the held-out cars below which the build fails."""


def train() -> Pipeline:
    """Returns the fitted pipeline: one input a column, [batch, 1] -> `label` (text) and `probabilities` [batch, 3]."""
    training, _ = load()
    columns = ColumnTransformer(
        [
            ("words", TfidfVectorizer(), "name"),
            ("categories", OneHotEncoder(handle_unknown="ignore"), ["year", "cylinders"]),
            ("numbers", StandardScaler(), ["displacement", "weight", "acceleration"]),
        ]
    )
    pipeline = Pipeline([("columns", columns), ("classes", LogisticRegression(C=30, max_iter=2000))])
    return pipeline.fit(pd.DataFrame(training.columns), training.labels)


def held_out() -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """Returns the cars, and their origins, that training never sees."""
    _, split = load()
    return split.columns, split.labels

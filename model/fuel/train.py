"""Trains the fuel model with TensorFlow alone, and saves it: a car's fuel consumption from its figures and origin.

The example of a SavedModel with several inputs, one of them text, and several outputs.
"""

import tempfile
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .data import SEED, load

MINIMUM_R2 = 0.8
"""Coefficient of determination on the held-out cars below which the build fails."""

ORIGINS = ("Europe", "Japan", "USA")
UNITS = 16
STEPS = 600
LEARNING_RATE = 0.02
WEIGHT_DECAY = 1e-3
LITRES_PER_100_KM = 235.2146
"""Litres per 100 km = this / miles per US gallon."""


class Fuel(tf.Module):
    """A network of one hidden layer over standardised figures and the origin, one-hot."""

    def __init__(self, figures: NDArray[np.float32], consumption: NDArray[np.float32]) -> None:
        super().__init__()
        # Scaling is part of the model, so that clients send the figures as they are.
        self._centre = tf.constant(figures.mean(axis=0))
        self._width = tf.constant(figures.std(axis=0))
        self._mean, self._spread = tf.constant(consumption.mean()), tf.constant(consumption.std())
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(ORIGINS), tf.range(len(ORIGINS), dtype=tf.int64))
        self._places = tf.lookup.StaticHashTable(initializer, default_value=-1)
        random = np.random.RandomState(SEED)
        columns = figures.shape[1] + len(ORIGINS)
        self._hidden = _weights(random, columns, UNITS)
        self._hidden_bias = tf.Variable(tf.zeros(UNITS))
        self._output = _weights(random, UNITS, 1)
        self._output_bias = tf.Variable(tf.zeros(1))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="origin"),
            tf.TensorSpec([None, 5], tf.float32, name="figures"),
        ]
    )
    def serve(self, origin: Any, figures: Any) -> dict[str, Any]:
        """`origin` [batch], `figures` [batch, 5] -> `consumption` in litres per 100 km, `miles_per_gallon`: [batch]."""
        miles = self.standardised(origin, figures) * self._spread + self._mean
        # The first output by name is the one that is compared with the labels.
        return {"consumption": LITRES_PER_100_KM / miles, "miles_per_gallon": miles}

    def standardised(self, origin: Any, figures: Any) -> Any:
        """Miles per gallon, less their mean, in their standard deviations. An origin not seen before counts as none."""
        places = tf.one_hot(self._places.lookup(origin), len(ORIGINS))
        x = tf.concat([(figures - self._centre) / self._width, places], axis=1)
        hidden = tf.nn.relu(tf.matmul(x, self._hidden) + self._hidden_bias)
        return tf.squeeze(tf.matmul(hidden, self._output) + self._output_bias, axis=1)

    def loss(self, origin: Any, figures: Any, miles: Any) -> Any:
        """Mean squared error of the standardised answer, with weight decay."""
        truth = (miles - self._mean) / self._spread
        decay = sum(tf.nn.l2_loss(weights) for weights in (self._hidden, self._output))
        return tf.reduce_mean(tf.square(self.standardised(origin, figures) - truth)) + WEIGHT_DECAY * decay


def train() -> str:
    """Returns the folder of the SavedModel."""
    training, _ = load()
    model = Fuel(training.figures, training.miles_per_gallon)
    data = [tf.constant(part) for part in training]
    momentum = [tf.Variable(tf.zeros_like(variable)) for variable in model.trainable_variables]

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = model.loss(*data)
        gradients: Any = tape.gradient(loss, model.trainable_variables)
        for variable, gradient, speed in zip(model.trainable_variables, gradients, momentum, strict=True):
            speed.assign(0.9 * speed + gradient)
            variable.assign_sub(LEARNING_RATE * speed)

    for _ in range(STEPS):
        step()
    folder = tempfile.mkdtemp()
    tf.saved_model.save(model, folder, signatures=model.serve)
    return folder


def held_out() -> tuple[dict[str, NDArray[Any]], NDArray[np.floating]]:
    """Returns origins and figures that training never sees, and the consumption of those cars in litres per 100 km."""
    _, split = load()
    return {"origin": split.origin, "figures": split.figures}, LITRES_PER_100_KM / split.miles_per_gallon


def _weights(random: np.random.RandomState, inputs: int, outputs: int) -> Any:
    return tf.Variable(tf.constant(random.normal(0, inputs**-0.5, (inputs, outputs)), tf.float32))

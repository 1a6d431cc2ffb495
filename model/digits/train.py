"""Trains the digits model: a small convolutional network that reads 8x8 grey images.

The exporter takes `train`, `held_out` and `MINIMUM_ACCURACY` from this file; exporter/folder.py says what they must be.
"""

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from .data import SEED, load

MINIMUM_ACCURACY = 0.97
"""Share of right answers on the held-out images below which the build fails."""

EPOCHS = 15
BATCH_SIZE = 64
LEARNING_RATE = 3e-3


def train() -> keras.Model:
    """Returns the trained model: `pixels` [batch, 8, 8], grey levels 0-16 -> `probabilities` [batch, 10]."""
    keras.utils.set_random_seed(SEED)
    training, _ = load()
    model = _network()
    steps = EPOCHS * -(-len(training.labels) // BATCH_SIZE)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # verbose=2 writes a line per epoch, which is what a build log can show.
    model.fit(training.images, training.labels, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=2)
    return model


def held_out() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns the images and labels that training never sees."""
    _, split = load()
    return split.images, split.labels


def _network() -> keras.Model:
    # Scaling is part of the model, so that clients send the grey levels as they are.
    pixels = keras.Input((8, 8), dtype="float32", name="pixels")
    x = layers.Rescaling(1 / 16)(layers.Reshape((8, 8, 1))(pixels))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    return keras.Model(pixels, layers.Dense(10, activation="softmax", name="probabilities")(x), name="digits")

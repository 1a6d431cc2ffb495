"""Trains the origins model with TensorFlow alone: tells from a car's name, as it is written, where it was made.

The example of a model that ONNX cannot express: its regular expression, ragged words and hash are TensorFlow's. The
stack file serves it with `runtime: tensorflow`.
"""

import tempfile
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from .data import load

MINIMUM_ACCURACY = 0.9
"""Share of right answers on the held-out names below which the build fails."""

ORIGINS = ("Europe", "Japan", "USA")
BUCKETS = 4096
STEPS = 300
LEARNING_RATE = 1.0
WEIGHT_DECAY = 2e-4


class Origins(tf.Module):
    """A weight for each word, by its hash, and origin."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.zeros([BUCKETS, len(ORIGINS)]))
        self.bias = tf.Variable(tf.zeros(len(ORIGINS)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="name")])
    def serve(self, name: Any) -> dict[str, Any]:
        """`name` [batch] -> `label` (text) [batch], `scores` [batch, 3], the probabilities of ORIGINS."""
        scores = tf.nn.softmax(self.logits(name))
        # The first output by name is the one that is compared with the labels.
        return {"label": tf.gather(tf.constant(ORIGINS), tf.argmax(scores, axis=1)), "scores": scores}

    def logits(self, name: Any) -> Any:
        """Words are what letters and digits make; how they are written, and what is between them, says nothing."""
        words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(name), "[^a-z0-9]+", " "))
        places = tf.strings.to_hash_bucket_fast(words, BUCKETS)
        return tf.reduce_sum(tf.gather(self.weights, places), axis=1) + self.bias


def train() -> str:
    """Returns the folder of the SavedModel."""
    training, _ = load()
    model = Origins()
    names = tf.constant(training.names)
    places = tf.constant([ORIGINS.index(origin) for origin in training.origins])

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(places, model.logits(names))
            loss = tf.reduce_mean(losses) + WEIGHT_DECAY * tf.nn.l2_loss(model.weights)
        for variable, gradient in zip(
            model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
        ):
            variable.assign_sub(LEARNING_RATE * tf.convert_to_tensor(gradient))

    for _ in range(STEPS):
        step()
    folder = tempfile.mkdtemp()
    tf.saved_model.save(model, folder, signatures=model.serve)
    return folder


def held_out() -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns names that training never sees, and the origins of those cars."""
    _, split = load()
    return split.names, split.origins

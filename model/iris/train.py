"""Makes the iris model: softmax regression, trained with numpy, whose ONNX file is written node by node.

The example of a model that is ONNX already, whatever made it.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .data import load

MINIMUM_ACCURACY = 0.9
"""Share of right answers on the held-out flowers below which the build fails."""

STEPS = 2000
LEARNING_RATE = 0.5
WEIGHT_DECAY = 1e-3


def train() -> onnx.ModelProto:
    """Returns the model: `measures` [batch, 4], in cm -> `probabilities` [batch, 3] and `species` [batch]."""
    training, _ = load()
    centre, width = training.measures.mean(axis=0), training.measures.std(axis=0)
    weights, bias = _fit((training.measures - centre) / width, training.labels)
    # Scaling is folded into the weights: (x - centre) / width @ weights + bias.
    weights = weights / width[:, None]
    return _model(weights, bias - centre @ weights)


def held_out() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns the flowers and species that training never sees."""
    _, split = load()
    return split.measures, split.labels


def _fit(x: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient descent on the cross-entropy. Returns weights [4, 3] and bias [3]."""
    inputs, truth = x.astype(np.float64), np.eye(3)[labels]
    weights, bias = np.zeros((4, 3)), np.zeros(3)
    for _ in range(STEPS):
        scores = np.exp(inputs @ weights + bias)
        error = (scores / scores.sum(axis=1, keepdims=True) - truth) / len(inputs)
        weights -= LEARNING_RATE * (inputs.T @ error + WEIGHT_DECAY * weights)
        bias -= LEARNING_RATE * error.sum(axis=0)
    return weights, bias


def _model(weights: NDArray[np.float64], bias: NDArray[np.float64]) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gemm", ["measures", "weights", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
        helper.make_node("ArgMax", ["scores"], ["species"], axis=-1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "iris",
        [helper.make_tensor_value_info("measures", TensorProto.FLOAT, ["batch", 4])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("species", TensorProto.INT64, ["batch"]),
        ],
        [
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

"""Trains the tumours model with PyTorch: tells malignant from benign by 30 measures of the cells' nuclei."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .data import SEED, load

MINIMUM_ACCURACY = 0.93
"""Share of right answers on the held-out tumours below which the build fails."""

STEPS = 300
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-2


class Tumours(nn.Module):
    """`measures` [batch, 30] -> `probabilities` [batch, 2]: malignant, benign."""

    def __init__(self, centre: Tensor, width: Tensor) -> None:
        super().__init__()
        # Scaling is part of the model, so that clients send the measures as they are.
        self.register_buffer("centre", centre)
        self.register_buffer("width", width)
        self.scores = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 2))

    def logits(self, measures: Tensor) -> Tensor:
        """Scores before the softmax, which the loss wants."""
        return self.scores((measures - self.centre) / self.width)

    def forward(self, measures: Tensor) -> dict[str, Tensor]:
        """What is served."""
        return {"probabilities": torch.softmax(self.logits(measures), dim=-1)}


def train() -> nn.Module:
    """Returns the trained network."""
    torch.manual_seed(SEED)
    training, _ = load()
    measures, labels = torch.from_numpy(training.measures), torch.from_numpy(training.labels)
    model = Tumours(measures.mean(dim=0), measures.std(dim=0))
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    loss = nn.CrossEntropyLoss()
    model.train()
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(model.logits(measures), labels).backward()
        optimiser.step()
    return model


def held_out() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns the measures and classes that training never sees."""
    _, split = load()
    return split.measures, split.labels

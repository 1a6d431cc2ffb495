"""Model configurations for planning, without a stack around them."""

from collections.abc import Callable
from typing import Any

import pytest

from components.config import ModelConfig


@pytest.fixture
def model() -> Callable[..., ModelConfig]:
    """`model(replicas=2)`: a checked model; keys as in Python, values as in a stack file."""

    def call(**fields: Any) -> ModelConfig:
        image = "registry.example.com/m@sha256:" + "a" * 64
        return ModelConfig.model_validate({"image": image} | fields)

    return call

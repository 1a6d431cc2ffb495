"""What a model's server is told through its environment."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.config import ModelConfig


def environment(model: str, config: "ModelConfig") -> dict[str, str]:
    """The server's whole environment: the model's own `env`, and the values that the program knows."""
    return {
        **config.env,
        "MODEL_NAME": model,
        "PORT": str(config.ports.http),
        # A leaving server finishes the longest request; the pod's grace period allows for it (rollout.py).
        "DRAIN_SECONDS": str(config.request_timeout_seconds),
    }

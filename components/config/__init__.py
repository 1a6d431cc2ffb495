"""The stack file: its sections, its checks, and the words for what is wrong with it."""

import os

# Before the first model is declared, pydantic reads the metadata of every installed package to look for plugins of
# its own. There are none to find, and a preview would wait for the search.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from components.config.problems import NAMESPACE, ConfigError, Problem
from components.config.sections import (
    BehaviorConfig,
    ContainerConfig,
    DisruptionBudgetConfig,
    ImageConfig,
    ModelConfig,
    ModelFilesConfig,
    PricesConfig,
    QuantizationConfig,
    RegistryConfig,
    ReplicasConfig,
    ResourcesConfig,
    RolloutConfig,
    ServiceConfig,
    SigningConfig,
    SourceConfig,
    SpreadConfig,
)
from components.config.stack import LoadedConfig, StackConfig

__all__ = [
    "NAMESPACE",
    "BehaviorConfig",
    "ConfigError",
    "ContainerConfig",
    "DisruptionBudgetConfig",
    "ImageConfig",
    "LoadedConfig",
    "ModelConfig",
    "ModelFilesConfig",
    "PricesConfig",
    "Problem",
    "QuantizationConfig",
    "RegistryConfig",
    "ReplicasConfig",
    "ResourcesConfig",
    "RolloutConfig",
    "ServiceConfig",
    "SigningConfig",
    "SourceConfig",
    "SpreadConfig",
    "StackConfig",
]

"""The stack file: its sections, its checks, and the words for what is wrong with it."""

import os

# Before the first model is declared, pydantic reads the metadata of every installed package to look for plugins of
# its own. There are none to find, and a preview would wait for the search.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from components.config.problems import NAMESPACE, ConfigError, Problem
from components.config.sections import (
    AksPool,
    BehaviorConfig,
    ContainerConfig,
    DisruptionBudgetConfig,
    EksPool,
    ExistingPool,
    GkePool,
    GpuConfig,
    ImageConfig,
    KarpenterPool,
    ModelConfig,
    ModelFilesConfig,
    NodePoolConfig,
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
    StackPool,
)
from components.config.stack import LoadedConfig, StackConfig

__all__ = [
    "NAMESPACE",
    "AksPool",
    "BehaviorConfig",
    "ConfigError",
    "ContainerConfig",
    "DisruptionBudgetConfig",
    "EksPool",
    "ExistingPool",
    "GkePool",
    "GpuConfig",
    "ImageConfig",
    "KarpenterPool",
    "LoadedConfig",
    "ModelConfig",
    "ModelFilesConfig",
    "NodePoolConfig",
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
    "StackPool",
]

"""The stack file: its sections, its checks, and the words for what is wrong with it."""

from components.config.problems import NAMESPACE, ConfigError, Problem
from components.config.sections import (
    ImageConfig,
    ModelConfig,
    RegistryConfig,
    ResourcesConfig,
    ServiceConfig,
    SourceConfig,
)
from components.config.stack import LoadedConfig, StackConfig

__all__ = [
    "NAMESPACE",
    "ConfigError",
    "ImageConfig",
    "LoadedConfig",
    "ModelConfig",
    "Problem",
    "RegistryConfig",
    "ResourcesConfig",
    "ServiceConfig",
    "SourceConfig",
    "StackConfig",
]

"""The stack file: its sections, its checks, and the words for what is wrong with it."""

import os

# Before the first model is declared, pydantic reads the metadata of every installed package to look for plugins of
# its own. There are none to find, and a preview would wait for the search.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from components.config.problems import NAMESPACE, ConfigError, Problem
from components.config.sections import (
    ContainerConfig,
    ImageConfig,
    ModelConfig,
    ModelFilesConfig,
    QuantizationConfig,
    RegistryConfig,
    ResourcesConfig,
    ServiceConfig,
    SigningConfig,
    SourceConfig,
)
from components.config.stack import LoadedConfig, StackConfig

__all__ = [
    "NAMESPACE",
    "ConfigError",
    "ContainerConfig",
    "ImageConfig",
    "LoadedConfig",
    "ModelConfig",
    "ModelFilesConfig",
    "Problem",
    "QuantizationConfig",
    "RegistryConfig",
    "ResourcesConfig",
    "ServiceConfig",
    "SigningConfig",
    "SourceConfig",
    "StackConfig",
]

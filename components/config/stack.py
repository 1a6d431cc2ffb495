"""StackConfig: everything a stack file may say, and the only place that reads `pulumi.Config`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import ValidationError

from components.config import checks
from components.config.problems import NAMESPACE, Commands, ConfigError, Explainer
from components.config.sections import ImageConfig, Models, RegistryConfig, Section, SigningConfig
from components.config.types import ClusterName, NamespaceName


class LoadedConfig(NamedTuple):
    """A validated configuration and, beside it, the values of the secrets that it names."""

    config: "StackConfig"
    secrets: Mapping[str, pulumi.Output[str]]


class StackConfig(Section):
    """The configuration of one stack."""

    cluster: ClusterName
    namespace: NamespaceName
    models: Models
    registry: RegistryConfig | None = None
    image: ImageConfig = ImageConfig()
    signing: SigningConfig | None = None

    @classmethod
    def load(cls) -> LoadedConfig:
        """Read and check the configuration of the running stack.

        Raises:
            ConfigError: naming every mistake of the stack file at once.
        """
        return _Loader(pulumi.get_stack(), pulumi.get_project()).load()


class _Loader:
    """Collects every problem of one stack's configuration before it gives up."""

    def __init__(self, stack: str, project: str) -> None:
        self._stack, self._project = stack, project
        self._settings = pulumi.Config(NAMESPACE)
        self._commands = Commands(stack)

    def load(self) -> LoadedConfig:
        sections = tuple(field.alias or name for name, field in StackConfig.model_fields.items())
        data = {key: self._value(key) for key in sections if self._has_value(key) and not self._is_secret(key)}
        given = checks.Given(
            stack=self._stack,
            project=self._project,
            commands=self._commands,
            sections=sections,
            data=data,
            # Of our namespace, and of the project's where a copy of this program goes by another name.
            keys=tuple(runtime_config.CONFIG.get()),
            is_secret=self._is_secret,
            has_value=self._has_value,
        )
        problems = list(checks.problems(given))
        config: StackConfig | None = None
        try:
            # The engine starts the program in the project's folder, so relative paths are right as they are.
            config = StackConfig.model_validate(data, context={"root": Path()})
        except ValidationError as error:
            explainer = Explainer(StackConfig.model_json_schema(mode="validation"), data, self._commands)
            details = error.errors(include_input=False, include_url=False, include_context=True)
            problems += [explainer.explain(detail) for detail in details if not self._is_secret(str(detail["loc"][0]))]
        if problems or config is None:
            raise ConfigError(self._stack, sorted(problems, key=lambda problem: [str(part) for part in problem.path]))
        keys = {key for _, key in checks.listed_secrets(data)}
        return LoadedConfig(config, {key: self._settings.require_secret(key) for key in sorted(keys)})

    def _has_value(self, key: str) -> bool:
        return self._settings.get(key) is not None

    def _is_secret(self, key: str) -> bool:
        return runtime_config.is_config_secret(self._settings.full_key(key))

    def _value(self, key: str) -> Any:
        """A setting as YAML gave it: Pulumi hands sections over as JSON, and plain values as text."""
        text = self._settings.require(key)
        if not text.startswith(("{", "[")):
            return text
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text

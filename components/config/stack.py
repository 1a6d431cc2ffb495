"""StackConfig: everything a stack file may say, and the only place that reads `pulumi.Config`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from components.config import checks, defaults, protection
from components.config.given import Given, listed_secrets
from components.config.pool_types import PoolName
from components.config.problems import NAMESPACE, Commands, ConfigError, Explainer
from components.config.sections import (
    AlertsConfig,
    CapacityCheck,
    CertificatesFile,
    ChartConfig,
    ChartName,
    Cluster,
    Database,
    DockerConfig,
    GpuSupportConfig,
    ImageConfig,
    ImageSigningConfig,
    LogsConfig,
    ModelConfig,
    Models,
    MonitoringConfig,
    NetworkConfig,
    NodePoolConfig,
    PricesConfig,
    ProxyConfig,
    RegistryConfig,
    Secrets,
    Section,
    SigningConfig,
    StackEnv,
)
from components.config.types import NamespaceName, Switch


class LoadedConfig(NamedTuple):
    """A validated configuration and, beside it, the values of the secrets that it names."""

    config: "StackConfig"
    secrets: Mapping[str, pulumi.Output[str]]


class _AsOneModel:
    """In the schema, a section with the keys of a model."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(ModelConfig.__pydantic_core_schema__)


# Checked where it takes effect, in each model; editors and messages know it as one.
ModelDefaults = Annotated[dict[str, Any], _AsOneModel()]


class StackConfig(Section):
    """The configuration of one stack.

    Without `createNamespace`, the namespace is somebody else's: it has to be there, and stays as it is.

    A stack with `protect` refuses to delete its namespace, Deployments and Services until that is lifted, and no stack
    without it may use the same cluster (components/config/protection.py).
    """

    cluster: Cluster
    namespace: NamespaceName = "models"
    create_namespace: Switch = True
    models: Models = {}
    registry: RegistryConfig | None = None
    image: ImageConfig = ImageConfig()
    image_signing: ImageSigningConfig | None = None
    signing: SigningConfig | None = None
    model_defaults: ModelDefaults = {}
    protect: Switch = False
    prices: PricesConfig | None = None
    node_pools: dict[PoolName, NodePoolConfig] = {}
    network: NetworkConfig = NetworkConfig()
    gpu_support: GpuSupportConfig | None = None
    charts: dict[ChartName, ChartConfig] = {}
    env: StackEnv = Field(default_factory=dict)
    secrets: Secrets = ()
    database: Database | None = None
    proxy: ProxyConfig | None = None
    ca_bundle: CertificatesFile | None = None
    capacity_check: CapacityCheck = "error"
    monitoring: MonitoringConfig = MonitoringConfig()
    alerts: AlertsConfig | None = None
    docker: DockerConfig = DockerConfig()
    logs: LogsConfig = LogsConfig()

    @property
    def served(self) -> dict[str, ModelConfig]:
        """The models by the names that they have in the cluster; `models` has them by those of the stack file."""
        return {model.served_name(name): model for name, model in self.models.items()}

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
        written = {key: self._value(key) for key in sections if self._has_value(key) and not self._is_secret(key)}
        data = defaults.applied(written)
        given = Given(
            stack=self._stack,
            project=self._project,
            commands=self._commands,
            sections=sections,
            data=data,
            # Of our namespace, and of the project's where a copy of this program goes by another name.
            keys=tuple(runtime_config.CONFIG.get()),
            is_secret=self._is_secret,
            has_value=lambda key: bool(self._settings.get(key)),
            value=self._settings.require,
        )
        problems = [replace(problem, path=defaults.origin(problem.path, written)) for problem in checks.problems(given)]
        problems += protection.problems(self._stack, data, self._commands)
        config: StackConfig | None = None
        try:
            # The engine starts the program in the project's folder, so relative paths are right as they are.
            config = StackConfig.model_validate(data, context={"root": Path()})
        except ValidationError as error:
            explainer = Explainer(StackConfig.model_json_schema(mode="validation"), data, self._commands)
            for detail in error.errors(include_input=False, include_url=False, include_context=True):
                # A default that follows from what is wrong is no mistake of its own.
                follows = detail["type"] == "default_factory_not_called"
                if not follows and not self._is_secret(str(detail["loc"][0])):
                    detail["loc"] = defaults.origin(detail["loc"], written)
                    problems.append(explainer.explain(detail))
        if problems or config is None:
            # A mistake in the defaults is found in each model that has them.
            once = dict.fromkeys(problems)
            raise ConfigError(self._stack, sorted(once, key=lambda problem: [str(part) for part in problem.path]))
        keys = {key for _, key in listed_secrets(data)}
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

"""StackConfig: everything a stack file may say, and the only place that reads `pulumi.Config`."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import ValidationError

from components.config.problems import NAMESPACE, Commands, ConfigError, Explainer, Problem, unknown_key
from components.config.sections import ImageConfig, Models, RegistryConfig, Section, SigningConfig
from components.config.types import SECRET_KEY, ClusterName, NamespaceName

# Kubernetes' limit for a label's value. The instance label joins the names of the stack and of the model.
_MAX_LABEL = 63


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
        # Keys of our namespace, and of the project's where a copy of this program goes by another name.
        self._keys = tuple(runtime_config.CONFIG.get())

    def load(self) -> LoadedConfig:
        data = {key: self._value(key) for key in StackConfig.model_fields if self._is_given(key)}
        problems = [
            *self._secret_sections(),
            *self._unknown_keys(data),
            *self._missing_registry(data),
            *self._missing_signing_key(data),
            *self._unverified_signatures(data),
            *self._long_names(data),
            *self._missing_secrets(data),
        ]
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
        keys = {key for model in config.models.values() for key in model.secrets}
        if config.signing is not None and config.signing.private_key is not None:
            keys.add(config.signing.private_key)
        return LoadedConfig(config, {key: self._settings.require_secret(key) for key in sorted(keys)})

    def _is_given(self, key: str) -> bool:
        return self._settings.get(key) is not None and not self._is_secret(key)

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

    def _own_keys(self, namespace: str) -> Iterator[str]:
        for full in self._keys:
            owner, _, key = full.partition(":")
            if owner == namespace:
                yield key

    def _secret_sections(self) -> Iterator[Problem]:
        """Sections may hold no secret values: Pulumi would hand them over, and store them, in plain text."""
        for key in filter(self._is_secret, StackConfig.model_fields):
            yield Problem(
                path=(key,),
                message="holds an encrypted value; list the key of a secret under models.<name>.secrets instead",
                fix=f"take it out of Pulumi.{self._stack}.yaml, and {self._commands.set_secret('<key>')}",
            )

    def _unknown_keys(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        sections = list(StackConfig.model_fields)
        used = {key for _, key in _listed_secrets(data)}
        for key in self._own_keys(NAMESPACE):
            if key in sections or key in used:
                continue
            if self._is_secret(key) and not self._is_secret("models"):
                yield Problem(
                    path=(key,),
                    message="is a secret that no model uses; list it under models.<name>.secrets, or remove it",
                    fix=self._commands.remove((key,)),
                )
            elif not self._is_secret(key):
                yield unknown_key((key,), sections, self._commands)
        if self._project != NAMESPACE:
            for key in self._own_keys(self._project):
                if key in sections or key in used:
                    yield Problem(
                        path=(key,),
                        message=f"is set as {self._project}:{key}; this program reads {NAMESPACE}:{key}",
                        fix=f"rename it in Pulumi.{self._stack}.yaml, or set it again with its namespace",
                    )

    def _missing_registry(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        built = [name for name, model in _models(data) if model.get("source") is not None]
        if built and "registry" not in data and not self._is_secret("registry"):
            yield Problem(
                path=("registry", "repository"),
                message=f"is required and missing; the registry to push {', '.join(built)} to, built from source",
                fix=self._commands.set(("registry", "repository"), "registry.example.com/team/models"),
            )

    def _missing_signing_key(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        signing = data.get("signing")
        built = [name for name, model in _models(data) if model.get("source") is not None]
        if built and isinstance(signing, dict) and signing.get("privateKey") is None:
            yield Problem(
                path=("signing", "privateKey"),
                message=f"is required and missing; the key of the secret to sign {', '.join(built)} with",
                fix=self._commands.set(("signing", "privateKey"), "signingKey"),
            )

    def _unverified_signatures(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        """A stack that demands signatures must not run a server that looks at none."""
        for name, model in _models(data):
            runtime = model.get("runtime")
            if data.get("signing") is not None and isinstance(runtime, str) and runtime != "onnx":
                yield Problem(
                    path=("models", name, "runtime"),
                    message=f"{json.dumps(runtime)} verifies no signature, and signing demands one; allowed: onnx",
                    fix="serve it from a stack without signing",
                )

    def _long_names(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        for name, _ in _models(data):
            if len(label := f"{self._stack}-{name}") > _MAX_LABEL:
                yield Problem(
                    path=("models", name),
                    message=f'the label "{label}" has {len(label)} characters; allowed: {_MAX_LABEL}',
                    fix="shorten the name of the stack or of the model",
                )

    def _missing_secrets(self, data: Mapping[str, Any]) -> Iterator[Problem]:
        for path, key in _listed_secrets(data):
            if key in StackConfig.model_fields:
                message, fix = f"{key} is the name of a section; a secret needs another one", "rename it"
            elif self._settings.get(key) is None:
                message, fix = f"the secret {key} has no value", self._commands.set_secret(key)
            elif not self._is_secret(key):
                message, fix = f"the secret {key} is stored in plain text", self._commands.set_secret(key)
            else:
                continue
            yield Problem(path=path, message=message, fix=fix)


def _models(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The models of a configuration that may still be wrong in any way."""
    models = data.get("models")
    if isinstance(models, dict):
        yield from ((name, model) for name, model in models.items() if isinstance(model, dict))


def _listed_secrets(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a secret is asked for, and its key; what cannot be a key is the schema's to refuse."""
    signing = data.get("signing")
    if isinstance(signing, dict) and isinstance(key := signing.get("privateKey"), str) and re.match(SECRET_KEY, key):
        yield ("signing", "privateKey"), key
    for name, model in _models(data):
        secrets = model.get("secrets")
        if isinstance(secrets, list):
            for index, key in enumerate(secrets):
                if isinstance(key, str) and re.match(SECRET_KEY, key):
                    yield ("models", name, "secrets", index), key

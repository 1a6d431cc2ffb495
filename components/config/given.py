"""A configuration before anything of it is known to be right, and what checks between sections look for in it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.config.problems import Commands, Path
from components.config.types import SECRET_KEY

# Kubernetes' limit for a label's value. The instance label joins the names of the stack and of the model.
MAX_LABEL = 63


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a stack's configuration says, before anything of it is known to be right.

    Attributes:
        sections: names of all sections there are.
        data: the sections that are given in plain text.
        keys: every key as Pulumi has it, "namespace:key".
        is_secret: whether a key of our namespace is stored encrypted.
        has_value: whether a key of our namespace has a value at all, and not an empty one.
        value: the value of a key of our namespace as text, encrypted or not.
    """

    stack: str
    project: str
    commands: Commands
    sections: tuple[str, ...]
    data: Mapping[str, Any]
    keys: tuple[str, ...]
    is_secret: Callable[[str], bool]
    has_value: Callable[[str], bool]
    value: Callable[[str], str]

    def own_keys(self, namespace: str) -> Iterator[str]:
        for full in self.keys:
            owner, _, key = full.partition(":")
            if owner == namespace:
                yield key


def models_of(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The models of a configuration that may still be wrong in any way."""
    models = data.get("models")
    if isinstance(models, dict):
        yield from ((name, model) for name, model in models.items() if isinstance(model, dict))


def holders_of(data: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The stack and its models, with their places: both may have secrets and a database."""
    yield (), data
    for name, model in models_of(data):
        yield ("models", name), model


def pools_of(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The node pools of a configuration that may still be wrong in any way."""
    pools = data.get("nodePools")
    return {name: pool for name, pool in pools.items() if isinstance(pool, dict)} if isinstance(pools, dict) else {}


def served_names(data: Mapping[str, Any]) -> dict[str, str]:
    """What each model is called in the cluster, by its name in the stack file."""
    former = {name: model.get("renamedFrom") for name, model in models_of(data)}
    return {name: kept if isinstance(kept, str) else name for name, kept in former.items()}


def listed_secrets(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Where a secret is asked for, and its key; what cannot be a key is the schema's to refuse."""
    for path, value in _secret_places(data):
        if isinstance(value, dict) and "config" in value:
            path, value = (*path, "config"), value["config"]
        if isinstance(value, str) and re.match(SECRET_KEY, value):
            yield path, value


def _secret_places(data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Values that are the key of a secret, or a section with one as its `config`."""
    yield ("signing", "privateKey"), section_of(data, "signing").get("privateKey")
    for key in ("privateKey", "password"):
        yield ("imageSigning", key), section_of(data, "imageSigning").get(key)
    yield ("logs", "authorization"), section_of(data, "logs").get("authorization")
    yield ("cluster", "kubeconfig"), section_of(data, "cluster").get("kubeconfig")
    for name, receiver in receivers_of(data).items():
        for way, key in (("webhook", "url"), ("slack", "url"), ("email", "password")):
            yield ("alerts", "receivers", name, way, key), section_of(receiver, way).get(key)
    pull_secret = section_of(data, "registry").get("pullSecret")
    if isinstance(pull_secret, dict):
        yield ("registry", "pullSecret"), pull_secret
    for path, holder in holders_of(data):
        secrets = holder.get("secrets")
        for index, secret in enumerate(secrets if isinstance(secrets, list) else ()):
            yield (*path, "secrets", index), secret
        yield (*path, "database", "password"), section_of(holder, "database").get("password")


def receivers_of(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The receivers of alerts in a configuration that may still be wrong in any way."""
    receivers = section_of(section_of(data, "alerts"), "receivers")
    return {name: receiver for name, receiver in receivers.items() if isinstance(receiver, dict)}


def section_of(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The section of that key, empty where there is none."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}

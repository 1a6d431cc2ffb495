"""Where the values of a pod's secrets are, for a machine that has no Secrets of a cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.planning.pod import PodSecrets

if TYPE_CHECKING:
    from components.config import SecretConfig
    from components.planning.settings import Secrets


@dataclass(frozen=True, kw_only=True)
class SecretSource:
    """Where the value of a secret is: under `config`, a key of the stack's configuration, or somewhere `elsewhere`."""

    config: str | None = None
    elsewhere: str = ""


def secrets_of_pod(name: str, told: "Secrets") -> tuple[PodSecrets, ...]:
    """The Secrets of a pod under names of their own: there is no cluster to give them one."""
    own = (PodSecrets(name=name, keys=told.own),) if told.values else ()
    external = (PodSecrets(name=f"{name}-external", keys=told.from_stores),) if told.external else ()
    return (*own, *external, *(PodSecrets(name=f"existing-{at}", keys=keys) for at, keys in told.existing.items()))


def sources_of(name: str, told: "Secrets") -> dict[tuple[str, str], SecretSource]:
    """Where the values of those Secrets are, by name and key."""
    found = {(name, key): SecretSource(config=configured) for key, configured in told.values.items()}
    for entry in told.external:
        store, remote = entry["sourceRef"]["storeRef"]["name"], entry["remoteRef"]["key"]
        found[f"{name}-external", entry["secretKey"]] = SecretSource(elsewhere=f"{remote} in the store {store}")
    for at, keys in told.existing.items():
        for key in (*keys.files.values(), *keys.variables.values()):
            found[f"existing-{at}", key] = SecretSource(elsewhere=f"key {key} of the cluster's Secret {at}")
    return found


def source_of(secret: "SecretConfig") -> SecretSource:
    """Where the value of one secret is."""
    if secret.config:
        return SecretSource(config=secret.config)
    if secret.secret_ref:
        return SecretSource(elsewhere=f"key {secret.secret_ref.key} of the cluster's Secret {secret.secret_ref.name}")
    if secret.external:
        return SecretSource(elsewhere=f"{secret.external.key} in the store {secret.external.store}")
    raise ValueError("the configuration is checked: a secret comes from somewhere")

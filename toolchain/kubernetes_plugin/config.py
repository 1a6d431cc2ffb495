"""The provider's own configuration: which settings exist, what a change of them means, and their values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import UNKNOWN, Object, plain

from .kubeconfig import active_cluster, as_text, load

_SUPPORTED = {
    "kubeconfig",
    "context",
    "cluster",
    "namespace",
    "clusterIdentifier",
    "enableServerSideApply",
    "enablePatchForce",
    "enableConfigMapMutable",
    "enableSecretMutable",
    "deleteUnreachable",
    "version",
    "pluginDownloadURL",
    # Nothing here gives the warnings that these suppress, and nothing here needs throttling.
    "suppressDeprecationWarnings",
    "suppressHelmHookWarnings",
    "suppressHelmReleaseBetaWarning",
    "kubeClientSettings",
    "helmReleaseSettings",
}
_LOCATION = ("kubeconfig", "context", "cluster")
_IDENTIFIER = "clusterIdentifier"


@dataclass(frozen=True)
class Settings:
    """Values of the provider's configuration, environment variables included where it allows them."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    patch_force: bool = False
    configmap_mutable: bool = False
    secret_mutable: bool = False
    delete_unreachable: bool = False

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> "Settings":
        """Read the settings from the provider's inputs."""
        given = plain(properties)
        return cls(
            kubeconfig=as_text(given.get("kubeconfig")),
            context=given.get("context") or "",
            cluster=given.get("cluster") or "",
            namespace=given.get("namespace") or "",
            patch_force=_flag(given, "enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
            configmap_mutable=_flag(given, "enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
            secret_mutable=_flag(given, "enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
            delete_unreachable=_flag(given, "deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
        )


def _flag(properties: Mapping[str, Any], name: str, variable: str, default: bool = False) -> bool:
    value = properties.get(name)
    if value is None:
        value = os.environ.get(variable)
    # The SDKs send configuration values as JSON text.
    return default if value is None else value in (True, "true")


def check_config(inputs: Object) -> list[tuple[str, str]]:
    """What is wrong with the provider's inputs, as pairs of property and reason."""
    given = plain(inputs)
    failures = [
        (name, f'"{name}" is not supported by this Kubernetes plugin, which stands in for the official one')
        for name, value in given.items()
        if name not in _SUPPORTED and not name.startswith("__") and value not in (None, "", False, "false")
    ]
    if not _flag(given, "enableServerSideApply", "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", default=True):
        failures.append(("enableServerSideApply", "only server-side apply is supported by this Kubernetes plugin"))
    return failures


def diff_config(old: Object, new: Object) -> tuple[list[str], list[str]]:
    """Which properties changed, and which of them mean another cluster, so that every object must be made anew.

    A cluster has no identity of its own. With a `clusterIdentifier` set before and after, that alone decides;
    otherwise the cluster entry that the kubeconfig selects (server, certificate authority) does.
    """
    old, new = plain(old), plain(new)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if not changed:
        return [], []
    identifiers = (old.get(_IDENTIFIER), new.get(_IDENTIFIER))
    if all(identifiers):
        return changed, [_IDENTIFIER] if identifiers[0] != identifiers[1] else []
    unknown = [name for name in _LOCATION if new.get(name) is UNKNOWN]
    if unknown:
        return unknown[:1], unknown[:1]
    before, after = _cluster(old), _cluster(new)
    if before is None or after is None or before == after:
        return changed, []
    return changed, [name for name in _LOCATION if name in changed]


def _cluster(properties: Object) -> dict[str, Any] | None:
    try:
        config = load(as_text(properties.get("kubeconfig")))
    except (PluginError, OSError):
        return None  # a kubeconfig that is gone or broken tells nothing about the cluster
    return active_cluster(config, properties.get("context"), properties.get("cluster"))

"""Kubeconfigs: finding them, merging them as kubectl does, and picking the cluster that the provider means."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import Unreachable

Kubeconfig = dict[str, Any]

_SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Access:
    """The one cluster and user that a kubeconfig and the provider's settings select.

    Attributes:
        cluster: the kubeconfig's cluster entry (server, certificate authority, ...).
        user: its user entry (client certificate, token, exec plugin, ...).
        namespace: namespace of objects that name none.
    """

    cluster: dict[str, Any]
    user: dict[str, Any]
    namespace: str


def load(path_or_contents: str) -> Kubeconfig:
    """Read the provider's `kubeconfig` setting: a path, or the contents as YAML or JSON. Nothing gives an empty one.

    Raises:
        Unreachable: it is neither.
    """
    if not path_or_contents:
        return {}
    if "\n" not in path_or_contents and not path_or_contents.lstrip().startswith("{"):
        path = Path(path_or_contents).expanduser()
        if path.is_file():
            return _load_file(path)
    return _parse(path_or_contents, "the provider's kubeconfig")


def ambient() -> Kubeconfig:
    """The kubeconfig of the environment: the files of $KUBECONFIG, merged, or ~/.kube/config."""
    named = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    merged: Kubeconfig = {}
    for path in named or [Path.home() / ".kube" / "config"]:
        if path.is_file():
            _merge(merged, _load_file(path))
    return merged


def _merge(base: Kubeconfig, other: Kubeconfig) -> None:
    """Add another file's entries behind those of `base`: the first of a name counts."""
    for section in _SECTIONS:
        base[section] = [*(base.get(section) or []), *(other.get(section) or [])]
    if not base.get("current-context"):
        base["current-context"] = other.get("current-context")


def _load_file(path: Path) -> Kubeconfig:
    config = _parse(path.read_text(), str(path))
    # File names inside are relative to the kubeconfig, which is forgotten from here on.
    for section, key in _SECTIONS.items():
        for entry in config.get(section) or []:
            body = entry.get(key) or {}
            for field in _FILES:
                if body.get(field):
                    body[field] = str(path.parent / body[field])
    return config


def _parse(text: str, origin: str) -> Kubeconfig:
    try:
        config = yaml.load(text, Loader=_LOADER)  # a safe loader; kubeconfigs from other programs are often JSON
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise Unreachable(f"{origin} is not valid YAML{where}") from None
    if not isinstance(config, dict):
        raise Unreachable(f"{origin} is neither an existing file nor a kubeconfig")
    return config


def _entry(config: Kubeconfig, section: str, name: str | None) -> dict[str, Any] | None:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return entry.get(_SECTIONS[section]) or {}
    return None


def active_cluster(config: Kubeconfig, context: str | None = None, cluster: str | None = None) -> dict[str, Any] | None:
    """The cluster entry that the settings select, or None if they select none."""
    chosen = _entry(config, "contexts", context or config.get("current-context"))
    if chosen is None:
        return None
    return _entry(config, "clusters", cluster or chosen.get("cluster"))


def select(config: Kubeconfig, context: str = "", cluster: str = "", namespace: str = "") -> Access:
    """Resolve cluster, user and namespace; the arguments, where given, win over the kubeconfig.

    Raises:
        Unreachable: the kubeconfig has no such context or cluster.
    """
    name = context or config.get("current-context")
    if not name and not config.get("clusters"):
        raise Unreachable("no kubeconfig found: set KUBECONFIG, or create ~/.kube/config, or give the provider one")
    chosen = _entry(config, "contexts", name)
    if chosen is None:
        known = ", ".join(sorted(str(entry.get("name")) for entry in config.get("contexts") or [])) or "none"
        what = f'context "{name}" does not exist' if name else "no context is selected"
        raise Unreachable(f"{what} in the kubeconfig (it has: {known})")
    target = active_cluster(config, context, cluster)
    if not target or not target.get("server"):
        raise Unreachable(f'cluster "{cluster or chosen.get("cluster")}" has no server in the kubeconfig')
    return Access(
        cluster=target,
        user=_entry(config, "users", chosen.get("user")) or {},
        namespace=namespace or chosen.get("namespace") or "default",
    )


def as_text(value: Any) -> str:
    """The provider's `kubeconfig` property as text; programs may give it as an object too."""
    return value if isinstance(value, str) else json.dumps(value) if value else ""

"""Keeps other stacks away from the clusters of protected ones: dev must not be deployed to prod's by mistake.

Looked at are files only: the other stack files of the project, and the kubeconfig whose current context is what
`cluster: local` means. Whether a cluster answers does not matter.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.config.problems import NAMESPACE, Commands, Problem
from components.config.sections.cluster import LOCAL


def problems(stack: str, data: Mapping[str, Any], commands: Commands, root: Path = Path()) -> Iterator[Problem]:
    """The mistake of naming a protected stack's cluster in a stack that is not protected itself."""
    cluster = _by_context(data.get("cluster"))
    if data.get("protect") in (True, "true") or not (owners := protected_clusters(root, other_than=stack)):
        return
    context = current_context() if cluster == LOCAL else cluster
    for owner, owned in owners.items():
        if context == owned and cluster == LOCAL:
            message = f"is your kubeconfig's current context {context}, the cluster of the protected stack {owner}"
            fix = "kubectl config use-context <another>, or kubectl config unset current-context"
        elif context == owned:
            message = f"is the cluster of the protected stack {owner}"
            fix = commands.set(("cluster",), LOCAL)
        else:
            continue
        allowed = f"a cluster that only stack {owner} uses is not this stack's; allowed: another one, or protect: true"
        yield Problem(path=("cluster",), message=f"{message}; {allowed}", fix=fix)


def protected_clusters(root: Path, *, other_than: str) -> dict[str, Any]:
    """The clusters of all protected stacks of the project but one, by stack."""
    found: dict[str, Any] = {}
    for file in sorted(root.glob("Pulumi.*.yaml")):
        stack = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        text = file.read_text(encoding="utf-8")
        if stack != other_than and f"{NAMESPACE}:protect" in text:
            config = _mapping(_yaml(text).get("config"))
            # `pulumi config set` writes it as a text.
            if config.get(f"{NAMESPACE}:protect") in (True, "true"):
                found[stack] = _by_context(config.get(f"{NAMESPACE}:cluster"))
    # Of the local cluster there is one on each machine, and nobody else's.
    return {stack: cluster for stack, cluster in found.items() if cluster not in (None, LOCAL)}


def current_context(environ: Mapping[str, str] = os.environ) -> str | None:
    """The current context of the kubeconfig that kubectl would read; of several files, the first that names one."""
    files = environ.get("KUBECONFIG") or str(Path(environ.get("HOME") or Path.home()) / ".kube" / "config")
    for file in filter(None, files.split(os.pathsep)):
        try:
            text = Path(file).read_text(encoding="utf-8")
        except OSError:
            continue  # kubectl passes over it, too
        if context := _yaml(text).get("current-context"):
            return str(context)
    return None


def _by_context(cluster: Any) -> Any:
    """A cluster that is named by a context, in either way of writing it, as that name; any other as it is written."""
    return cluster["context"] if isinstance(cluster, dict) and "context" in cluster else cluster


def _yaml(text: str) -> Mapping[str, Any]:
    # Needed beside protected stacks only; every preview would wait for the import.
    import yaml

    try:
        return _mapping(yaml.safe_load(text))
    except yaml.YAMLError:
        return {}  # whoever works with that file is told by Pulumi or kubectl


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

"""The few requests the toolchain makes of the cluster's API server itself."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightkube
from lightkube.codecs import from_dict
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import Node, ServiceAccount

from toolchain.cluster.layout import NODE_NAME


def connect(kubeconfig: Path) -> lightkube.Client:
    """A client with the rights of ``kubeconfig``; a proxy named in the environment is not for it."""
    config = KubeConfig.from_file(kubeconfig)
    return lightkube.Client(config=config, field_manager="model-serving-toolchain", trust_env=False)


def apply(client: lightkube.Client, objects: Iterable[dict[str, Any]]) -> None:
    """Server-side apply of ``objects``, in order; raises ApiError."""
    for item in objects:
        client.apply(from_dict(item), force=True)


def node_ready(client: lightkube.Client, since: float) -> bool:
    """Whether the node said that it is ready, at ``since`` (seconds since the epoch) or later."""
    try:
        node = client.get(Node, NODE_NAME)
    except ApiError as error:
        if error.status.code == 404:
            return False
        raise
    for condition in (node.status and node.status.conditions) or []:
        if condition.type == "Ready" and condition.status == "True" and condition.lastHeartbeatTime:
            # The API keeps whole seconds.
            return condition.lastHeartbeatTime >= datetime.fromtimestamp(int(since), UTC)
    return False


def accepts_pods(client: lightkube.Client) -> bool:
    """Whether the default namespace has its service account, without which no pod is admitted."""
    try:
        client.get(ServiceAccount, "default", namespace="default")
    except ApiError as error:
        if error.status.code == 404:
            return False
        raise
    return True

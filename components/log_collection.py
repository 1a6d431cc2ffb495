"""The collector of the models' logs, on every node."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.apps.v1 import DaemonSet
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, Secret, ServiceAccount
from pulumi_kubernetes.networking.v1 import NetworkPolicy

from components.config import StackConfig
from components.planning import logs, network

if TYPE_CHECKING:
    from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict


@dataclass(frozen=True, kw_only=True)
class LogCollectionArgs:
    """The stack's configuration, which says that logs are collected, and the values of its secrets by key."""

    stack: str
    config: StackConfig
    secrets: Mapping[str, pulumi.Input[str]]


class LogCollection(pulumi.ComponentResource):
    """A collector that reads what the pods of one namespace write, in a namespace of its own.

    ConfigMap and Secret are immutable and named by Pulumi, so another target is another pod. Its place in the files,
    and what is not delivered yet, are on the node and outlive it.
    """

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: LogCollectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:logs:LogCollection", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        config, labels = args.config, logs.labels(args.stack)
        namespace = Namespace(
            f"{name}-namespace",
            metadata={
                "name": logs.namespace_of(config),
                "labels": logs.namespace_labels(),
                "annotations": {
                    "kubernetes.io/description": "privileged: its pods read the log files of their nodes, which no "
                    "other level allows, and have no other right"
                },
            },
            opts=child,
        )
        self.namespace = namespace.metadata.apply(lambda metadata: metadata.name or "")
        metadata: ObjectMetaArgsDict = {"namespace": self.namespace, "labels": labels}
        data = {logs.CONFIG_FILE: json.dumps(logs.collector_config(config, args.stack), indent=1)}
        if config.ca_bundle is not None:
            data[logs.CA_BUNDLE] = Path(config.ca_bundle).read_text("utf-8")
        config_map = ConfigMap(f"{name}-config", metadata=metadata, data=data, immutable=True, opts=child)
        secret = None
        if config.logs.authorization is not None:
            value = args.secrets[config.logs.authorization]
            secret = Secret(
                f"{name}-credentials",
                metadata=metadata,
                string_data={logs.AUTHORIZATION: value},
                immutable=True,
                opts=child,
            )
        if config.network.default_deny:
            policy = network.agent_policy(logs.destinations(config.logs))
            NetworkPolicy(
                f"{name}-network",
                metadata={**metadata, "annotations": {"kubernetes.io/description": policy.description}},
                spec=policy.spec,
                opts=child,
            )
        account = ServiceAccount(
            f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=child
        )
        spec = logs.pod_spec(config, _name(config_map), _name(secret) if secret else None)
        spec["service_account_name"] = _name(account)
        DaemonSet(
            f"{name}-collector",
            metadata=metadata,
            spec={
                "selector": {"match_labels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
                # Never two on one node: both would read the same files.
                "update_strategy": {"type": "RollingUpdate", "rolling_update": {"max_unavailable": "25%"}},
            },
            opts=child,
        )
        self.register_outputs({"namespace": self.namespace})


def _name(resource: ConfigMap | Secret | ServiceAccount) -> pulumi.Output[str]:
    return resource.metadata.apply(lambda metadata: metadata.name or "")

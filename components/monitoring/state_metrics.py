"""kube-state-metrics: what the API server knows of the models' pods, as metrics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ServiceAccount

from components.config import MonitoringConfig
from components.monitoring.rights import grant
from components.planning import monitoring_stack as planned
from components.planning.containers import restricted_container, restricted_pod

if TYPE_CHECKING:
    from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict, SubjectArgsDict

_READ = ["list", "watch"]
_PORT, _OWN_PORT = 8080, 8081
_WATCHED: "list[tuple[str, list[str]]]" = [
    ("", ["pods"]),
    ("apps", ["deployments", "replicasets"]),
    ("autoscaling", ["horizontalpodautoscalers"]),
    ("policy", ["poddisruptionbudgets"]),
]
_RESOURCES = [*(resource for _, resources in _WATCHED for resource in resources), "nodes"]


@dataclass(frozen=True, kw_only=True)
class StateMetricsArgs:
    """Where it runs, and the namespace of the objects that it tells of, unless several stacks share it."""

    config: MonitoringConfig
    namespace: pulumi.Input[str]
    watched: pulumi.Input[str]


class StateMetrics(pulumi.ComponentResource):
    """It may read the workloads of the models' namespace, or of all if it is shared, and nodes; nothing else."""

    def __init__(self, name: str, args: StateMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:StateMetrics", name, None, opts)
        child, labels = pulumi.ResourceOptions(parent=self), planned.labels(planned.STATE_METRICS)
        account = ServiceAccount(
            f"{name}-account",
            metadata={"namespace": args.namespace, "labels": labels},
            automount_service_account_token=False,
            opts=child,
        )
        account_name = account.metadata.apply(lambda metadata: metadata.name or "")
        subject: SubjectArgsDict = {"kind": "ServiceAccount", "name": account_name, "namespace": args.namespace}
        rules: list[pulumi.Input[PolicyRuleArgsDict]] = [
            {"api_groups": [group], "resources": resources, "verbs": _READ} for group, resources in _WATCHED
        ]
        nodes: PolicyRuleArgsDict = {"api_groups": [""], "resources": ["nodes"], "verbs": _READ}
        grant(f"{name}-objects", subject, rules, None if args.config.shared else args.watched, labels, child)
        grant(f"{name}-nodes", subject, [nodes], None, labels, child)
        within = [] if args.config.shared else [pulumi.Output.concat("--namespaces=", args.watched)]
        image = planned.image(args.config, planned.STATE_METRICS)
        Deployment(
            f"{name}-deployment",
            metadata={"namespace": args.namespace, "labels": labels},
            spec={
                "replicas": 1,
                "selector": {"match_labels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "service_account_name": account_name,
                        "automount_service_account_token": True,
                        "security_context": restricted_pod(planned.USER),
                        "containers": [
                            {
                                "name": planned.STATE_METRICS,
                                "image": image,
                                "args": [
                                    f"--port={_PORT}",
                                    f"--telemetry-port={_OWN_PORT}",
                                    f"--resources={','.join(_RESOURCES)}",
                                    *within,
                                    "--metric-labels-allowlist=pods=[app.kubernetes.io/name,app.kubernetes.io/version]",
                                ],
                                "ports": [{"name": "metrics", "container_port": _PORT}],
                                "readiness_probe": {"http_get": {"path": "/healthz", "port": "metrics"}},
                                "liveness_probe": {"http_get": {"path": "/healthz", "port": "metrics"}},
                                "resources": {
                                    "requests": {"cpu": "10m", "memory": "64Mi"},
                                    "limits": {"memory": "256Mi"},
                                },
                                "security_context": restricted_container(),
                            }
                        ],
                    },
                },
            },
            opts=child,
        )
        CustomResource(
            f"{name}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="PodMonitor",
            metadata={"namespace": args.namespace, "labels": labels | args.config.object_labels},
            spec=planned.exporter_monitor(labels, honor_labels=True),
            opts=child,
        )
        self.register_outputs({})

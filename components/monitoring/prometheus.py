"""Prometheus: a resource for the operator, and what its pods may read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ServiceAccount

from components.config import MonitoringConfig
from components.monitoring.rights import grant
from components.planning import monitoring_stack as planned
from components.planning.names import stack_labels

if TYPE_CHECKING:
    from pulumi_kubernetes.rbac.v1 import PolicyRuleArgsDict, SubjectArgsDict

_API = "monitoring.coreos.com/v1"
_READ = ["get", "list", "watch"]
# Where the Service of the kubelets is.
_KUBELETS = "kube-system"


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """The namespace of Prometheus, and those whose pods it reads metrics of, by a name for each."""

    config: MonitoringConfig
    stack: str
    namespace: pulumi.Input[str]
    watched: dict[str, pulumi.Input[str]]


class Prometheus(pulumi.ComponentResource):
    """A Prometheus of the operator, with the rules and monitors of this stack's namespaces and of no others.

    A shared one has those of every stack that gives them its label, and may read pods of all namespaces for that.
    """

    def __init__(self, name: str, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:Prometheus", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        account = ServiceAccount(
            f"{name}-account",
            metadata={"namespace": args.namespace, "labels": planned.labels(planned.PROMETHEUS)},
            automount_service_account_token=False,  # the operator's pods ask for it themselves
            opts=self._child,
        )
        account_name = account.metadata.apply(lambda metadata: metadata.name or "")
        self._may_read(name, args, account_name)
        metadata: dict[str, Any] = {"namespace": args.namespace, "labels": stack_labels() | args.config.object_labels}
        CustomResource(
            f"{name}-server",
            api_version=_API,
            kind="Prometheus",
            metadata={**metadata, "name": planned.PROMETHEUS},
            spec=planned.prometheus_spec(
                args.config, args.stack, [args.namespace, *args.watched.values()], account_name
            ),
            opts=self._child,
        )
        CustomResource(
            f"{name}-kubelets",
            api_version=_API,
            kind="ServiceMonitor",
            metadata=metadata,
            spec=planned.kubelet_monitor(),
            opts=self._child,
        )
        self.register_outputs({})

    def _may_read(self, name: str, args: PrometheusArgs, account: pulumi.Output[str]) -> None:
        subject: SubjectArgsDict = {"kind": "ServiceAccount", "name": account, "namespace": args.namespace}
        labels = planned.labels(planned.PROMETHEUS)
        targets: list[pulumi.Input[PolicyRuleArgsDict]] = [
            {"api_groups": [""], "resources": ["pods", "services", "endpoints"], "verbs": _READ},
            {"api_groups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
        ]
        kubelets: PolicyRuleArgsDict = {"api_groups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}
        everywhere: dict[str, pulumi.Input[str] | None] = {"all": None}
        own = {"own": args.namespace, "kubelets": _KUBELETS, **args.watched}
        for use, namespace in (everywhere if args.config.shared else own).items():
            grant(f"{name}-{use}-targets", subject, targets, namespace, labels, self._child)
        grant(f"{name}-kubelet-metrics", subject, [kubelets], None, labels, self._child)

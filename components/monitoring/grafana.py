"""Grafana, with its data source and dashboards provisioned: nothing in it is made by hand, so nothing is kept."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap, Service, ServiceAccount

from components.config import MonitoringConfig
from components.monitoring.rights import grant
from components.planning import monitoring_stack as planned
from components.planning.containers import restricted_container, restricted_pod

if TYPE_CHECKING:
    from pulumi_kubernetes.core.v1 import ProjectedVolumeSourceArgsDict

_DASHBOARDS = "/var/lib/grafana/dashboards"


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """The namespace of Grafana, and that of the ConfigMaps with dashboards (label `grafana_dashboard: "1"`).

    Where several stacks share it, they are looked for in all namespaces.
    """

    config: MonitoringConfig
    namespace: pulumi.Input[str]
    dashboards: pulumi.Input[str]


class Grafana(pulumi.ComponentResource):
    """Who can reach it may look, and nobody can log in: there is no password to leak, and nothing to change."""

    def __init__(self, name: str, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:Grafana", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = planned.labels(planned.GRAFANA)
        url = pulumi.Output.concat(
            f"http://{planned.PROMETHEUS_SERVICE}.", args.namespace, f".svc:{planned.PROMETHEUS_PORT}"
        )
        provisioning = ConfigMap(
            f"{name}-provisioning",
            metadata={"namespace": args.namespace, "labels": labels},
            data={
                "datasources.yaml": url.apply(lambda url: json.dumps(planned.data_sources(url), indent=2)),
                "dashboards.yaml": json.dumps(planned.dashboard_providers(_DASHBOARDS), indent=2),
            },
            immutable=True,
            opts=child,
        )
        account = ServiceAccount(
            f"{name}-account",
            metadata={"namespace": args.namespace, "labels": labels},
            automount_service_account_token=False,
            opts=child,
        )
        account_name = account.metadata.apply(lambda metadata: metadata.name or "")
        grant(
            f"{name}-dashboards",
            {"kind": "ServiceAccount", "name": account_name, "namespace": args.namespace},
            [{"api_groups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}],
            None if args.config.shared else args.dashboards,
            labels,
            child,
        )
        self._deployment(name, args, account_name, provisioning.metadata.apply(lambda metadata: metadata.name or ""))
        Service(
            f"{name}-service",
            metadata={"name": planned.GRAFANA, "namespace": args.namespace, "labels": labels},
            spec={
                "type": "ClusterIP",
                "selector": labels,
                "ports": [{"name": "http", "port": 80, "target_port": "http"}],
            },
            opts=child,
        )
        self.register_outputs({})

    def _deployment(
        self, name: str, args: GrafanaArgs, account: pulumi.Output[str], provisioning: pulumi.Output[str]
    ) -> None:
        labels = planned.labels(planned.GRAFANA)
        environment = {
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
            "GF_AUTH_DISABLE_LOGIN_FORM": "true",
            "GF_AUTH_BASIC_ENABLED": "false",
            "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        }
        # The sidecar alone talks to the API server.
        token = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where it is, not what
        # As the API server gives it to pods that ask for one: with its authorities, and the pod's own namespace.
        projected: ProjectedVolumeSourceArgsDict = {
            "sources": [
                {"service_account_token": {"path": "token"}},
                {"config_map": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downward_api": {"items": [{"path": "namespace", "field_ref": {"field_path": "metadata.namespace"}}]}},
            ]
        }
        Deployment(
            f"{name}-deployment",
            metadata={"namespace": args.namespace, "labels": labels},
            spec={
                "replicas": 1,
                "selector": {"match_labels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "service_account_name": account,
                        "automount_service_account_token": False,
                        "security_context": restricted_pod(planned.USER),
                        "init_containers": [
                            {
                                "name": planned.DASHBOARDS_SIDECAR,
                                "restart_policy": "Always",  # it runs beside Grafana, and starts before it
                                "image": planned.image(args.config, planned.DASHBOARDS_SIDECAR),
                                "env": [
                                    {"name": "LABEL", "value": "grafana_dashboard"},
                                    {"name": "LABEL_VALUE", "value": "1"},
                                    {"name": "RESOURCE", "value": "configmap"},
                                    {"name": "METHOD", "value": "WATCH"},
                                    {"name": "FOLDER", "value": _DASHBOARDS},
                                    {"name": "NAMESPACE", "value": "ALL" if args.config.shared else args.dashboards},
                                ],
                                "resources": {
                                    "requests": {"cpu": "10m", "memory": "64Mi"},
                                    "limits": {"memory": "256Mi"},
                                },
                                "security_context": restricted_container(),
                                "volume_mounts": [
                                    {"name": "dashboards", "mount_path": _DASHBOARDS},
                                    {"name": "token", "mount_path": token, "read_only": True},
                                ],
                            },
                        ],
                        "containers": [
                            {
                                "name": "grafana",
                                "image": planned.image(args.config, planned.GRAFANA),
                                "env": [{"name": key, "value": value} for key, value in environment.items()],
                                "ports": [{"name": "http", "container_port": planned.GRAFANA_PORT}],
                                "readiness_probe": {"http_get": {"path": "/api/health", "port": "http"}},
                                "liveness_probe": {
                                    "http_get": {"path": "/api/health", "port": "http"},
                                    "initial_delay_seconds": 30,
                                },
                                "resources": {
                                    "requests": {"cpu": "50m", "memory": "128Mi"},
                                    "limits": {"memory": "512Mi"},
                                },
                                "security_context": restricted_container(),
                                "volume_mounts": [
                                    {"name": "data", "mount_path": "/var/lib/grafana"},
                                    {"name": "scratch", "mount_path": "/tmp"},  # noqa: S108 - of the container
                                    {"name": "dashboards", "mount_path": _DASHBOARDS, "read_only": True},
                                    *(
                                        {
                                            "name": "provisioning",
                                            "mount_path": f"/etc/grafana/provisioning/{kind}",
                                            "sub_path": kind,
                                        }
                                        for kind in ("datasources", "dashboards")
                                    ),
                                ],
                            },
                        ],
                        "volumes": [
                            {"name": "data", "empty_dir": {"size_limit": "256Mi"}},
                            {"name": "scratch", "empty_dir": {"size_limit": "64Mi"}},
                            {"name": "dashboards", "empty_dir": {"size_limit": "64Mi"}},
                            {
                                "name": "provisioning",
                                "config_map": {
                                    "name": provisioning,
                                    "items": [
                                        {"key": f"{kind}.yaml", "path": f"{kind}/{kind}.yaml"}
                                        for kind in ("datasources", "dashboards")
                                    ],
                                },
                            },
                            {"name": "token", "projected": projected},
                        ],
                    },
                },
            },
            opts=pulumi.ResourceOptions(parent=self),
        )

"""Alertmanager: a resource for the operator, its configuration, and what its receivers need to be reached."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import Secret

from components.config import AlertsConfig, MonitoringConfig
from components.planning import alert_routes
from components.planning import monitoring_stack as planned
from components.planning.names import stack_labels


@dataclass(frozen=True, kw_only=True)
class AlertmanagerArgs:
    """Receivers and routes, and the values of secrets by key."""

    config: MonitoringConfig
    alerts: AlertsConfig | None
    secrets: Mapping[str, pulumi.Input[str]]
    namespace: pulumi.Input[str]


class Alertmanager(pulumi.ComponentResource):
    """An Alertmanager of the operator.

    Secrets are files of a Secret of their own, which the configuration names. Both are immutable and named by Pulumi,
    so a changed value reaches the pods as a new file at a new place.
    """

    def __init__(self, name: str, args: AlertmanagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:monitoring:Alertmanager", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        secrets = receivers_secret(name, args.alerts, args.secrets, args.namespace, child)
        folder = pulumi.Output.concat(planned.ALERTMANAGER_SECRETS, "/", *secrets)
        configuration = Secret(
            f"{name}-config",
            metadata={"namespace": args.namespace, "labels": planned.labels(planned.ALERTMANAGER)},
            string_data={
                # JSON is YAML.
                "alertmanager.yaml": folder.apply(
                    lambda path: json.dumps(alert_routes.configuration(args.alerts, path), indent=2)
                )
            },
            immutable=True,
            opts=child,
        )
        CustomResource(
            f"{name}-server",
            api_version="monitoring.coreos.com/v1",
            kind="Alertmanager",
            metadata={
                "name": planned.ALERTMANAGER,
                "namespace": args.namespace,
                "labels": stack_labels() | args.config.object_labels,
            },
            spec=planned.alertmanager_spec(
                args.config, configuration.metadata.apply(lambda metadata: metadata.name or ""), secrets
            ),
            opts=child,
        )
        self.register_outputs({})


def receivers_secret(
    name: str,
    alerts: AlertsConfig | None,
    values: Mapping[str, pulumi.Input[str]],
    namespace: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Output[str]]:
    """The Secret with what receivers need, by its name; none where they need nothing."""
    keys = alert_routes.secret_keys(alerts)
    if not keys:
        return []
    secret = Secret(
        f"{name}-receivers",
        metadata={"namespace": namespace, "labels": planned.labels(planned.ALERTMANAGER)},
        string_data={key: values[key] for key in keys},
        immutable=True,
        opts=opts,
    )
    return [secret.metadata.apply(lambda metadata: metadata.name or "")]

"""The values of the chart kube-prometheus-stack, so that it watches the models of one stack.

Field names are those of the chart's version 77 (https://github.com/prometheus-community/helm-charts).
"""

from typing import TYPE_CHECKING, Any

from components.planning import alert_routes
from components.planning.charts import ChartSource, PinnedChart
from components.planning.monitoring_stack import NAMESPACE_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from components.config import AlertsConfig, MonitoringConfig

CHART = PinnedChart(
    name="kube-prometheus-stack", repository="https://prometheus-community.github.io/helm-charts", version="77.0.0"
)
# Parts of the control plane, which clouds do not let anybody look into.
_OF_CONTROL_PLANE = ("kubeControllerManager", "kubeEtcd", "kubeScheduler", "kubeProxy", "coreDns")


def source(config: "MonitoringConfig") -> ChartSource:
    """Where the chart comes from."""
    chart = config.chart
    return CHART.source(("monitoring", "chart"), chart.version, chart.repository, chart.digest)


def values(
    config: "MonitoringConfig",
    alerts: "AlertsConfig | None",
    stack: str,
    models: str,
    secrets: "Sequence[pulumi.Input[str]]",
    folder: "pulumi.Output[str]",
) -> dict[str, Any]:
    """The chart's values.

    Args:
        models: the models' namespace, whose monitors, rules and dashboards are taken, beside the chart's own. Where
            several stacks share it, those of any namespace are, of monitors and rules only with its label.
        secrets: the Secrets with what receivers need, which Alertmanager finds in `folder`.
    """
    within = {
        "matchExpressions": [{"key": NAMESPACE_LABEL, "operator": "In", "values": sorted({config.namespace, models})}]
    }
    # The chart's own objects carry its release's label and not the stack file's, so selection is by namespace. Its own
    # are ServiceMonitors alone, and those of stacks PodMonitors and rules.
    taken: dict[str, Any] = {
        f"{kind}{suffix}": value
        for kind in ("podMonitor", "serviceMonitor", "rule")
        for suffix, value in (("SelectorNilUsesHelmValues", False), ("NamespaceSelector", within))
    }
    if config.shared:
        labelled = {"matchLabels": config.object_labels}
        taken |= {f"{kind}Selector": labelled for kind in ("podMonitor", "rule")}
        taken |= {f"{kind}NamespaceSelector": {} for kind in ("podMonitor", "rule")}
    return {
        # Its certificates are made by hooks, which are Helm's own and not Pulumi's.
        "prometheusOperator": {"admissionWebhooks": {"enabled": False}, "tls": {"enabled": False}},
        "prometheus": {
            "prometheusSpec": {
                **taken,
                "scrapeInterval": config.scrape_interval,
                "evaluationInterval": config.scrape_interval,
                "externalLabels": {"stack": stack},
                # The chart's own would forget what a budget was spent on.
                "retention": config.install.retention,
            }
        },
        "alertmanager": {
            "alertmanagerSpec": {"secrets": list(secrets)},
            "config": folder.apply(lambda path: alert_routes.configuration(alerts, path)),
        },
        "grafana": {
            # As `install` does: who reaches it may look, and the password that everybody knows lets nobody in.
            "grafana.ini": {
                "auth.anonymous": {"enabled": True, "org_role": "Viewer"},
                "auth.basic": {"enabled": False},
                "auth": {"disable_login_form": True},
            },
            "sidecar": {
                "dashboards": {
                    "enabled": True,
                    "label": "grafana_dashboard",
                    "labelValue": "1",
                    "searchNamespace": "ALL" if config.shared else models,
                }
            },
        },
        # Alerts on the cluster itself are for those who run it.
        "defaultRules": {"create": False},
        **{part: {"enabled": False} for part in _OF_CONTROL_PLANE},
    }

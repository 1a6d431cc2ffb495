"""The dashboard of all models of a stack."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from components.planning import signals
from components.planning.dashboards.panels import RATE, Query, add_row, chart, new_dashboard
from components.planning.server_metrics import metrics_of

if TYPE_CHECKING:
    from components.config import StackConfig


def fleet_dashboard(config: "StackConfig") -> Dashboard:
    """One line for each model of the stack, on every chart."""
    namespace = config.namespace
    target = signals.of_namespace(namespace)
    board = new_dashboard(f"Models ({namespace})", f"{namespace}//models", f"All models in namespace {namespace}.")
    kinds = {id(metrics): metrics for model in config.models.values() if (metrics := metrics_of(model.runtime))}
    asked = [signals.Signals(metrics=metrics, target=target, by=("job",)) for metrics in kinds.values()]
    if asked:
        add_row(
            board,
            "Requests",
            [
                chart("Requests", units.RequestsPerSecond, *_each(one.requests(RATE) for one in asked), stacked=True),
                chart("Failures", units.PercentUnit, *_each(one.error_ratio(RATE) for one in asked)),
                chart(
                    "99 % are answered within",
                    units.Seconds,
                    *_each(one.latency(0.99, RATE) or one.mean_latency(RATE) for one in asked),
                ),
            ],
        )
    if any(model.slo for model in config.models.values()):
        left = f"model:slo_budget_remaining:ratio{{{target}}}"
        add_row(
            board,
            "Objectives",
            [chart("Budget left", units.PercentUnit, Query(left, "{{model}} {{slo}}"), least=None, most=1)],
        )
    deployment, pod = "{{deployment}}", "{{pod}}"
    restarts = f"sum by (pod) (increase(kube_pod_container_status_restarts_total{{{target}}}[2m]))"
    missing = f"sum by (deployment) (kube_deployment_status_replicas_unavailable{{{target}}})"
    available = f"sum by (deployment) (kube_deployment_status_replicas_available{{{target}}})"
    add_row(
        board,
        "Pods",
        [
            chart("Available pods", units.Short, Query(available, deployment), stacked=True),
            chart("Missing pods", units.Short, Query(missing, deployment), stacked=True),
            chart("Restarts", units.Short, Query(restarts, pod), bars=True),
        ],
    )
    return board


def _each(expressions: Iterable[str | None]) -> list[Query]:
    return [Query(expression, "{{job}}") for expression in expressions if expression]

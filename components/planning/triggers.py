"""By what a model's replicas are scaled: its targets, the metrics that they are of, and who reads those.

Each pod's metrics are recorded by Prometheus' rules under the same names for every server. So what an autoscaler asks
is always the same, and prometheus-adapter needs one configuration for all models of a cluster.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.planning.server_metrics import ServerMetrics, metrics_of

if TYPE_CHECKING:
    import pulumi
    from pulumi_kubernetes.autoscaling.v2 import MetricSpecArgsDict

    from components.config import ModelConfig

# Recorded for each pod: requests that it answers at once, and seconds for which one waits in it, on average.
IN_FLIGHT, QUEUE = "model:pod_requests_in_flight", "model:pod_queue_seconds"
# As the custom metrics API has them. An adapter counts in thousandths, too coarse for seconds in a queue.
_API_NAMES = {IN_FLIGHT: ("model_pod_requests_in_flight", 1), QUEUE: ("model_pod_queue_milliseconds", 1000)}
# Of the CPU that a pod requests, in per cent, where nothing else is asked for.
_CPU = 70
# How much of the time that an objective allows may go by in the queue.
_QUEUE_SHARE = 0.1
_LEAST_RATE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a pod should have on average: of a recorded metric, or of the CPU in per cent (`metric` is None)."""

    metric: str | None
    value: float


def targets(config: "ModelConfig", *, watched: bool) -> list[Target]:
    """What a model is scaled by; `watched` is whether a Prometheus records its metrics.

    Where the stack file names no target, the promised latency does: a tenth of it may be spent waiting. The CPU counts
    beside it, since a model that answers within microseconds has its queue where no server sees it, in the sockets.
    """
    replicas = config.replicas
    found: list[Target] = []
    if replicas.target_in_flight is not None:
        found.append(Target(metric=IN_FLIGHT, value=replicas.target_in_flight))
    if replicas.queue_seconds is not None:
        found.append(Target(metric=QUEUE, value=replicas.queue_seconds))
    if replicas.target_cpu_utilization is not None:
        found.append(Target(metric=None, value=replicas.target_cpu_utilization))
    if found:
        return found
    promised = config.slo.latency_seconds if config.slo is not None else None
    metrics = metrics_of(config.runtime)
    if watched and promised is not None and metrics is not None and metrics.queue is not None:
        found.append(Target(metric=QUEUE, value=promised * _QUEUE_SHARE))
    return [*found, Target(metric=None, value=_CPU)]


def measures(metrics: ServerMetrics | None, metric: str) -> bool:
    """Whether a server has what a recorded metric is made of."""
    if metrics is None:
        return False
    return metrics.queue is not None if metric == QUEUE else bool(metrics.time or metrics.in_flight)


def pod_metric(metrics: ServerMetrics, metric: str, target: str, interval_seconds: int) -> str:
    """The expression of a recorded metric, by namespace and pod; 0 for a pod that answers and had no requests.

    Args:
        target: label matchers of the model's pods.
        interval_seconds: between two scrapes.
    """
    window = f"[{max(_LEAST_RATE_SECONDS, 3 * interval_seconds)}s]"

    def rate(counter: str) -> str:
        return f"sum by (namespace, pod) (rate({counter}{{{target}}}{window}))"

    none = f"0 * sum by (namespace, pod) (up{{{target}}} == 1)"
    if metric == QUEUE and metrics.queue is not None:
        waited, counted = metrics.queue
        return f"{_scaled(rate(waited), metrics.queue_unit)} / ({rate(counted)} > 0) or {none}"
    if metrics.in_flight:
        return f'sum by (namespace, pod) ({{__name__=~"{"|".join(metrics.in_flight)}",{target}}}) or {none}'
    # Little's law: the time that requests took, by the time in which they took it, is how many there were at once.
    return f"{_scaled(rate(metrics.time or ''), metrics.duration_unit)} or {none}"


def hpa_metrics(found: list[Target]) -> "list[pulumi.Input[MetricSpecArgsDict]]":
    """Targets as a HorizontalPodAutoscaler has them."""
    return [_hpa_metric(target) for target in found]


def _hpa_metric(target: Target) -> "MetricSpecArgsDict":
    if target.metric is None:
        utilization = round(target.value)
        return {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "average_utilization": utilization}},
        }
    name, scale = _API_NAMES[target.metric]
    amount = _quantity(target.value * scale)
    return {
        "type": "Pods",
        "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "average_value": amount}},
    }


def adapter_config() -> dict[str, Any]:
    """The configuration of prometheus-adapter, with which it answers for all models of a cluster."""
    return {
        "rules": [
            {
                "seriesQuery": f'{metric}{{namespace!="",pod!=""}}',
                "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
                "name": {"matches": f"^{metric}$", "as": name},
                "metricsQuery": _scaled("max by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})", scale),
            }
            for metric, (name, scale) in _API_NAMES.items()
        ]
    }


def scaled_object(
    config: "ModelConfig",
    deployment: "pulumi.Input[str]",
    found: list[Target],
    namespace: str,
    model: str,
    prometheus: str,
) -> dict[str, Any]:
    """The spec of a ScaledObject of KEDA, 2.17 or later. Keys are as in its definition, and its values are text.

    Args:
        prometheus: the address of the one that records the model's metrics, unless the stack file names another.
    """
    replicas, keda = config.replicas, config.replicas.keda
    if keda is None:
        raise ValueError("the configuration is checked: KEDA is asked for")
    matchers = f'namespace="{namespace}",model="{model}"'
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
        # Without it, KEDA scales to zero.
        "minReplicaCount": replicas.min,
        "maxReplicaCount": replicas.max,
        "pollingInterval": 15,
        "cooldownPeriod": 300,
        # While Prometheus does not answer, nobody is sent away.
        "fallback": {
            "failureThreshold": 3,
            "replicas": max(replicas.min, 1),
            "behavior": "currentReplicasIfHigher",
        },
        "advanced": {
            "horizontalPodAutoscalerConfig": {"behavior": replicas.behavior.model_dump(mode="json", by_alias=True)}
        },
        "triggers": list(_triggers(config, keda.prometheus or prometheus, found, matchers)),
    }


def _triggers(config: "ModelConfig", prometheus: str, found: list[Target], matchers: str) -> Iterator[dict[str, Any]]:
    for target in found:
        if target.metric is None:
            yield {"type": "cpu", "metricType": "Utilization", "metadata": {"value": f"{target.value:g}"}}
            continue
        query = f"sum({target.metric}{{{matchers}}})"
        # Where there may be no pod, no sample of one is no failure.
        yield _query(prometheus, query if config.replicas.min else f"{query} or vector(0)", target.value)
    wake = config.replicas.keda.wake if config.replicas.keda is not None else None
    if wake is not None:
        yield _query(prometheus, wake.query, wake.threshold)


def _query(prometheus: str, query: str, threshold: float) -> dict[str, Any]:
    """A trigger by a sum over all pods, which is divided by the threshold. An answer without a value is an error."""
    metadata = {"serverAddress": prometheus, "query": query, "threshold": f"{threshold:g}", "ignoreNullValues": "false"}
    return {"type": "prometheus", "metricType": "AverageValue", "metadata": metadata}


def _scaled(expression: str, unit: float) -> str:
    return expression if unit == 1 else f"{unit:g} * {expression}"


def _quantity(value: float) -> str:
    """A number as Kubernetes writes it: whole, or in thousandths."""
    return f"{value:g}" if float(value).is_integer() else f"{max(1, round(value * 1000))}m"

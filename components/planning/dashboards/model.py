"""The dashboard of one model: its requests against what was promised, its server from inside, its pods."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from components.planning import signals
from components.planning.dashboards.gpu import XID_ERRORS
from components.planning.dashboards.panels import (
    RATE,
    Limit,
    Panel,
    Query,
    add_rollouts,
    add_row,
    chart,
    new_dashboard,
    number,
)
from components.planning.pod_signals import PodSignals
from components.planning.quantities import quantity_value
from components.planning.runtimes import runtime_of
from components.planning.server_metrics import metrics_of

if TYPE_CHECKING:
    from components.config import ModelConfig, SloConfig, StackConfig

_QUANTILES = (0.5, 0.95, 0.99)


def model_dashboard(title: str, config: "StackConfig") -> Dashboard:
    """The dashboard of the model of this name in the stack file. Its series, and its address, keep the first name."""
    namespace, model = config.namespace, config.models[title]
    name = model.served_name(title)
    about = f"Model {title} in namespace {namespace}, runtime {model.runtime}."
    if title != name:
        about += f" In requests and in the cluster it is {name}."
    board = new_dashboard(f"{title} ({namespace})", f"{namespace}/{name}", about)
    metrics = metrics_of(model.runtime)
    asked = signals.Signals(metrics=metrics, target=signals.of_model(namespace, name)) if metrics else None
    pods = PodSignals(namespace=namespace, model=name, own=asked is not None and asked.own)
    add_rollouts(board, pods.rollouts())
    if asked is not None:
        server = _Server(model, asked)
        add_row(board, "Now", server.now())
        add_row(board, "Requests", server.requests())
        add_row(board, "Objectives", _objectives(f'namespace="{namespace}",model="{name}"', model.slo))
        add_row(board, "Inside the server", server.inside())
    add_row(board, "Pods", _pods(name, model, pods))
    if model.gpus:
        add_row(board, "GPUs", _gpus(pods))
    return board


class _Server:
    """What the model's server says of itself."""

    def __init__(self, model: "ModelConfig", asked: signals.Signals) -> None:
        self._model, self._asked = model, asked
        slo = model.slo
        self._failures = Limit(round(1 - slo.availability / 100, 6)) if slo and slo.availability else None
        self._latency = Limit(slo.latency_seconds) if slo and slo.latency_seconds else None

    def now(self) -> list[Panel]:
        asked = self._asked
        panels: list[Panel] = [
            number("Requests per second", units.RequestsPerSecond, asked.requests(RATE)),
            number("Failed requests", units.PercentUnit, asked.error_ratio(RATE), limit=self._failures),
        ]
        if latency := asked.latency(0.99, RATE):
            panels.append(number("99 % are answered within", units.Seconds, latency, limit=self._latency))
        if ready := asked.ready():
            panels.append(number("Ready pods", units.Short, ready, limit=Limit(self._model.replicas.min, least=True)))
        return panels

    def requests(self) -> list[Panel]:
        asked = self._asked
        rate = Query(asked.requests(RATE), "all")
        if asked.own:
            by_code = signals.Signals(metrics=asked.metrics, target=asked.target, by=("protocol", "code"))
            # Of protocols and statuses that nobody sees, nothing is shown.
            rate = Query(f"{by_code.requests(RATE)} > 0", "{{protocol}} {{code}}")
        latencies = self._quantiles(asked.latency) or self._mean(asked.mean_latency)
        panels: list[Panel] = [
            chart("Requests", units.RequestsPerSecond, rate, stacked=True),
            chart("Failures", units.PercentUnit, Query(asked.error_ratio(RATE), "failed"), limit=self._failures),
        ]
        return panels + ([chart("Latency", units.Seconds, *latencies, limit=self._latency)] if latencies else [])

    def inside(self) -> list[Panel]:
        asked = self._asked
        waits = self._quantiles(asked.queue) or self._mean(asked.mean_queue)
        held = [Query(expr, what) for what, expr in asked.in_server().items()]
        panels: list[Panel] = []
        if waits:
            panels.append(chart("Time in the queue", units.Seconds, *waits))
        if held:
            panels.append(chart("Requests in the server", units.Short, *held))
        if rows := asked.batch_size(RATE):
            panels.append(chart("Batch size", units.Short, Query(rows, "mean rows of a batch")))
        if compute := self._quantiles(asked.inference):
            panels.append(chart("Time in the model", units.Seconds, *compute))
        return panels

    def _quantiles(self, expression: Callable[[float, str], str | None]) -> list[Query]:
        return [Query(found, f"{q * 100:g} %") for q in _QUANTILES if (found := expression(q, RATE))]

    def _mean(self, expression: Callable[[str], str | None]) -> list[Query]:
        return [Query(found, "mean")] if (found := expression(RATE)) else []


def _objectives(target: str, slo: "SloConfig | None") -> list[Panel]:
    """What is left of the budgets, and how fast they go, from what the rules of slo.py record."""
    if slo is None:
        return []
    left = f"model:slo_budget_remaining:ratio{{{target}}}"
    ratios = []
    if slo.availability is not None:
        ratios.append(("availability", "model:request_errors", 1 - slo.availability / 100))
    if slo.latency_p99 is not None:
        ratios.append(("latency", "model:slow_requests", 0.01))
    speeds = [
        Query(f"{recorded}:ratio_rate{window}{{{target}}} / {budget:.6g}", f"{name}, last {window}")
        for name, recorded, budget in ratios
        for window in ("1h", "6h")
    ]
    about = "1 uses up the budget just at the end of its window."
    return [
        chart(f"Budget left of {slo.window}", units.PercentUnit, Query(left, "{{slo}}"), least=None, most=1),
        chart("Speed at which budgets are used", units.Short, *speeds, limit=Limit(1), description=about),
    ]


def _pods(name: str, model: "ModelConfig", pods: PodSignals) -> list[Panel]:
    """Saturation, replicas, restarts and versions."""
    limits = model.resources.filled(runtime_of(name, model).memory).limits
    cpu, memory = (Limit(float(quantity_value(each))) if each else None for each in (limits.cpu, limits.memory))
    panels: list[Panel] = [
        chart("Cores in use", units.Short, Query(pods.cpu(RATE), "{{pod}}"), limit=cpu),
        chart("Memory", units.BytesIEC, Query(pods.memory(), "{{pod}}"), limit=memory),
        chart("Replicas", units.Short, *(Query(expr, what) for what, expr in pods.replicas().items())),
        chart("Restarts", units.Short, Query(pods.restarts(), "{{pod}}"), bars=True),
        chart("Pods by digest", units.Short, Query(pods.digests(), "{{digest}}"), stacked=True),
    ]
    if cpu is not None:
        throttled = Query(pods.throttled(), "{{pod}}")
        panels.insert(1, chart("Throttled by the CPU limit", units.PercentUnit, throttled, most=1))
    return panels


def _gpus(pods: PodSignals) -> list[Panel]:
    legend = "{{pod}} {{gpu}}"
    return [
        chart("GPU utilisation", units.Percent, Query(pods.gpus("DCGM_FI_DEV_GPU_UTIL"), legend), most=100),
        chart("GPU memory", units.Mebibytes, Query(pods.gpus("DCGM_FI_DEV_FB_USED"), legend)),
        chart("GPU power", units.Watt, Query(pods.gpus("DCGM_FI_DEV_POWER_USAGE"), legend)),
        chart("XID error", units.Short, Query(pods.gpus("DCGM_FI_DEV_XID_ERRORS"), legend), description=XID_ERRORS),
    ]

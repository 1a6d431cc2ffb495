"""What the page shows of each model, read from Prometheus."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from components.planning.pod_signals import PodSignals
from components.planning.server_metrics import metrics_of
from components.planning.signals import Signals, of_model
from toolchain.report.source import Line, Source
from toolchain.stack import Stack

HOUR = 3600.0
_POINTS = 120
# How far back a digest is looked for that was there before the current one, and how closely.
_BEFORE, _BEFORE_STEP = 7 * 24 * HOUR, 900.0


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over the last hour, by what each is called, and a value that they should stay below."""

    title: str
    unit: str
    lines: dict[str, Line]
    limit: float | None = None


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """One model. What is None or missing, Prometheus does not know."""

    name: str
    runtime: str
    charts: Sequence[Chart] = ()
    requests: float | None = None
    failed: float | None = None
    latency: float | None = None
    ready: float | None = None
    wanted: float | None = None
    allowed_failures: float | None = None
    allowed_latency: float | None = None
    budgets: dict[str, float] = field(default_factory=dict[str, float])
    digests: tuple[str, ...] = ()
    """What pods serve now, the most pods first."""
    previous: str | None = None
    changed: float | None = None
    """When the first pod with the current digest came, if another was there before."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A stack's models at the end of an hour."""

    stack: str
    namespace: str
    start: float
    end: float
    models: Sequence[ModelFacts]


def facts(stack: Stack, ask: Source, now: float | None = None) -> Facts:
    """Ask for everything. Raises ToolchainError when Prometheus does not answer."""
    end = now or time.time()
    interval = str(stack.monitoring.get("scrapeInterval", "30s"))
    # Rates want a few samples.
    window = f"{max(60, 4 * int(interval.removesuffix('s')))}s"
    asker = _Asker(stack.namespace, ask, end, window)
    models = [asker.model(name, stack.served_name(name), own) for name, own in stack.models.items()]
    return Facts(stack=stack.name, namespace=stack.namespace, start=end - HOUR, end=end, models=models)


class _Asker:
    def __init__(self, namespace: str, ask: Source, end: float, window: str) -> None:
        self._namespace, self._ask, self._end, self._window = namespace, ask, end, window

    def model(self, title: str, name: str, config: dict) -> ModelFacts:
        """Everything about the model that is called `name` in the cluster."""
        runtime = str(config.get("runtime", "onnx"))
        metrics = metrics_of(runtime)
        server = Signals(metrics=metrics, target=of_model(self._namespace, name)) if metrics else None
        pods = PodSignals(namespace=self._namespace, model=name, own=server is not None and server.own)
        slo = config.get("slo")
        promised = slo if isinstance(slo, dict) else {}
        found = ModelFacts(
            name=title,
            runtime=runtime,
            allowed_failures=_share(promised.get("availability")),
            allowed_latency=_seconds(promised.get("latencyP99")),
        )
        if server is not None:
            found = self._requests(found, server, f'namespace="{self._namespace}",model="{name}"')
        return self._digests(self._pods(found, pods, gpus="gpus" in config), pods)

    def _requests(self, found: ModelFacts, server: Signals, recorded: str) -> ModelFacts:
        rate = self._hour({"requests": server.requests(self._window)})
        failed = self._hour({"failed": server.error_ratio(self._window)})
        quantiles = {f"{q * 100:g} %": server.latency(q, self._window) for q in (0.5, 0.95, 0.99)}
        asked = {what: each for what, each in quantiles.items() if each} or {"mean": server.mean_latency(self._window)}
        latency = self._hour({what: each for what, each in asked.items() if each})
        ready = self._hour({"ready": server.ready()})
        left = self._lines(f"model:slo_budget_remaining:ratio{{{recorded}}}")
        charts = (
            Chart(title="Requests per second", unit="", lines=rate),
            Chart(title="Failed requests", unit="%", lines=failed, limit=found.allowed_failures),
            Chart(title="Latency", unit="s", lines=latency, limit=found.allowed_latency),
        )
        return replace(
            found,
            charts=(*found.charts, *charts),
            requests=self._now(rate.get("requests")),
            failed=self._now(failed.get("failed")),
            latency=self._now(latency.get("99 %") or latency.get("mean")),
            ready=self._now(ready.get("ready")),
            budgets={line.labels.get("slo", ""): line.last for line in left if self._now(line) is not None},
        )

    def _pods(self, found: ModelFacts, pods: PodSignals, *, gpus: bool) -> ModelFacts:
        replicas = self._hour(pods.replicas())
        charts = [
            Chart(title="Replicas", unit="", lines=replicas or self._by_pod("count", pods.memory())),
            Chart(title="Cores in use", unit="", lines=self._by_pod("pod", pods.cpu(self._window))),
            Chart(title="Memory", unit="B", lines=self._by_pod("pod", pods.memory())),
        ]
        if gpus:
            busy = self._by_pod("pod", f"{pods.gpus('DCGM_FI_DEV_GPU_UTIL')} / 100")
            charts.append(Chart(title="GPU utilisation", unit="%", lines=busy))
        available = self._now(replicas.get("available"))
        return replace(
            found,
            charts=(*found.charts, *charts),
            ready=found.ready if found.ready is not None else available,
            wanted=self._now(replicas.get("wanted")),
        )

    def _digests(self, found: ModelFacts, pods: PodSignals) -> ModelFacts:
        lines = self._lines(pods.digests())
        current = sorted((line for line in lines if self._now(line) is not None), key=lambda line: -line.last)
        names = tuple(line.labels.get("digest", "?") for line in current)
        start = self._end - _BEFORE
        older = self._ask(pods.digests(), start=start, end=self._end, step=_BEFORE_STEP)
        gone = [line for line in [*lines, *older] if line.labels.get("digest") not in names]
        newest = max(gone, key=lambda line: line.points[-1][0], default=None)
        came = [line.points[0][0] for line in [*lines, *older] if names and line.labels.get("digest") == names[0]]
        return replace(
            found,
            digests=names,
            previous=newest.labels.get("digest") if newest else None,
            changed=min(came) if newest and came else None,
        )

    def _by_pod(self, label: str, expression: str) -> dict[str, Line]:
        if label == "count":
            return self._hour({"running": f"count({expression})"})
        return {line.labels.get(label, ""): line for line in self._lines(expression)}

    def _hour(self, expressions: "dict[str, str] | dict[str, str | None]") -> dict[str, Line]:
        """The line of each expression that has one value at a time, of those that have any."""
        found = {what: self._lines(each) for what, each in expressions.items() if each}
        return {what: lines[0] for what, lines in found.items() if lines}

    def _lines(self, expression: str) -> list[Line]:
        return self._ask(expression, start=self._end - HOUR, end=self._end, step=HOUR / _POINTS)

    def _now(self, line: Line | None) -> float | None:
        """The last value, unless it is of a time before the last few points."""
        fresh = line is not None and line.points[-1][0] >= self._end - 5 * HOUR / _POINTS
        return line.last if line is not None and fresh else None


def _share(availability: object) -> float | None:
    """The share of requests that may fail."""
    try:
        return round(1 - float(str(availability)) / 100, 9) if availability is not None else None
    except ValueError:
        return None


def _seconds(latency: object) -> float | None:
    text = str(latency or "")
    try:
        return float(text.removesuffix("ms")) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))
    except ValueError:
        return None

"""From what a model promises to Prometheus' rules: recorded rates, budgets, and alerts on the speed of their use.

A budget is the share of requests that may miss the objective. An alert looks at two windows: the long one says that
much of the budget went, the short one that it still goes. Shares and windows are those of the SRE workbook
(https://sre.google/workbook/alerting-on-slos/), whose burn rates are for 30 days and are scaled to other windows here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.planning.server_metrics import ServerMetrics, metrics_of
from components.planning.triggers import pod_metric, targets

if TYPE_CHECKING:
    from components.config import ModelConfig, MonitoringConfig, SloConfig

Rule = dict[str, Any]
Group = dict[str, Any]

# Where an alert's runbook is, if the stack file does not say where it is published.
RUNBOOKS = "docs/monitoring.md"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One model as its metrics know it.

    Attributes:
        namespace: of its pods.
        model: its name, which is the job of its targets.
        stack: goes with every alert, to whom it may concern.
        runbooks: URL of the page with the runbooks.
        interval_seconds: between two scrapes.
    """

    namespace: str
    model: str
    stack: str
    runbooks: str = RUNBOOKS
    interval_seconds: int = 30

    def target(self, selector: str) -> str:
        """A selector of the server's metrics, kept to this model's pods."""
        return _with_matchers(selector, f'namespace="{self.namespace}",job="{self.model}"')

    def recorded(self, name: str) -> str:
        """A selector of what the rules of this model record."""
        return _with_matchers(name, f'namespace="{self.namespace}",model="{self.model}"')


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A speed of use worth an alert: `share` of the budget within `hours`."""

    long: str
    hours: int
    short: str
    share: float
    hold: str
    severity: str

    def burn(self, days: int) -> float:
        """How many times faster than evenly over the window; never below 1, which uses it up just so."""
        return max(1.0, self.share * days * 24 / self.hours)


TIERS = (
    Tier(long="1h", hours=1, short="5m", share=0.02, hold="2m", severity="critical"),
    Tier(long="6h", hours=6, short="30m", share=0.05, hold="15m", severity="critical"),
    Tier(long="1d", hours=24, short="2h", share=0.1, hold="1h", severity="warning"),
    Tier(long="3d", hours=72, short="6h", share=0.1, hold="3h", severity="warning"),
)
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, kw_only=True)
class _Objective:
    """One promise: how many requests may be bad, and what is recorded of them."""

    name: str
    alert: str
    budget: float
    bad: str
    all: str
    ratio: str
    """What the recorded shares of bad requests are called, without their window."""
    promise: str
    verb: str


def rule_groups(watched: Watched, config: "ModelConfig") -> list[Group]:
    """The rule groups of one model, as a PrometheusRule and Prometheus' own files have them."""
    metrics, slo = metrics_of(config.runtime), config.slo
    groups = {
        # In one group, whose rules are computed in turn: each sees what the one before has just recorded.
        "requests": [*_rates(watched, metrics, slo)] if metrics is not None else [],
        "scaling": [*_scaling(watched, config, metrics)] if metrics is not None and config.replicas.scaled else [],
        "health": [*_health(watched, config, metrics)],
        "budget": [],
    }
    if slo is not None:
        for objective in _objectives(slo):
            groups["requests"] += [*_shares(watched, objective), *_burn_alerts(watched, objective, slo.window_days)]
            groups["budget"] += _budgets(watched, objective, slo)
    # A month of samples is read for a budget, which changes slowly; an autoscaler waits for what it is told.
    interval = {"budget": {"interval": "1m"}, "scaling": {"interval": f"{watched.interval_seconds}s"}}
    return [
        {"name": f"{watched.namespace}-{watched.model}-{name}", **interval.get(name, {}), "rules": rules}
        for name, rules in groups.items()
        if rules
    ]


def rules_of(
    stack: str, namespace: str, model: str, config: "ModelConfig", monitoring: "MonitoringConfig"
) -> list[Group]:
    """The rule groups of one model of a stack."""
    runbooks = monitoring.runbook_url or RUNBOOKS
    watched = Watched(
        namespace=namespace, model=model, stack=stack, runbooks=runbooks, interval_seconds=monitoring.scrape_seconds
    )
    return rule_groups(watched, config)


def _scaling(watched: Watched, config: "ModelConfig", metrics: ServerMetrics) -> Iterator[Rule]:
    """What the autoscaler asks for, pod by pod."""
    matchers = watched.target("").strip("{}")
    for target in targets(config, watched=True):
        if target.metric is not None:
            expression = pod_metric(metrics, target.metric, matchers, watched.interval_seconds)
            yield _record(watched, target.metric, expression)


def _objectives(slo: "SloConfig") -> Iterator[_Objective]:
    if slo.availability is not None:
        yield _Objective(
            name="availability",
            alert="ModelErrorBudgetBurn",
            # Decimal digits of the stack file, not what is left of them after a subtraction of floats.
            budget=round(1 - slo.availability / 100, 9),
            bad="model:request_errors:rate5m",
            all="model:requests:rate5m",
            ratio="model:request_errors:ratio_rate",
            promise=f"{slo.availability:g} % without a server's error",
            verb="failed",
        )
    if slo.latency_p99 is not None:
        yield _Objective(
            name="latency",
            alert="ModelLatencyBudgetBurn",
            budget=0.01,
            bad="model:slow_requests:rate5m",
            all="model:timed_requests:rate5m",
            ratio="model:slow_requests:ratio_rate",
            promise=f"99 % within {slo.latency_p99}",
            verb=f"took longer than {slo.latency_p99}",
        )


def _rates(watched: Watched, metrics: ServerMetrics, slo: "SloConfig | None") -> Iterator[Rule]:
    """What everything else is made of: one series each, however many pods come and go."""
    yield _record(watched, "model:requests:rate5m", _rate(watched, metrics.requests))
    yield _record(watched, "model:request_errors:rate5m", _rate(watched, metrics.errors))
    if metrics.duration is None:
        return
    buckets = watched.target(f"{metrics.duration}_bucket{{{metrics.duration_labels}}}")
    quantile = f"histogram_quantile(0.99, sum by (namespace, le) (rate({buckets}[5m])))"
    scaled = quantile if metrics.duration_unit == 1 else f"{metrics.duration_unit:g} * {quantile}"
    # Without requests a quantile is not a number, and then it is not recorded.
    yield _record(watched, "model:request_duration_seconds:p99_rate5m", f"{scaled} >= 0")
    if slo is None or slo.latency_seconds is None:
        return
    bound = metrics.bound(slo.latency_seconds)
    if bound is None:
        raise ValueError("the configuration is checked: the histogram has such a bound")
    labels = ",".join(filter(None, (metrics.duration_labels, _le(bound))))
    timed = _rate(watched, (f"{metrics.duration}_count{{{metrics.duration_labels}}}",))
    within = _rate(watched, (f"{metrics.duration}_bucket{{{labels}}}",))
    yield _record(watched, "model:timed_requests:rate5m", timed)
    yield _record(watched, "model:slow_requests:rate5m", f"clamp_min(({timed}) - ({within}), 0)")


def _shares(watched: Watched, objective: _Objective) -> Iterator[Rule]:
    """The share of bad requests in each window; 0 where there were no requests, which breaks no promise."""
    for window in _WINDOWS:
        yield _record(watched, f"{objective.ratio}{window}", _share(watched, objective, window))


def _share(watched: Watched, objective: _Objective, window: str) -> str:
    bad, all_ = watched.recorded(objective.bad), watched.recorded(objective.all)
    if window != "5m":
        # Sums of recorded rates, which weigh an hour of much traffic as much as it counts.
        bad, all_ = f"sum_over_time({bad}[{window}])", f"sum_over_time({all_}[{window}])"
    return f"{bad} / ({all_} > 0) or 0 * {all_}"


def _burn_alerts(watched: Watched, objective: _Objective, days: int) -> Iterator[Rule]:
    for tier in TIERS:
        burn = tier.burn(days)
        threshold = f"{burn * objective.budget:.6g}"
        long, short = (watched.recorded(f"{objective.ratio}{window}") for window in (tier.long, tier.short))
        yield _alert(
            watched,
            objective.alert,
            f"{long} > {threshold} and {short} > {threshold}",
            hold=tier.hold,
            severity=tier.severity,
            labels={"slo": objective.name, "long_window": tier.long, "short_window": tier.short},
            summary=f"{watched.model} uses up its {objective.name} budget {burn:.3g} times as fast as it may",
            description=f"{{{{ $value | humanizePercentage }}}} of the requests of the last {tier.long} "
            f"{objective.verb}; promised are {objective.promise} over {days} days. At this speed the budget lasts "
            f"{days / burn:.2g} days in all.",
        )


def _budgets(watched: Watched, objective: _Objective, slo: "SloConfig") -> Iterator[Rule]:
    """What dashboards draw: the promise, and how much of its budget is left (1: all, below 0: overdrawn)."""
    labels = {"slo": objective.name}
    share = _share(watched, objective, slo.window)
    promised = f"vector({1 - objective.budget:.6g})"
    yield _record(watched, "model:slo_objective:ratio", promised, {**labels, "namespace": watched.namespace})
    yield _record(watched, "model:slo_budget_remaining:ratio", f"1 - ({share}) / {objective.budget:.6g}", labels)
    if objective.name == "latency":
        bound = f"vector({slo.latency_seconds:g})"
        yield _record(watched, "model:slo_latency_threshold:seconds", bound, {"namespace": watched.namespace})


def _health(watched: Watched, config: "ModelConfig", metrics: ServerMetrics | None) -> Iterator[Rule]:
    up = watched.target("up{}")
    # A pod may take as long as this to become ready.
    hold = f"{max(300, config.startup_timeout_seconds)}s"
    yield _alert(
        watched,
        "ModelTargetDown",
        f"{up} == 0",
        hold=hold,
        severity="warning",
        summary=f"A pod of {watched.model} does not answer Prometheus",
        description="Pod {{ $labels.pod }} has not answered for its metrics: it does not run, hangs, or a network "
        "policy keeps Prometheus out.",
    )
    if config.replicas.min > 0:
        yield _alert(
            watched,
            "ModelAbsent",
            f"absent({up} == 1)",
            hold=hold,
            severity="critical",
            summary=f"No pod of {watched.model} answers Prometheus",
            description=f"Namespace {watched.namespace} has no pod of {watched.model} whose metrics can be read.",
        )
    yield _alert(
        watched,
        "ModelNoReadyReplica",
        _none_ready(watched, metrics),
        hold=hold,
        severity="critical",
        summary=f"No replica of {watched.model} takes requests",
        description=f"Pods of {watched.model} run, but none of them is ready, so every request fails.",
    )


def _none_ready(watched: Watched, metrics: ServerMetrics | None) -> str:
    if metrics is not None and metrics.ready is not None:
        return f"sum by (namespace) ({watched.target(f'{metrics.ready}{{}}')}) == 0"
    # Other servers do not tell; kube-state-metrics does, under the name that the program's Deployments get.
    matchers = f'namespace="{watched.namespace}",deployment=~"{watched.model}-server-[0-9a-f]+"'
    available, wanted = "kube_deployment_status_replicas_available", "kube_deployment_spec_replicas"
    return f"sum by (namespace) ({available}{{{matchers}}}) == 0 and sum by (namespace) ({wanted}{{{matchers}}}) > 0"


def _rate(watched: Watched, counters: tuple[str, ...]) -> str:
    """Of counters that may not be there yet: most servers count a status when it is first answered with it."""
    none = f"0 * sum by (namespace) ({watched.target('up{}')})"
    each = [f"sum by (namespace) (rate({watched.target(counter)}[5m])) or {none}" for counter in counters]
    return each[0] if len(each) == 1 else " + ".join(f"({rate})" for rate in each)


def _record(watched: Watched, name: str, expression: str, labels: dict[str, str] | None = None) -> Rule:
    return {"record": name, "expr": expression, "labels": {"model": watched.model, **(labels or {})}}


def _alert(
    watched: Watched,
    name: str,
    expression: str,
    *,
    hold: str,
    severity: str,
    summary: str,
    description: str,
    labels: dict[str, str] | None = None,
) -> Rule:
    return {
        "alert": name,
        "expr": expression,
        "for": hold,
        "labels": {
            "severity": severity,
            "model": watched.model,
            # What is absent has no labels of its own.
            "namespace": watched.namespace,
            "stack": watched.stack,
            **(labels or {}),
        },
        "annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": f"{watched.runbooks}#{name.lower()}",
        },
    }


def _with_matchers(selector: str, matchers: str) -> str:
    name, _, more = selector.partition("{")
    return f"{name}{{{','.join(filter(None, (matchers, more.removesuffix('}'))))}}}"


def _le(bound: str) -> str:
    """The matcher of a bucket. Prometheus 3 writes whole numbers with .0, whatever the server wrote."""
    return f'le=~"{bound}|{bound}[.]0"' if bound.isdigit() else f'le="{bound}"'

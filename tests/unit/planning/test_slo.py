"""The numbers behind the alerts. What the rules do is asked of Prometheus' own tool in tests/monitoring."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from components.config import ModelConfig, MonitoringConfig
from components.planning.server_metrics import metrics_of
from components.planning.slo import TIERS, rules_of
from model.server.metrics import Metrics

Model = Callable[..., ModelConfig]
FILES = {"claim": "m"}


def rules(config: ModelConfig) -> list[dict[str, Any]]:
    groups = rules_of("dev", "models", "digits", config, MonitoringConfig(mode="existing"))
    return [rule for group in groups for rule in group["rules"]]


def thresholds(config: ModelConfig, alert: str) -> list[float]:
    found = [rule["expr"] for rule in rules(config) if rule.get("alert") == alert]
    return [float(text) for expr in found for text in re.findall(r"> ([0-9.e-]+) and", expr)]


def test_burn_rates_are_the_workbooks_for_thirty_days(model: Model) -> None:
    assert [tier.burn(30) for tier in TIERS] == pytest.approx([14.4, 6, 3, 1])
    config = model(slo={"availability": 99.9, "latencyP99": "50ms"})
    assert thresholds(config, "ModelErrorBudgetBurn") == [0.0144, 0.006, 0.003, 0.001]
    assert thresholds(config, "ModelLatencyBudgetBurn") == [0.144, 0.06, 0.03, 0.01]


def test_a_shorter_window_is_used_up_by_less_and_never_by_what_it_allows(model: Model) -> None:
    assert [tier.burn(7) for tier in TIERS] == pytest.approx([3.36, 1.4, 1, 1])
    config = model(slo={"availability": 99, "window": "7d"})
    assert thresholds(config, "ModelErrorBudgetBurn") == [0.0336, 0.014, 0.01, 0.01]


@pytest.mark.parametrize("availability", [95, 99.999])
def test_every_threshold_can_be_reached(model: Model, availability: float) -> None:
    found = thresholds(model(slo={"availability": availability}), "ModelErrorBudgetBurn")
    assert len(found) == len(TIERS)
    assert all(0 < threshold < 1 for threshold in found)


def test_a_model_that_may_have_no_pod_is_not_missed(model: Model) -> None:
    woken = {"prometheus": "http://prometheus:9090", "wake": {"query": "sum(requests)", "threshold": 1}}
    for replicas, missed in (({"max": 2}, True), ({"min": 0, "max": 2, "keda": woken}, False)):
        alerts = {rule.get("alert") for rule in rules(model(replicas=replicas))}
        assert ("ModelAbsent" in alerts) == missed


def test_alerts_wait_for_as_long_as_a_start_may_take(model: Model) -> None:
    [absent] = [rule for rule in rules(model(startupTimeoutSeconds=900)) if rule.get("alert") == "ModelAbsent"]
    assert absent["for"] == "900s"


def test_our_own_server_has_these_metrics() -> None:
    """Names and bounds are written twice: in the server, which has its own image, and here."""
    server = Metrics("digits", ("v2_rest",))
    server.answered("v2_rest", 200, 0.1, None)
    text = server.expose("text/plain")[0].decode()
    metrics = metrics_of("onnx")
    assert metrics is not None
    names = [
        *metrics.requests,
        *metrics.errors,
        f"{metrics.duration}_count",
        metrics.time,
        metrics.ready,
        *(metrics.queue or ()),
    ]
    for name in names:
        assert f"\n{str(name).partition('{')[0]}{{" in text
    bounds = set(re.findall(rf'{metrics.duration}_bucket{{[^}}]*le="([^"]+)"', text)) - {"+Inf"}
    assert {float(bound) for bound in bounds} == {metrics.seconds(bound) for bound in metrics.bounds}

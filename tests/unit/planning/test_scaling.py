"""Budgets and autoscalers, as pure functions."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.config import ModelConfig
from components.config.sections.scaling import pods_of
from components.planning import scaling

Model = Callable[..., ModelConfig]
SELECTOR = {"app": "digits"}
amounts = st.one_of(st.integers(1, 1000).map(str), st.integers(1, 100).map("{}%".format))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(replicas=st.integers(1, 1000), name=st.sampled_from(["minAvailable", "maxUnavailable"]), amount=amounts)
def test_every_budget_that_is_accepted_lets_a_pod_leave(model: Model, replicas: int, name: str, amount: str) -> None:
    """As Kubernetes counts: healthy pods minus those that must stay; shares of the pods are rounded up."""
    try:
        config = model(replicas=replicas, disruptionBudget={name: amount})
    except ValidationError:
        assert name == "minAvailable"
        assert pods_of(amount, replicas) >= replicas
        return
    spec = dict(scaling.disruption_budget(config, SELECTOR) or {})
    kept = pods_of(str(spec["min_available"]), replicas) if "min_available" in spec else None
    gone = pods_of(str(spec["max_unavailable"]), replicas) if "max_unavailable" in spec else None
    assert (gone or replicas - (kept or 0)) >= 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"disruptionBudget": {"minAvailable": 1}, "replicas": 2}, {"min_available": 1}),
        ({"disruptionBudget": {"minAvailable": "50%"}, "replicas": 2}, {"min_available": "50%"}),
        ({"disruptionBudget": {"maxUnavailable": 1}}, {"max_unavailable": 1}),
        ({"replicas": {"max": 2}}, {"max_unavailable": 1}),
    ],
)
def test_a_budget(model: Model, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    spec = dict(scaling.disruption_budget(model(**fields), SELECTOR) or {})
    assert spec == {
        **expected,
        "selector": {"match_labels": SELECTOR},
        "unhealthy_pod_eviction_policy": "AlwaysAllow",
    }


def test_one_pod_has_none_unless_asked(model: Model) -> None:
    assert scaling.disruption_budget(model(), SELECTOR) is None


def test_how_fast_as_configured(model: Model) -> None:
    rules = {
        "stabilizationWindowSeconds": 30,
        "selectPolicy": "Min",
        "policies": [{"type": "Pods", "value": 3, "periodSeconds": 15}],
    }
    config = model(replicas={"min": 1, "max": 9, "behavior": {"scaleDown": rules}})
    behavior = dict(scaling.autoscaler(config.replicas, "digits-server-1", []))["behavior"]
    assert behavior["scale_down"] == {  # pyright: ignore
        "stabilization_window_seconds": 30,
        "select_policy": "Min",
        "policies": [{"type": "Pods", "value": 3, "period_seconds": 15}],
    }
    # The other direction keeps its defaults.
    assert behavior["scale_up"]["policies"][1]["value"] == 100  # pyright: ignore

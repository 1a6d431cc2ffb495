"""By what a model's replicas are scaled."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import ModelConfig
from components.planning import triggers
from components.planning.server_metrics import metrics_of
from components.planning.triggers import IN_FLIGHT, QUEUE, Target

ROOT = Path(__file__).resolve().parents[3]
Model = Callable[..., ModelConfig]
SLO = {"availability": 99.9, "latencyP99": "50ms"}
CPU = Target(metric=None, value=70)
TF_SERVING = {"runtime": "tf-serving", "files": {"claim": "m"}}
KEDA = {"prometheus": "http://prometheus:9090"}


@pytest.mark.parametrize(
    ("fields", "watched", "expected"),
    [
        ({"replicas": {"max": 2}}, True, [CPU]),
        # A tenth of what is promised, unless nobody measures it or something else was asked for.
        ({"replicas": {"max": 2}, "slo": SLO}, True, [Target(metric=QUEUE, value=0.005), CPU]),
        ({"replicas": {"max": 2}, "slo": SLO}, False, [CPU]),
        ({"replicas": {"max": 2}, "slo": {"availability": 99}}, True, [CPU]),
        ({"replicas": {"max": 2}, "slo": {"latencyP99": "20.823ms"}} | TF_SERVING, True, [CPU]),
        ({"replicas": {"max": 2, "targetCPUUtilization": 50}, "slo": SLO}, True, [Target(metric=None, value=50)]),
        ({"replicas": {"max": 2, "targetInFlight": 3}, "slo": SLO}, True, [Target(metric=IN_FLIGHT, value=3)]),
        (
            {"replicas": {"max": 2, "targetQueueTime": "2ms", "targetCPUUtilization": 90}},
            True,
            [Target(metric=QUEUE, value=0.002), Target(metric=None, value=90)],
        ),
    ],
)
def test_targets(model: Model, fields: dict[str, Any], watched: bool, expected: list[Target]) -> None:
    found = triggers.targets(model(**fields), watched=watched)
    assert [(target.metric, pytest.approx(target.value)) for target in expected] == [
        (target.metric, target.value) for target in found
    ]


@pytest.mark.parametrize(
    ("metric", "value", "quantity"),
    [
        (IN_FLIGHT, 4, "4"),
        (IN_FLIGHT, 0.25, "250m"),
        # An adapter counts in thousandths; so it gives milliseconds, of which those are microseconds.
        (QUEUE, 0.005, "5"),
        (QUEUE, 0.0001, "100m"),
        (QUEUE, 1e-8, "1m"),
    ],
)
def test_the_target_of_an_autoscaler(metric: str, value: float, quantity: str) -> None:
    found: Any = triggers.hpa_metrics([Target(metric=metric, value=value)])
    assert found[0]["pods"]["target"]["average_value"] == quantity


def test_the_adapter_answers_by_the_names_that_autoscalers_ask_for() -> None:
    asked: Any = triggers.hpa_metrics([Target(metric=IN_FLIGHT, value=1), Target(metric=QUEUE, value=1)])
    rules = triggers.adapter_config()["rules"]
    assert [rule["name"]["as"] for rule in rules] == [found["pods"]["metric"]["name"] for found in asked]
    assert [rule["seriesQuery"].partition("{")[0] for rule in rules] == [IN_FLIGHT, QUEUE]
    assert rules[1]["metricsQuery"] == "1000 * max by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})"


def test_the_adapters_configuration_is_printed() -> None:
    command = [sys.executable, "-m", "components.adapter_config"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert yaml.safe_load(printed) == triggers.adapter_config()


def test_keda_is_told_what_it_would_get_wrong_by_itself(model: Model) -> None:
    config = model(replicas={"min": 2, "max": 5, "targetInFlight": 0.5, "targetCPUUtilization": 80, "keda": KEDA})
    found = triggers.targets(config, watched=True)
    spec = triggers.scaled_object(config, "digits-server-1", found, "models", "digits", "http://not-asked:9090")
    # Without these two, none runs where none is asked, and a lost Prometheus counts as no load.
    assert spec["minReplicaCount"] == 2
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    assert spec["triggers"] == [
        {
            "type": "prometheus",
            "metricType": "AverageValue",
            "metadata": {
                "serverAddress": "http://prometheus:9090",
                "query": 'sum(model:pod_requests_in_flight{namespace="models",model="digits"})',
                "threshold": "0.5",
                "ignoreNullValues": "false",
            },
        },
        {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "80"}},
    ]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["policies"][1] == {"type": "Percent", "value": 10, "periodSeconds": 60}


def test_windows_have_a_few_samples_in_them() -> None:
    metrics = metrics_of("onnx")
    assert metrics is not None
    for interval, window in ((5, "[60s]"), (30, "[90s]"), (60, "[180s]")):
        assert window in triggers.pod_metric(metrics, IN_FLIGHT, 'job="digits"', interval)

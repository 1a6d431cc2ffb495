"""What monitoring and objectives of a stack file may not say, and the line that says so."""

from collections.abc import Callable
from typing import Any

import pytest

from components.config import LoadedConfig

from .test_accepted import SMALLEST
from .test_rejected import EXAMPLE_IMAGE, Mistakes, changed

HERE = "models.digits.slo"
PLATFORM = "organization/model-serving/platform"
FILES = {"claim": "m"}
TRITON = {"image": EXAMPLE_IMAGE, "runtime": "triton", "files": FILES}
VLLM = {"image": EXAMPLE_IMAGE, "runtime": "vllm", "files": FILES}
IMAGE = {"image": EXAMPLE_IMAGE, "runtime": "image", "container": {"probes": {"readiness": "/"}}}
OWN_BOUNDS = "0.1ms, 0.25ms, 0.5ms, 1ms, 2.5ms, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms, 500ms, 1s, 2.5s, 5s, 10s"
AVAILABILITY = "a number from 95 to 99.999: how many of a hundred requests are answered without a server's error"


def fix(path: str, value: str) -> str:
    return f"-> pulumi config set --path 'model-serving:{path}' {value} --stack dev"


# Where (below `model-serving:`), what is written there, and the whole line that answers it.
CASES: dict[str, tuple[str, Any, str]] = {
    "a mode that there is not": (
        "monitoring.mode", "prometheus",
        'model-serving:monitoring.mode: "prometheus" is not one of the choices; allowed: off, existing, install, '
        "chart, stack " + fix("monitoring.mode", "off"),
    ),
    "a label that selects nothing": (
        "monitoring", {"mode": "existing", "labels": {"release": "kube prometheus"}},
        'model-serving:monitoring.labels.release: "kube prometheus" is not possible here; allowed: at most 63 letters, '
        'digits, "-", "_" and ".", with a letter or digit at both ends; put numbers, true and false in quotes '
        + fix("monitoring.labels.release", "vision"),
    ),
    "a label without a key": (
        "monitoring", {"mode": "existing", "labels": {"a b": "x"}},
        'model-serving:monitoring.labels["a b"]: "a b" is not possible as a name here; allowed: a Kubernetes label\'s '
        'key: an optional domain and /, and at most 63 letters, digits, "-", "_" and "." '
        "-> rename it, or pulumi config rm --path 'model-serving:monitoring.labels[\"a b\"]' --stack dev",
    ),
    "a scrape interval that no alert can live on": (
        "monitoring", {"mode": "existing", "scrapeInterval": "5m"},
        'model-serving:monitoring.scrapeInterval: "5m" is not a scrape interval; allowed: whole seconds from 1s to 60s '
        + fix("monitoring.scrapeInterval", "30s"),
    ),
    "runbooks without a scheme": (
        "monitoring", {"mode": "existing", "runbookUrl": "docs/monitoring.md"},
        'model-serving:monitoring.runbookUrl: "docs/monitoring.md" is not a web address; allowed: where '
        "docs/monitoring.md of this project, or a page with its headings, is published (http or https); an alert's "
        "link is this with # and the alert's name behind it "
        + fix("monitoring.runbookUrl", "https://wiki.example.com/model-serving/monitoring"),
    ),
    "settings of nobody": (
        "monitoring", {"labels": {"release": "kube-prometheus-stack"}},
        "model-serving:monitoring.labels: would do nothing: monitoring.mode is off "
        + fix("monitoring.mode", "existing") + ", or take it out",
    ),
    "another stack's, of no stack": (
        "monitoring", {"mode": "stack"},
        "model-serving:monitoring.stack: is required and missing with mode stack "
        + fix("monitoring.stack", "organization/model-serving/shared"),
    ),
    "another stack's, by its last name": (
        "monitoring", {"mode": "stack", "stack": "platform"},
        'model-serving:monitoring.stack: "platform" is not a stack; allowed: <organization>/<project>/<stack>; without '
        "Pulumi Cloud the organization is organization "
        + fix("monitoring.stack", "organization/model-serving/shared"),
    ),
    "what another stack tells": (
        "monitoring", {"mode": "stack", "stack": PLATFORM, "labels": {"release": "kube-prometheus-stack"}},
        "model-serving:monitoring.labels: would do nothing: monitoring.mode is stack; allowed with: existing, install, "
        "chart; here the other stack's holds -> pulumi config rm --path 'model-serving:monitoring.labels' --stack dev",
    ),
    "an installation that another stack has": (
        "monitoring", {"mode": "stack", "stack": PLATFORM, "install": {"grafana": False}},
        "model-serving:monitoring.install: would do nothing: monitoring.mode is stack; allowed with: install; here the "
        "other stack's holds -> pulumi config rm --path 'model-serving:monitoring.install' --stack dev",
    ),
    "another stack that is not asked": (
        "monitoring", {"mode": "install", "stack": PLATFORM},
        "model-serving:monitoring.stack: would do nothing: monitoring.mode is install; allowed with: stack "
        + fix("monitoring.mode", "stack") + ", or take it out",
    ),
    "sharing what is not this stack's": (
        "monitoring", {"mode": "existing", "shared": True},
        "model-serving:monitoring.shared: would do nothing: monitoring.mode is existing; allowed with: install, chart "
        + fix("monitoring.mode", "install") + ", or take it out",
    ),
    "sharing as a word": (
        "monitoring", {"mode": "install", "shared": "all"},
        'model-serving:monitoring.shared: "all" is not a switch; allowed: true or false '
        + fix("monitoring.shared", "true"),
    ),
    "an objective of nothing": (
        HERE, {},
        f"model-serving:{HERE}: promises nothing; an objective has availability, latencyP99 or both "
        "-> give one of them, or take slo out",
    ),
    "an availability that is always kept": (
        f"{HERE}.availability", 50,
        f"model-serving:{HERE}.availability: 50 is not an availability; allowed: {AVAILABILITY} "
        + fix(f"{HERE}.availability", "99.9"),
    ),
    "an availability without a budget": (
        f"{HERE}.availability", 100,
        f"model-serving:{HERE}.availability: 100 is not an availability; allowed: {AVAILABILITY} "
        + fix(f"{HERE}.availability", "99.9"),
    ),
    "an availability in words": (
        f"{HERE}.availability", "three nines",
        f'model-serving:{HERE}.availability: "three nines" is not an availability; allowed: {AVAILABILITY} '
        + fix(f"{HERE}.availability", "99.9"),
    ),
    "a latency without a unit": (
        f"{HERE}.latencyP99", 50,
        f"model-serving:{HERE}.latencyP99: 50 is not a latency; allowed: milliseconds or seconds above zero: "
        "50ms, 2.5s " + fix(f"{HERE}.latencyP99", "50ms"),
    ),
    "a latency that nobody counts": (
        f"{HERE}.latencyP99", "60ms",
        f"model-serving:{HERE}.latencyP99: 60ms is between two bounds of the histogram of onnx, so nobody can count "
        f"the requests within it; allowed: {OWN_BOUNDS} " + fix(f"{HERE}.latencyP99", "50ms"),
    ),
    "a latency of a server that measures none": (
        "models.digits", TRITON | {"slo": {"availability": 99, "latencyP99": "50ms"}},
        f"model-serving:{HERE}.latencyP99: is not possible with runtime triton, which has no histogram of latencies; "
        f"allowed: availability -> pulumi config rm --path 'model-serving:{HERE}.latencyP99' --stack dev",
    ),
    "an objective of an unknown server": (
        "models.digits", IMAGE | {"slo": {"availability": 99}},
        f"model-serving:{HERE}: is not possible with runtime image, of whose server this program knows no metrics; "
        f"write rules of your own for it -> pulumi config rm --path 'model-serving:{HERE}' --stack dev",
    ),
    "a target that nobody measures": (
        "models.digits.replicas", {"max": 2, "targetInFlight": 4},
        "model-serving:models.digits.replicas.targetInFlight: needs a Prometheus that reads the models' metrics; "
        "allowed with a monitoring.mode that is not off " + fix("monitoring.mode", "existing"),
    ),
    "a target that the server does not measure": (
        "models.digits", TRITON | {"runtime": "tf-serving", "replicas": {"max": 2, "targetQueueTime": "5ms"}},
        "model-serving:models.digits.replicas.targetQueueTime: is not possible with runtime tf-serving, of whose "
        "server this program knows no such metric; allowed: targetCPUUtilization "
        "-> pulumi config rm --path 'model-serving:models.digits.replicas.targetQueueTime' --stack dev",
    ),
    "no request at once": (
        "models.digits.replicas", {"max": 2, "targetInFlight": 0},
        "model-serving:models.digits.replicas.targetInFlight: 0 is not a number of requests; allowed: a number above "
        "zero, at most 100000: how many requests a pod should be answering at once, on average "
        + fix("models.digits.replicas.targetInFlight", "4"),
    ),
    "credentials in an address": (
        "models.digits.replicas", {"max": 2, "keda": {"prometheus": "http://me:canary-1234@prometheus"}},
        'model-serving:models.digits.replicas.keda.prometheus: "http://me:canary-1234@prometheus" is not a web '
        "address; allowed: where KEDA finds Prometheus (http or https), without credentials "
        + fix("models.digits.replicas.keda.prometheus", "http://prometheus-operated.monitoring.svc:9090"),
    ),
    "waking by nothing": (
        "models.digits.replicas", {"min": 0, "max": 2, "keda": {
            "prometheus": "http://p:9090", "wake": {"query": "sum(x)", "threshold": 0}}},
        "model-serving:models.digits.replicas.keda.wake.threshold: 0 is not a threshold; allowed: a number above zero, "
        "at most 100000: what the query's value may be for each pod "
        + fix("models.digits.replicas.keda.wake.threshold", "10"),
    ),
    "KEDA that cannot wake it": (
        "models.digits.replicas", {"min": 0, "max": 2, "targetInFlight": 4, "keda": {"prometheus": "http://p:9090"}},
        "model-serving:models.digits.replicas.min: 0 is not possible: pods are added by what pods themselves measure, "
        "and where none runs nothing is measured, so nothing would start the first one again; allowed with keda.wake, "
        "a query that sees load without pods; else keep one (with smaller resources.requests) "
        + fix("models.digits.replicas.min", "1"),
    ),
    "a window of an hour": (
        f"{HERE}", {"availability": 99, "window": "1h"},
        f'model-serving:{HERE}.window: "1h" is not a window of an objective; allowed: whole days from 7d to 30d '
        + fix(f"{HERE}.window", "30d"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value", "line"), CASES.values(), ids=CASES.keys())
def test_one_mistake_is_told_in_one_line(mistakes: Mistakes, path: str, value: Any, line: str) -> None:
    config = changed(path, value)
    if path.startswith("models") and "needs a Prometheus" not in line:
        config["monitoring"] = {"mode": "existing"}
    assert mistakes(config) == [line]


@pytest.mark.parametrize(
    ("model", "latency", "seconds"),
    [({}, "50ms", 0.05), ({}, "2.5s", 2.5), ({}, "0.25ms", 0.00025), (VLLM, "800ms", 0.8), (VLLM, "0.8s", 0.8)],
)
def test_a_latency_that_the_server_counts(
    load: Callable[..., LoadedConfig], model: dict[str, Any], latency: str, seconds: float
) -> None:
    digits = (model or SMALLEST["models"]["digits"]) | {"slo": {"availability": "99.9", "latencyP99": latency}}
    slo = load(changed("models.digits", digits)).config.models["digits"].slo
    assert slo is not None
    assert (slo.availability, slo.latency_seconds, slo.window_days) == (99.9, seconds, 30)

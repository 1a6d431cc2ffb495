"""What the program declares for whoever watches its models."""

from typing import Any

from .recording import DIGEST, DIGITS, STACK, record

SLO = {"availability": 99.9, "latencyP99": "50ms"}
EXISTING = {"mode": "existing", "labels": {"release": "kube-prometheus-stack"}, "namespace": "observability"}
LABELS = {
    "app.kubernetes.io/name": "digits",
    "app.kubernetes.io/instance": "dev-digits",
    "app.kubernetes.io/component": "model-server",
    "app.kubernetes.io/part-of": "model-serving",
    "app.kubernetes.io/managed-by": "pulumi",
}


def watched(monitoring: dict[str, Any], **model: Any) -> dict[str, Any]:
    return STACK | {"models": {"digits": DIGITS | model}, "monitoring": monitoring}


def test_nobody_watches_unless_the_stack_file_says_so() -> None:
    kinds = record(watched({"mode": "off"}, slo=SLO)).kinds()
    assert "PodMonitor" not in kinds
    assert "PrometheusRule" not in kinds


def test_an_operator_that_is_there_gets_its_labels() -> None:
    recording = record(watched(EXISTING, slo=SLO))
    monitor, rules = recording.one("PodMonitor"), recording.one("PrometheusRule")
    for found in (monitor, rules):
        assert found["apiVersion"] == "monitoring.coreos.com/v1"
        assert found["metadata"] == {"namespace": "models", "labels": LABELS | EXISTING["labels"]}
    pods = {key: value for key, value in LABELS.items() if key != "app.kubernetes.io/component"}
    assert monitor["spec"] == {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": pods},
        "podTargetLabels": ["app.kubernetes.io/component", "app.kubernetes.io/version"],
        "podMetricsEndpoints": [{"port": "http", "path": "/metrics", "interval": "30s"}],
    }
    template = recording.one("Deployment")["spec"]["template"]
    assert pods.items() <= template["metadata"]["labels"].items()
    assert "http" in {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    [policy] = [r.inputs for r in recording.resources if r.name == "digits-network"]
    [hole] = [rule for rule in policy["spec"]["ingress"] if "namespaceSelector" in rule.get("from", [{}])[0]]
    assert hole["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}


def test_the_rules_are_of_the_model_its_stack_and_namespace() -> None:
    monitoring = EXISTING | {"runbookUrl": "https://wiki.example.com/monitoring"}
    recording = record(watched(monitoring, slo=SLO), stack="prod")
    groups = recording.one("PrometheusRule")["spec"]["groups"]
    assert [group["name"] for group in groups] == [f"models-digits-{name}" for name in ("requests", "health", "budget")]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert all(
        {"model": "digits", "stack": "prod", "namespace": "models"}.items() <= alert["labels"].items()
        for alert in alerts
    )
    assert {alert["annotations"]["runbook_url"].partition("#")[0] for alert in alerts} == {
        "https://wiki.example.com/monitoring"
    }


def test_a_model_without_objective_is_watched_too() -> None:
    groups = record(watched(EXISTING)).one("PrometheusRule")["spec"]["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert alerts == {"ModelTargetDown", "ModelAbsent", "ModelNoReadyReplica"}


def test_another_server_is_asked_where_its_metrics_are() -> None:
    triton = {"image": f"registry.example.com/m@{DIGEST}", "runtime": "triton", "files": {"claim": "m"}}
    recording = record(STACK | {"models": {"m": triton}, "monitoring": EXISTING | {"scrapeInterval": "15s"}})
    [endpoint] = recording.one("PodMonitor", "m")["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "metrics", "path": "/metrics", "interval": "15s"}

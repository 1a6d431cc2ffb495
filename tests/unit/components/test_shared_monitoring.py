"""Monitoring that one stack has and others use."""

import json
from typing import Any

import pytest

from components.errors import UserError
from components.monitoring.watching import told_watching

from .recording import DIGITS, STACK, Recording, record

OWNER = "organization/model-serving/platform"
SHARED = {"mode": "install", "namespace": "platform-monitoring", "shared": True, "scrapeInterval": "15s"}
RUNBOOKS = "https://wiki.example.com/monitoring"
SCALED = {"min": 0, "max": 3, "targetInFlight": 4, "keda": {"wake": {"query": "sum(x)", "threshold": 1}}}
MODEL = DIGITS | {"slo": {"availability": 99.9}, "replicas": SCALED}


def owner(**monitoring: Any) -> Recording:
    """A stack without a model of its own."""
    return record({"cluster": "local", "namespace": "platform", "monitoring": SHARED | monitoring}, stack="platform")


def alone() -> Recording:
    """A stack with the same that keeps it to itself."""
    return record(STACK | {"namespace": "platform", "monitoring": SHARED | {"shared": False}}, stack="platform")


def told(recording: Recording) -> dict[str, Any]:
    """What a stack tells others, as they get it."""
    return json.loads(json.dumps({"monitoring": recording.outputs["monitoring"]}))


def user(outputs: dict[str, Any], **options: Any) -> Recording:
    """A stack with a model that another stack's monitoring watches."""
    monitoring = {"mode": "stack", "stack": OWNER}
    return record(STACK | {"models": {"digits": MODEL}, "monitoring": monitoring}, other_stack=outputs, **options)


def of(recording: Recording, kind: str) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in recording.resources if r.type.endswith(f":{kind}")}


def test_a_stack_tells_what_others_need() -> None:
    assert owner(runbookUrl=RUNBOOKS, labels={"team": "platform"}).outputs["monitoring"] == {
        "namespace": "platform-monitoring",
        "labels": {"team": "platform", "model-serving/monitored-by": "platform-monitoring"},
        "scrapeInterval": "15s",
        "runbookUrl": RUNBOOKS,
        "shared": True,
        "prometheus": "http://prometheus-operated.platform-monitoring.svc:9090",
        "alertmanager": "http://alertmanager-operated.platform-monitoring.svc:9093",
    }
    assert "monitoring" not in record(STACK).outputs


@pytest.mark.parametrize("preview", [True, False])
def test_another_stack_declares_what_it_would_if_it_said_all_that_itself(preview: bool) -> None:
    outputs = told(owner(runbookUrl=RUNBOOKS))
    known = outputs["monitoring"]
    itself = {"mode": "existing"} | {key: known[key] for key in ("namespace", "labels", "scrapeInterval", "runbookUrl")}
    expected = record(STACK | {"models": {"digits": MODEL}, "monitoring": itself}, preview=preview)
    found = user(outputs, preview=preview)
    assert found.kinds() == expected.kinds()
    for kind in ("PodMonitor", "PrometheusRule", "ScaledObject", "ConfigMap", "NetworkPolicy"):
        assert of(found, kind) == of(expected, kind) != {}
    [reference] = [r for r in found.resources if r.type == "pulumi:pulumi:StackReference"]
    assert reference.inputs == {"name": OWNER}


def test_nothing_of_it_is_written_twice() -> None:
    found = user(told(owner()))
    [monitor], [rule] = of(found, "PodMonitor").values(), of(found, "PrometheusRule").values()
    for each in (monitor, rule):
        assert each["metadata"]["labels"]["model-serving/monitored-by"] == "platform-monitoring"
    assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"
    trigger = found.one("ScaledObject")["spec"]["triggers"][0]
    assert trigger["metadata"]["serverAddress"] == "http://prometheus-operated.platform-monitoring.svc:9090"
    policy = of(found, "NetworkPolicy")["digits-network"]
    assert "platform-monitoring" in policy["metadata"]["annotations"]["kubernetes.io/description"]


def test_a_cluster_s_own_prometheus_can_be_told_of_too() -> None:
    existing = {"mode": "existing", "labels": {"release": "kps"}, "namespace": "observability"}
    outputs = told(record(STACK | {"monitoring": existing}))
    assert outputs["monitoring"]["shared"] is True
    [monitor] = of(user(outputs), "PodMonitor").values()
    assert monitor["metadata"]["labels"]["release"] == "kps"
    assert "model-serving/monitored-by" not in monitor["metadata"]["labels"]


def test_it_can_be_passed_on() -> None:
    outputs = told(owner())
    assert told(user(outputs)) == outputs


def test_a_shared_prometheus_takes_what_has_its_label_in_any_namespace() -> None:
    recording = owner()
    [server] = [inputs for inputs in of(recording, "Prometheus").values() if "spec" in inputs]
    for kind in ("podMonitor", "serviceMonitor", "rule"):
        assert server["spec"][f"{kind}NamespaceSelector"] == {}
        assert server["spec"][f"{kind}Selector"] == {
            "matchLabels": {"model-serving/monitored-by": "platform-monitoring"}
        }
    # Its own exporters' monitors are taken as well.
    monitors = [*of(recording, "PodMonitor").values(), *of(recording, "ServiceMonitor").values()]
    assert len(monitors) == 3
    for monitor in monitors:
        assert monitor["metadata"]["labels"]["model-serving/monitored-by"] == "platform-monitoring"


def readable(recording: Recording) -> dict[str, set[str]]:
    """What may be read in all namespaces, by the name of the role."""
    roles = {name: inputs for name, inputs in of(recording, "ClusterRole").items() if "rules" in inputs}
    return {name: {each for rule in role["rules"] for each in rule["resources"]} for name, role in roles.items()}


def test_only_what_is_shared_may_read_all_namespaces() -> None:
    assert readable(alone()) == {
        "prometheus-kubelet-metrics": {"nodes/metrics"},
        "kube-state-metrics-nodes": {"nodes"},
    }
    assert {"kube-state-metrics-objects", "grafana-dashboards", "prometheus-models-targets"} <= of(
        alone(), "Role"
    ).keys()
    recording = owner()
    assert readable(recording) == {
        "prometheus-all-targets": {"pods", "services", "endpoints", "endpointslices"},
        "prometheus-kubelet-metrics": {"nodes/metrics"},
        "kube-state-metrics-objects": {
            "pods", "deployments", "replicasets", "horizontalpodautoscalers", "poddisruptionbudgets",
        },
        "kube-state-metrics-nodes": {"nodes"},
        "grafana-dashboards": {"configmaps"},
    }  # fmt: skip
    assert of(recording, "Role") == {}
    assert "secrets" not in set().union(*readable(recording).values())


def test_what_is_shared_looks_into_all_namespaces() -> None:
    def told_to_look(recording: Recording) -> tuple[list[str], str]:
        pods = {name: each["spec"]["template"]["spec"] for name, each in of(recording, "Deployment").items()}
        [exporter] = pods["kube-state-metrics-deployment"]["containers"]
        [sidecar] = pods["grafana-deployment"]["initContainers"]
        namespaces = [argument for argument in exporter["args"] if argument.startswith("--namespaces")]
        return namespaces, next(entry["value"] for entry in sidecar["env"] if entry["name"] == "NAMESPACE")

    assert told_to_look(alone()) == (["--namespaces=platform"], "platform")
    assert told_to_look(owner()) == ([], "ALL")


def test_a_shared_chart_takes_what_has_its_label_and_its_own() -> None:
    [chart] = of(owner(mode="chart", chart={"digest": "sha256:" + "7" * 64}), "Chart").values()
    spec = chart["values"]["prometheus"]["prometheusSpec"]
    label = {"matchLabels": {"model-serving/monitored-by": "platform-monitoring"}}
    assert spec["podMonitorSelector"] == spec["ruleSelector"] == label
    assert spec["podMonitorNamespaceSelector"] == spec["ruleNamespaceSelector"] == {}
    assert "serviceMonitorSelector" not in spec
    [within] = spec["serviceMonitorNamespaceSelector"]["matchExpressions"]
    assert within["values"] == ["platform", "platform-monitoring"]
    assert chart["values"]["grafana"]["sidecar"]["dashboards"]["searchNamespace"] == "ALL"


def test_alerts_of_another_namespace_have_a_route_of_their_own() -> None:
    routes = [{"receiver": "vision", "namespace": "vision", "model": "letters"}]
    receivers = {name: {"webhook": {"url": "hook"}} for name in ("platform", "vision")}
    stack = {"cluster": "local", "namespace": "platform", "monitoring": SHARED}
    alerts = {"receivers": receivers, "default": "platform", "routes": routes}
    recording = record(stack | {"alerts": alerts}, secrets={"hook": "https://hook.example.com"})
    text = of(recording, "Secret")["alertmanager-config"]["stringData"]["alertmanager.yaml"]
    [route] = json.loads(text)["route"]["routes"]
    assert route == {"receiver": "vision", "matchers": ['namespace="vision"', 'model="letters"']}


@pytest.mark.parametrize(
    ("outputs", "line"),
    [
        (
            {},
            f"model-serving:monitoring.stack: stack {OWNER} has no output monitoring; allowed: a stack of this program "
            "whose monitoring.mode is not off -> bring that stack up first, or name another one",
        ),
        (
            {"monitoring": {"namespace": "monitoring", "scrapeInterval": "15s", "prometheus": "http://p:9090"}},
            f"model-serving:monitoring.stack: stack {OWNER} keeps its monitoring to itself; allowed: one with "
            "monitoring.shared -> pulumi config set --path 'model-serving:monitoring.shared' true "
            f"--stack {OWNER}, and bring it up",
        ),
        (
            {"monitoring": {"namespace": "monitoring", "scrapeInterval": "often", "shared": True, "prometheus": "p"}},
            f"model-serving:monitoring.stack: what stack {OWNER} tells of its monitoring is not understood -> bring "
            "both stacks up with the same version of this program",
        ),
    ],
    ids=["no monitoring", "its own alone", "not monitoring"],
)
def test_one_that_is_not_there(outputs: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as caught:
        told_watching(OWNER, outputs.get("monitoring"))
    assert str(caught.value) == line


def test_what_a_stack_keeps_to_itself_is_refused_by_its_own_output() -> None:
    with pytest.raises(UserError, match="keeps its monitoring to itself"):
        told_watching(OWNER, told(alone())["monitoring"])

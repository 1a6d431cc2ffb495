"""Whether a Prometheus looks at what a stack declares, as the operator decides it."""

from typing import Any

import pytest

from tests.unit.components.recording import DIGEST, record
from toolchain import selection
from toolchain.errors import ToolchainError

RELEASE = {"matchLabels": {"release": "kube-prometheus-stack"}}
EVERYTHING = {
    "podMonitorSelector": {},
    "podMonitorNamespaceSelector": {},
    "ruleSelector": {},
    "ruleNamespaceSelector": {},
}
MONITORING = {"mode": "existing"}


def plan(monitoring: dict[str, Any], **model: Any) -> list[dict[str, Any]]:
    """What the program declares for one model, as an event log has it."""
    digits = {"image": f"registry.example.com/digits@{DIGEST}"} | model
    stack = {"cluster": "local", "namespace": "models", "models": {"digits": digits}, "monitoring": monitoring}
    return [{"op": "create", "type": found.type, "inputs": found.inputs} for found in record(stack).resources]


class Cluster:
    """Answers like `Kube`."""

    def __init__(
        self,
        *specs: dict[str, Any],
        labels: dict[str, str] | None = None,
        groups: tuple[str, ...] = ("monitoring.coreos.com",),
        namespaces: tuple[str, ...] = ("monitoring", "monitoring"),
    ) -> None:
        self._groups = groups
        self._namespaces = namespaces
        self._specs, self._labels = specs, labels

    def get(self, path: str, **_: str) -> dict[str, Any]:
        if path == "/apis":
            return {"groups": [{"name": name} for name in self._groups]}
        if path == "/api/v1/namespaces/models":
            if self._labels is None:
                raise ToolchainError(f"GET {path}", "HTTP 404")
            return {"metadata": {"labels": self._labels}}
        assert path == "/apis/monitoring.coreos.com/v1/prometheuses"
        return {
            "items": [
                {"metadata": {"name": "k8s", "namespace": namespace}, "spec": spec}
                for spec, namespace in zip(self._specs, self._namespaces, strict=False)
            ]
        }


def troubles(cluster: Cluster, monitoring: dict[str, Any], **model: Any) -> list[str]:
    planned = plan(monitoring, **model)
    return list(selection.troubles(cluster, planned, "dev", {"monitoring": monitoring}))  # pyright: ignore[reportArgumentType]


def test_a_prometheus_that_looks_at_everything(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert troubles(Cluster(EVERYTHING), MONITORING) == []


def test_a_label_that_is_missing_is_named_with_the_command_that_sets_it() -> None:
    spec = EVERYTHING | {"podMonitorSelector": RELEASE, "ruleSelector": RELEASE}
    fix = "pulumi config set --path model-serving:monitoring.labels.release kube-prometheus-stack --stack dev"
    assert troubles(Cluster(spec), MONITORING) == [
        f"no Prometheus looks at this stack's {kind}s: monitoring/k8s selects those with "
        f"release=kube-prometheus-stack -> {fix}"
        for kind in ("PodMonitor", "PrometheusRule")
    ]
    assert troubles(Cluster(spec), MONITORING | {"labels": {"release": "prometheus"}}) != []
    assert troubles(Cluster(spec), MONITORING | {"labels": {"release": "kube-prometheus-stack"}}) == []


def test_one_of_two_is_enough() -> None:
    assert troubles(Cluster(EVERYTHING | {"podMonitorSelector": RELEASE}, EVERYTHING), MONITORING) == []


def test_of_several_the_one_that_is_meant_says_which_label() -> None:
    other, meant = ({"podMonitorSelector": {"matchLabels": {"release": name}}} for name in ("other", "meant"))
    cluster = Cluster(EVERYTHING | other, EVERYTHING | meant, namespaces=("other", "meant"))
    [line] = troubles(cluster, MONITORING | {"namespace": "meant"})
    assert line == (
        "no Prometheus looks at this stack's PodMonitors: meant/k8s selects those with release=meant; "
        "other/k8s selects those with release=other "
        "-> pulumi config set --path model-serving:monitoring.labels.release meant --stack dev"
    )


def test_without_a_selector_nothing_is_selected() -> None:
    [line] = troubles(Cluster({key: value for key, value in EVERYTHING.items() if key != "ruleSelector"}), MONITORING)
    assert line == (
        "no Prometheus looks at this stack's PrometheusRules: monitoring/k8s selects no PrometheusRule at all "
        "-> change ruleSelector or ruleNamespaceSelector of one of them, or the labels of namespace models"
    )


@pytest.mark.parametrize(
    ("selector", "labels", "seen"),
    [
        (None, {}, False),
        ({"matchLabels": {"kubernetes.io/metadata.name": "models"}}, None, True),
        ({"matchLabels": {"monitored": "yes"}}, None, False),
        ({"matchLabels": {"monitored": "yes"}}, {"monitored": "yes"}, True),
    ],
)
def test_namespaces_are_selected_too(
    selector: dict[str, Any] | None, labels: dict[str, str] | None, seen: bool
) -> None:
    spec = EVERYTHING | {"podMonitorNamespaceSelector": selector}
    lines = troubles(Cluster(spec, labels=labels), MONITORING)
    assert (lines == []) == seen
    if not seen:
        assert ("own namespace only" in lines[0]) == (selector is None)


@pytest.mark.parametrize(
    ("expression", "labels", "selected"),
    [
        ({"key": "release", "operator": "In", "values": ["a", "b"]}, {"release": "b"}, True),
        ({"key": "release", "operator": "In", "values": ["a", "b"]}, {}, False),
        ({"key": "release", "operator": "NotIn", "values": ["a"]}, {}, True),
        ({"key": "release", "operator": "NotIn", "values": ["a"]}, {"release": "a"}, False),
        ({"key": "release", "operator": "Exists"}, {"release": ""}, True),
        ({"key": "release", "operator": "DoesNotExist"}, {"release": ""}, False),
    ],
)
def test_expressions(expression: dict[str, Any], labels: dict[str, str], selected: bool) -> None:
    assert selection.matches({"matchExpressions": [expression]}, labels) == selected


def test_the_first_value_of_a_list_is_proposed() -> None:
    wanted = {"matchExpressions": [{"key": "example.com/team", "operator": "In", "values": ["ml", "web"]}]}
    [line] = troubles(Cluster(EVERYTHING | {"ruleSelector": wanted}), MONITORING)
    assert "k8s selects those with example.com/team In (ml, web) ->" in line
    assert """'model-serving:monitoring.labels["example.com/team"]' ml --stack dev""" in line


def test_a_prometheus_that_the_network_keeps_out() -> None:
    [line] = troubles(Cluster(EVERYTHING), MONITORING | {"namespace": "observability"})
    assert line == (
        "Prometheus runs in monitoring, and the network policies let only observability in "
        "-> pulumi config set --path model-serving:monitoring.namespace monitoring --stack dev"
    )


def test_what_another_stack_told_no_longer_selects() -> None:
    """The objects are those of a stack with the labels that it was told."""
    planned = plan({"mode": "existing", "namespace": "elsewhere", "labels": {"model-serving/monitored-by": "old"}})
    settings = {"monitoring": {"mode": "stack", "stack": "organization/model-serving/platform"}}
    selector = {"matchLabels": {"model-serving/monitored-by": "monitoring"}}
    cluster = Cluster(EVERYTHING | {"podMonitorSelector": selector})
    [line] = selection.troubles(cluster, planned, "dev", settings)  # pyright: ignore[reportArgumentType]
    assert line == (
        "no Prometheus looks at this stack's PodMonitors: monitoring/k8s selects those with "
        "model-serving/monitored-by=monitoring -> bring stack organization/model-serving/platform up in this cluster, "
        "then dev again: it uses what that one told last"
    )
    assert list(selection.troubles(Cluster(EVERYTHING), planned, "dev", settings)) == []  # pyright: ignore[reportArgumentType]


def test_nobody_there() -> None:
    [line] = troubles(Cluster(), MONITORING)
    assert line.startswith("the cluster has an operator, and no Prometheus")
    [line] = troubles(Cluster(groups=("apps",)), MONITORING)
    assert line.startswith("the cluster has no Prometheus Operator")


def test_a_stack_that_is_not_watched_asks_nothing() -> None:
    assert troubles(Cluster(), {"mode": "off"}) == []


def test_an_autoscaler_that_nobody_answers() -> None:
    scaled = {"replicas": {"max": 2, "targetInFlight": 4}}
    [line] = troubles(Cluster(EVERYTHING), MONITORING, **scaled)
    assert line.startswith("no adapter answers for model_pod_requests_in_flight (custom.metrics.k8s.io is not served)")
    assert (
        troubles(Cluster(EVERYTHING, groups=("monitoring.coreos.com", "custom.metrics.k8s.io")), MONITORING, **scaled)
        == []
    )
    assert troubles(Cluster(EVERYTHING), MONITORING, replicas={"max": 2}) == []

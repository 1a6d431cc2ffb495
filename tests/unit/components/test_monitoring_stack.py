"""What `monitoring.mode: install` declares."""

import json
from typing import Any

from policy.workloads import RULES, Resource
from tests.unit.components.recording import STACK, Recording, record

POOL = {
    "provider": "existing",
    "nodeSelector": {"example.com/pool": "l4"},
    "taints": [{"key": "example.com/gpus", "value": "l4", "effect": "NoSchedule"}],
    "gpu": {"type": "nvidia-l4"},
    "maxNodes": 2,
}
ALERTS = {
    "receivers": {
        "team": {"slack": {"url": "slackUrl", "channel": "#models"}},
        "night": {
            "webhook": {"url": "hookUrl"},
            "email": {
                "to": "a@example.com",
                "from": "b@example.com",
                "server": "smtp.example.com:587",
                "user": "alerts",
                "password": "smtp",
            },
        },
    },
    "default": "team",
    "routes": [{"receiver": "night", "severity": "critical"}, {"receiver": "night", "model": "digits"}],
}
VALUES = {
    "slackUrl": "https://slack.example.com/s3cret",
    "hookUrl": "https://hook.example.com/s3cret",
    "smtp": "s3cret",
}


def installed(**sections: Any) -> Recording:
    return record(STACK | {"monitoring": {"mode": "install"}} | sections)


def of(recording: Recording, kind: str) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in recording.resources if r.type.endswith(f":{kind}")}


def pods(recording: Recording) -> dict[str, dict[str, Any]]:
    workloads = of(recording, "Deployment") | of(recording, "DaemonSet")
    return {name: inputs["spec"]["template"]["spec"] for name, inputs in workloads.items()}


def test_everything_is_there_and_what_is_not_wanted_is_not() -> None:
    recording = installed()
    assert {"Prometheus", "Alertmanager", "PodMonitor", "ServiceMonitor"} <= set(recording.kinds())
    assert set(pods(recording)) == {
        "digits-server", "kube-state-metrics-deployment", "grafana-deployment", "node-metrics-node-daemonset",
    }  # fmt: skip
    few = {"grafana": False, "stateMetrics": False, "nodeExporter": False}
    recording = installed(monitoring={"mode": "install", "install": few})
    assert set(pods(recording)) == {"digits-server"}


def test_only_the_namespace_of_exporters_admits_what_sees_the_host() -> None:
    recording = installed()
    levels = {
        inputs["metadata"]["name"]: inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for inputs in of(recording, "Namespace").values()
    }
    assert levels == {"models": "restricted", "monitoring": "restricted", "monitoring-nodes": "privileged"}


def test_every_container_has_requests_and_a_limit_of_memory() -> None:
    for name, pod in pods(installed(nodePools={"l4": POOL})).items():
        for container in pod["containers"]:
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name


def test_gpus_are_watched_on_the_nodes_of_the_pools_past_their_taints() -> None:
    pod = pods(installed(nodePools={"l4": POOL}))["node-metrics-gpu-daemonset"]
    assert {taint["key"] for taint in pod["tolerations"]} == {"nvidia.com/gpu", "example.com/gpus"}
    [term] = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "example.com/pool", "operator": "In", "values": ["l4"]}]
    assert "node-metrics-gpu-daemonset" not in pods(installed())


def test_prometheus_takes_the_rules_and_monitors_of_this_stack_alone() -> None:
    labels = {"team": "vision"}
    recording = installed(monitoring={"mode": "install", "labels": labels})
    [server] = [inputs for inputs in of(recording, "Prometheus").values() if "spec" in inputs]
    [namespaces] = server["spec"]["ruleNamespaceSelector"]["matchExpressions"]
    assert sorted(namespaces["values"]) == ["models", "monitoring", "monitoring-nodes"]
    monitors = [*of(recording, "PodMonitor").values(), *of(recording, "ServiceMonitor").values()]
    assert len(monitors) == 4
    for monitor in monitors:
        assert labels.items() <= monitor["metadata"]["labels"].items()
    assert server["spec"]["podMonitorSelector"] == {"matchLabels": labels}


def test_the_policy_pack_takes_what_is_declared_but_for_production() -> None:
    recording = installed(nodePools={"l4": POOL})
    workloads = [
        Resource(type=r.type, name=r.name, properties=r.inputs)
        for r in recording.resources
        if r.type.endswith((":Deployment", ":DaemonSet"))
    ]
    assert len(workloads) == 5
    assert [message for rule in RULES for each in workloads for message in rule.violations(each, {})] == []
    [by_digest] = [rule for rule in RULES if rule.name == "image-by-digest"]
    refused = {each.name for each in workloads if list(by_digest.violations(each, {"releases": []}))}
    assert refused == {each.name for each in workloads} - {"digits-server"}


def test_images_come_from_a_mirror_under_their_own_paths() -> None:
    recording = installed(monitoring={"mode": "install", "install": {"imageRegistry": "mirror.example.com"}})
    [server] = [inputs for inputs in of(recording, "Prometheus").values() if "spec" in inputs]
    kinds = ("initContainers", "containers")
    images = [each["image"] for pod in pods(recording).values() for kind in kinds for each in pod.get(kind, [])]
    images = [image for image in [*images, server["spec"]["image"]] if "models/" not in image]
    assert all(image.startswith("mirror.example.com/") for image in images)
    assert f"mirror.example.com/prometheus/prometheus:v{server['spec']['version']}" in images


def configuration(recording: Recording) -> dict[str, Any]:
    return json.loads(of(recording, "Secret")["alertmanager-config"]["stringData"]["alertmanager.yaml"])


def test_what_receivers_need_is_in_a_secret_and_nowhere_else() -> None:
    recording = record(STACK | {"monitoring": {"mode": "install"}, "alerts": ALERTS}, secrets=VALUES)
    [secret] = [r for r in recording.resources if r.name == "alertmanager-receivers"]
    assert secret.inputs["stringData"] == VALUES
    assert secret.secret == {"stringData"}
    others = [r.inputs for r in recording.resources if r is not secret]
    assert "s3cret" not in json.dumps(others)
    [server] = [inputs for inputs in of(recording, "Alertmanager").values() if "spec" in inputs]
    [mounted] = server["spec"]["secrets"]
    assert mounted.startswith("alertmanager-receivers-")
    [slack] = configuration(recording)["receivers"][0]["slack_configs"]
    assert slack["api_url_file"] == f"/etc/alertmanager/secrets/{mounted}/slackUrl"


def test_routes_are_those_of_the_stack_file_and_everybody_hears_of_the_end() -> None:
    recording = record(STACK | {"monitoring": {"mode": "install"}, "alerts": ALERTS}, secrets=VALUES)
    told = configuration(recording)
    assert told["route"]["receiver"] == "team"
    matchers = [(route["receiver"], route["matchers"]) for route in told["route"]["routes"]]
    assert matchers == [("night", ['severity="critical"']), ("night", ['model="digits"'])]
    ways = [way for receiver in told["receivers"] for kind in receiver if kind != "name" for way in receiver[kind]]
    assert len(ways) == 3
    assert all(way["send_resolved"] for way in ways)


def test_without_receivers_alerts_are_seen_and_nobody_is_told() -> None:
    told = configuration(installed())
    assert told["receivers"] == [{"name": told["route"]["receiver"]}]


def test_the_chart_is_pinned_and_watches_the_models() -> None:
    monitoring = {"mode": "chart", "chart": {"digest": "sha256:" + "7" * 64}}
    recording = record(STACK | {"monitoring": monitoring, "alerts": ALERTS}, secrets=VALUES)
    [chart] = of(recording, "Chart").values()
    assert (chart["name"], chart["chart"]) == ("kube-prometheus-stack", f".build/.charts/{'7' * 64}.tgz")
    values = chart["values"]
    assert values["prometheus"]["prometheusSpec"]["podMonitorSelectorNilUsesHelmValues"] is False
    [within] = values["prometheus"]["prometheusSpec"]["podMonitorNamespaceSelector"]["matchExpressions"]
    assert within["values"] == ["models", "monitoring"]
    assert "s3cret" not in json.dumps(chart)
    [mounted] = values["alertmanager"]["alertmanagerSpec"]["secrets"]
    assert f"/{mounted}/" in json.dumps(values["alertmanager"]["config"])

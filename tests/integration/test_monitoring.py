"""A stack with its own monitoring: what is measured, and an alert's way from a failing model to whoever is told.

Prometheus, Alertmanager, the operator and the exporters are real and run here. Grafana's image, DCGM exporter's and the
chart cannot be had on a machine with package registries only: the API server validates what is declared of the first
two, and no more.
"""

import asyncio
import json
import re
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.support.cluster import LocalCluster, toolchain
from tests.support.load import examples
from tests.support.registry import Image
from tests.support.tampering import failing_for_bright_pixels
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace
from tests.unit.components.recording import record
from toolchain.cluster.layout import NODE_IP
from toolchain.parts.install import bin_folder

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"monitoring-{uuid.uuid4().hex[:6]}"
WATCHERS = f"{STACK}-watchers"
SECONDS = 60.0
# An hour of the rules passes in a minute.
SCALE = 60
FAST_BURN = {"alertname": "ModelErrorBudgetBurn", "long_window": "1h"}


class Webhook:
    """A server that keeps what Alertmanager sends."""

    def __init__(self) -> None:
        received: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.received = received
        self.server = ThreadingHTTPServer((NODE_IP, 0), Handler)  # where pods reach it
        self.url = f"http://{NODE_IP}:{self.server.server_address[1]}/alerts"

    def alerts(self, status: str) -> list[dict[str, Any]]:
        """Every alert of a fast burn that came with a status, firing or resolved."""
        every = [alert for message in self.received for alert in message["alerts"]]
        return [alert for alert in every if alert["status"] == status and FAST_BURN.items() <= alert["labels"].items()]


@pytest.fixture(scope="module")
def webhook(local_cluster: LocalCluster) -> Iterator[Webhook]:
    webhook = Webhook()
    thread = threading.Thread(target=webhook.server.serve_forever, daemon=True)
    thread.start()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()


@pytest.fixture(scope="module")
def workspace(
    local_cluster: LocalCluster, webhook: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The example model, watched: scraped every second, with an objective, and alerts that go to the webhook."""
    toolchain("start", "--addon", "monitoring")
    home = tmp_path_factory.mktemp("monitoring")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    digits = workspace.read_config()["config"]["model-serving:models"]["digits"]
    workspace.set_config(
        namespace=STACK,
        models={"digits": digits | {"service": {"type": "NodePort"}, "slo": {"availability": 99.9}}},
        monitoring={
            "mode": "install",
            "namespace": WATCHERS,
            "scrapeInterval": "1s",
            "install": {"imageRegistry": local_cluster.registry, "grafana": False},
        },
        alerts={
            "receivers": {"team": {"webhook": {"url": "hook"}}},
            "default": "team",
            "groupWait": "1s",
            "groupInterval": "1s",
        },
    )
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    workspace.pulumi("config", "set", "--secret", "model-serving:hook", webhook.url, "--stack", STACK)
    workspace.up()
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


class Prometheus:
    """The stack's Prometheus, through the API server."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def get(self, path: str, **parameters: str) -> Any:
        """Data of its HTTP API, {} while it does not answer."""
        query = str(httpx.QueryParams(parameters))
        service = f"/api/v1/namespaces/{WATCHERS}/services/prometheus-operated:9090/proxy/api/v1/{path}?{query}"
        try:
            return json.loads(self._cluster.kubectl("get", "--raw", service, namespace=WATCHERS))["data"]
        except AssertionError:
            return {}

    def value(self, expression: str) -> float | None:
        """The first value of an expression, None without any."""
        result = self.get("query", query=expression).get("result")
        return float(result[0]["value"][1]) if result else None

    def targets(self) -> dict[str, str]:
        """Health of each job's last target."""
        targets = self.get("targets", state="active").get("activeTargets", [])
        return {target["labels"]["job"]: target["health"] for target in targets}


@pytest.fixture(scope="module")
def prometheus(local_cluster: LocalCluster, workspace: Workspace) -> Prometheus:
    return Prometheus(local_cluster)


def test_everything_that_is_watched_has_metrics(
    workspace: Workspace, prometheus: Prometheus, local_cluster: LocalCluster
) -> None:
    jobs = {"digits", "kubelet", "kube-state-metrics", "node-exporter"}
    wait_until(lambda: jobs <= prometheus.targets().keys(), f"targets {jobs}: {prometheus.targets()}", 2 * SECONDS)
    wait_until(lambda: set(prometheus.targets().values()) == {"up"}, f"all of them up: {prometheus.targets()}", SECONDS)
    pod = f'namespace="{STACK}",pod=~"digits-.*"'
    for metric in (
        "model_server_ready",
        f"kube_pod_status_ready{{{pod}}}",
        f"container_memory_working_set_bytes{{{pod}}}",
        "node_memory_MemAvailable_bytes",
    ):
        wait_until(lambda metric=metric: prometheus.value(metric) is not None, metric, SECONDS)
    # Of other stacks in the same cluster nothing is read.
    namespaces = prometheus.get("label/namespace/values")
    assert set(namespaces) <= {STACK, WATCHERS, f"{WATCHERS}-nodes", "kube-system", ""} | _of_kubelets(prometheus)
    workspace.preview("--expect-no-changes")


def _of_kubelets(prometheus: Prometheus) -> set[str]:
    """Namespaces of containers: a kubelet tells of all that run on its node, or ran since Prometheus asks it."""
    result = prometheus.get("query", query='count by (namespace) (last_over_time({job="kubelet"}[1h]))')["result"]
    return {sample["metric"].get("namespace", "") for sample in result}


@pytest.fixture
def second(workspace: Workspace) -> Iterator[Workspace]:
    """Another stack of the same cluster, with the image that the first one built and without monitoring of its own."""
    second = replace(workspace, stack=f"{STACK}-second")
    digits = {"image": workspace.outputs()["models"]["digits"]["image"], "slo": {"availability": 99.9}}
    second.write_config({"config": {"model-serving:cluster": "local"}})
    second.set_config(
        namespace=second.stack,
        models={"digits": digits},
        monitoring={"mode": "stack", "stack": f"organization/model-serving/{STACK}"},
    )
    second.pulumi("stack", "init", second.stack)
    yield second
    second.pulumi("destroy", "--yes", "--skip-preview", "--stack", second.stack, check=False)


def test_another_stack_is_watched_once_the_first_one_shares_what_it_has(
    workspace: Workspace, second: Workspace, prometheus: Prometheus
) -> None:
    refused = second.preview(check=False)
    assert refused.returncode != 0
    assert f"stack organization/model-serving/{STACK} keeps its monitoring to itself" in refused.stdout + refused.stderr

    monitoring = workspace.read_config()["config"]["model-serving:monitoring"]
    workspace.set_config(monitoring=monitoring | {"shared": True})
    workspace.up()
    second.up()
    namespace = f'namespace="{second.stack}"'
    # Its server, its rules, and what the API server knows of its pods; those of the first are watched as before.
    for expression in (
        f'up{{{namespace},job="digits"}} == 1',
        f"model:slo_objective:ratio{{{namespace}}}",
        f"kube_pod_status_ready{{{namespace}}}",
        f'up{{namespace="{STACK}",job="digits"}} == 1',
    ):
        wait_until(lambda asked=expression: prometheus.value(asked) is not None, expression, 2 * SECONDS)
    second.preview("--expect-no-changes")
    # Where Prometheus is, the second one knows from the first.
    second.toolchain("report")
    assert "digits" in (second.path / f"report-{second.stack}.html").read_text()


def test_alertmanagers_configuration_is_right_and_holds_no_address(
    workspace: Workspace, local_cluster: LocalCluster, webhook: Webhook
) -> None:
    secrets = json.loads(local_cluster.kubectl("get", "secrets", "-ojson", namespace=WATCHERS))["items"]
    [config] = [entry for entry in secrets if entry["metadata"]["name"].startswith("alertmanager-config")]
    told = subprocess.run(
        ["base64", "--decode"], input=config["data"]["alertmanager.yaml"], capture_output=True, text=True, check=True
    ).stdout
    assert webhook.url not in told
    file = workspace.path / "alertmanager.yaml"
    file.write_text(told)
    done = subprocess.run([bin_folder() / "amtool", "check-config", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 receivers" in done.stdout
    assert webhook.url not in workspace.pulumi("stack", "export", "--stack", STACK).stdout


def test_a_failing_model_is_told_of_and_so_is_its_recovery(
    workspace: Workspace, prometheus: Prometheus, local_cluster: LocalCluster, webhook: Webhook
) -> None:
    """The alert of a fast burn, by the rules that the stack declares, in time that passes 60 times as fast."""
    good = workspace.outputs()["models"]["digits"]["image"]
    models = workspace.read_config()["config"]["model-serving:models"]
    broken = failing_for_bright_pixels(Image(good))
    deployed = {key: value for key, value in models["digits"].items() if key != "source"}
    workspace.set_config(models={"digits": deployed | {"image": broken.reference}})
    workspace.up()
    _quicken(local_cluster)

    port = workspace.outputs()["models"]["digits"]["nodePort"]
    answers: Counter[int] = Counter()

    def send(failing: bool) -> None:
        """One in twenty requests is of the kind that fails, while there are some."""
        for number, (request, _) in enumerate(examples(workspace.path / "model/digits") * 2):
            body = json.loads(json.dumps(request))
            if failing and number == 0:
                body["inputs"][0]["data"][0] = 1e6
            status = httpx.post(f"http://127.0.0.1:{port}/v2/models/digits/infer", json=body, timeout=10).status_code
            answers[status] += 1

    def fired() -> bool:
        send(failing=True)
        return bool(webhook.alerts("firing"))

    wait_until(fired, f"the alert at the webhook: {prometheus.get('alerts')}", 2 * SECONDS)
    assert answers.keys() == {200, 503}
    assert answers[503] / answers.total() == 0.05
    [alert, *_] = webhook.alerts("firing")
    assert alert["labels"]["model"] == "digits"
    assert alert["labels"]["severity"] == "critical"
    assert alert["labels"]["stack"] == STACK
    assert "monitoring" in alert["annotations"]["runbook_url"]

    def resolved() -> bool:
        send(failing=False)
        return bool(webhook.alerts("resolved"))

    wait_until(resolved, f"its end at the webhook: {prometheus.get('alerts')}", 3 * SECONDS)


def _quicken(cluster: LocalCluster) -> None:
    """Divide every duration of the stack's rules by the scale, as the operator has them; names keep theirs."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}

    def quick(duration: re.Match[str]) -> str:
        return f"{max(1, int(duration[1]) * units[duration[2]] // SCALE)}s"

    [rules] = json.loads(cluster.kubectl("get", "prometheusrules", "-ojson", namespace=STACK))["items"]
    for group in rules["spec"]["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"(?<=\[)(\d+)([smhd])(?=\])", quick, rule["expr"])
            if "for" in rule:
                rule["for"] = re.sub(r"^(\d+)([smhd])$", quick, rule["for"])
    patch = json.dumps({"spec": rules["spec"]})
    cluster.kubectl("patch", "prometheusrule", rules["metadata"]["name"], "--type=merge", "-p", patch, namespace=STACK)


POOL = {
    "provider": "existing",
    "nodeSelector": {"example.com/pool": "l4"},
    "gpu": {"type": "nvidia-l4"},
    "maxNodes": 2,
}


def test_the_api_server_admits_what_cannot_run_here(
    workspace: Workspace, local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grafana under Pod Security restricted, and DCGM exporter in the namespace that is for it."""
    monkeypatch.chdir(workspace.path)
    asyncio.set_event_loop(asyncio.new_event_loop())  # which Pulumi's mocks take for granted
    recording = record(
        {
            "cluster": "local",
            "namespace": STACK,
            "nodePools": {"l4": POOL},
            "monitoring": {"mode": "install", "namespace": WATCHERS},
        }
    )
    seen = set()
    for resource in recording.resources:
        if not re.match(r"grafana-|node-metrics-gpu-", resource.name) or not resource.type.startswith("kubernetes:"):
            continue
        kind = resource.type.rpartition(":")[2]
        if kind not in ("Deployment", "DaemonSet", "ConfigMap", "Service", "PodMonitor"):
            continue
        api = {"Deployment": "apps/v1", "DaemonSet": "apps/v1", "PodMonitor": "monitoring.coreos.com/v1"}
        entry = {**resource.inputs, "apiVersion": api.get(kind, "v1"), "kind": kind}
        namespace = entry["metadata"]["namespace"]
        entry["metadata"] = {"name": "dry-run", **entry["metadata"]}
        documents = [entry]
        if kind in ("Deployment", "DaemonSet"):
            # What makes pods is accepted with a warning where the pods are not admitted; the pod itself is not.
            spec = {**entry["spec"]["template"]["spec"], "serviceAccountName": "default"}
            metadata = {"namespace": namespace, "name": "dry-run"}
            documents.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        for document in documents:
            local_cluster.kubectl(
                "create",
                "--dry-run=server",
                "--validate=strict",
                "-f-",
                namespace=namespace,
                stdin=json.dumps(document),
            )
        seen.add((resource.name.split("-")[0], kind))
    assert {("grafana", "Deployment"), ("grafana", "ConfigMap"), ("node", "DaemonSet")} <= seen

"""A cluster's own Prometheus watches a stack: it is told which labels it lacks, every rule has data, replicas follow.

Prometheus, its operator and prometheus-adapter are real and run here. KEDA is not run: the API server validates the
ScaledObject against KEDA's own definition.
"""

import json
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from components.config import ModelConfig
from components.planning.monitoring_stack import prometheus_url
from components.planning.triggers import scaled_object, targets
from tests.support.cluster import LocalCluster, toolchain
from tests.support.load import Load
from tests.support.operated import Watcher, custom_metrics, watcher
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"watched-{uuid.uuid4().hex[:6]}"
WATCHERS = f"{STACK}-prometheus"
LABELS = {"release": STACK}
MINUTES = 60.0
KEDA = "github.com/kedacore/keda/v2@v2.18.0"
KEDA_SUM = "h1:ttR223fii/4QJ0YvtrhcWHaEoezByb/t5CeFopjl6EI="
AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}
REPLICAS = {
    "min": 1,
    "max": 2,
    "targetInFlight": 1,
    "targetQueueTime": "1s",
    "behavior": {"scaleUp": AT_ONCE, "scaleDown": AT_ONCE},
}
# Requests wait for others: so they are in flight for some time, as those of a larger model would be.
SLOWED = {"MAX_BATCH_SIZE": "64", "MAX_BATCH_DELAY_SECONDS": "0.2"}


@pytest.fixture
def model() -> ModelConfig:
    """One that may have no pod."""
    wake = {"query": "sum(rate(nginx_ingress_controller_requests[2m]))", "threshold": 10}
    replicas = {"min": 0, "max": 3, "targetInFlight": 4, "targetCPUUtilization": 80, "keda": {"wake": wake}}
    return ModelConfig.model_validate({"image": f"registry.example.com/m@sha256:{'a' * 64}", "replicas": replicas})


@pytest.fixture(scope="module")
def prometheus(local_cluster: LocalCluster) -> Iterator[Watcher]:
    toolchain("start", "--addon", "monitoring")
    with watcher(local_cluster, WATCHERS, LABELS) as found:
        yield found


@pytest.fixture(scope="module")
def workspace(
    local_cluster: LocalCluster, prometheus: Watcher, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The example model with an objective and a range of replicas, for a Prometheus that selects other labels."""
    home = tmp_path_factory.mktemp("watched")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    models = workspace.read_config()["config"]["model-serving:models"]
    digits = models["digits"] | {
        "replicas": REPLICAS,
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "service": {"type": "NodePort"},
        "slo": {"availability": 99.9, "latencyP99": "500ms"},
        "env": SLOWED,
    }
    workspace.set_config(
        namespace=STACK,
        models={"digits": digits},
        monitoring={"mode": "existing", "namespace": WATCHERS, "scrapeInterval": "5s", "labels": {"release": "wrong"}},
    )
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def preview(workspace: Workspace) -> tuple[int, str]:
    """What `make preview` ends with and says, once no other command of this machine's toolchain is at work."""
    said: list[tuple[int, str]] = []

    def ran() -> bool:
        done = workspace.toolchain("preview", check=False)
        said.append((done.returncode, done.stdout + done.stderr))
        return "another command is at work" not in done.stderr

    wait_until(ran, "a preview", 3 * MINUTES)
    return said[-1]


def test_a_wrong_label_is_told_with_the_right_one(workspace: Workspace) -> None:
    code, said = preview(workspace)
    assert code == 1, said
    command = f"pulumi config set --path model-serving:monitoring.labels.release {STACK} --stack {STACK}"
    for kind in ("PodMonitor", "PrometheusRule"):
        assert f"no Prometheus looks at this stack's {kind}s: " in said
    assert command in " ".join(said.split())
    # The toolchain has started one, for a model that is scaled by what it measures.
    assert "no adapter answers" not in said
    monitoring = workspace.read_config()["config"]["model-serving:monitoring"]
    workspace.set_config(monitoring=monitoring | {"labels": LABELS})
    assert "no Prometheus looks at" not in preview(workspace)[1]


def test_every_rule_has_data(workspace: Workspace, prometheus: Watcher) -> None:
    monitoring = workspace.read_config()["config"]["model-serving:monitoring"]
    workspace.set_config(monitoring=monitoring | {"labels": LABELS})
    workspace.up()
    port = workspace.outputs()["models"]["digits"]["nodePort"]
    wait_until(lambda: prometheus.value(f'up{{namespace="{STACK}",job="digits"}}') == 1, "the target", 2 * MINUTES)
    series = f'{{namespace="{STACK}",model="digits",__name__=~"model:.+"}}'

    def without_data() -> set[str]:
        recorded = {rule["name"] for rule in prometheus.rules() if rule["type"] == "recording"}
        return recorded - {sample["metric"]["__name__"] for sample in prometheus.query(series)}

    with Load(port, "digits", workspace.path / "model/digits") as load:
        wait_until(lambda: prometheus.rules() and not without_data(), "a sample of every recorded series", 3 * MINUTES)
    assert dict(load.failures) == {}
    rules = [rule for rule in prometheus.rules() if rule["query"].count(STACK)]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert len([rule for rule in rules if rule["type"] == "alerting"]) == 11
    assert [rule["name"] for rule in rules if rule.get("state") not in (None, "inactive")] == []
    assert (prometheus.value(f'model:requests:rate5m{{namespace="{STACK}"}}') or 0) > 0
    remaining = prometheus.query(f'model:slo_budget_remaining:ratio{{namespace="{STACK}"}}')
    assert {sample["metric"]["slo"]: float(sample["value"][1]) for sample in remaining} == {
        "availability": 1,
        "latency": 1,
    }


@pytest.fixture
def scaled_objects(local_cluster: LocalCluster) -> Iterator[None]:
    """KEDA's definition of a ScaledObject."""
    done = subprocess.run(["go", "mod", "download", "-json", KEDA], check=True, capture_output=True, text=True)
    module = json.loads(done.stdout)
    assert module["Sum"] == KEDA_SUM
    definition = f"{module['Dir']}/config/crd/bases/keda.sh_scaledobjects.yaml"
    local_cluster.kubectl("apply", "--server-side", f"-f{definition}", namespace="default")
    local_cluster.kubectl("wait", "--for=condition=Established", f"-f{definition}", namespace="default")
    yield
    local_cluster.kubectl("delete", f"-f{definition}", "--wait=false", namespace="default")


@pytest.mark.usefixtures("scaled_objects")
def test_a_scaled_object_is_one_by_kedas_own_definition(model: ModelConfig, local_cluster: LocalCluster) -> None:
    found = targets(model, watched=True)
    spec = scaled_object(model, "digits-server-1", found, "models", "digits", prometheus_url("monitoring"))
    document = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "digits"}, "spec": spec}

    def create(document: dict[str, Any]) -> str:
        arguments = ("create", "--dry-run=server", "--validate=strict", "-f-")
        return local_cluster.kubectl(*arguments, namespace="default", stdin=json.dumps(document))

    wait_until(lambda: "scaledobjects" in local_cluster.kubectl("api-resources", namespace="default"), "its kind")
    assert "digits created" in create(document)
    wrong = {**document, "spec": spec | {"fallback": {"failureThreshold": 3, "behavior": "guess"}}}
    with pytest.raises(AssertionError, match="behavior"):
        create(wrong)


class Seen:
    """What the cluster says of the model now."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def get(self, kind: str) -> dict[str, Any]:
        (item,) = json.loads(self._cluster.kubectl("get", kind, "-o", "json", namespace=STACK))["items"]
        return item

    def ready(self) -> int:
        return self.get("deployments")["status"].get("readyReplicas", 0)

    def asked_for(self) -> int:
        return self.get("deployments")["spec"]["replicas"]

    def why(self) -> str:
        return self._cluster.kubectl("describe", "hpa", namespace=STACK)


def test_requests_in_flight_add_a_pod_and_their_end_takes_it_away(
    workspace: Workspace, local_cluster: LocalCluster
) -> None:
    """By the prometheus-adapter that the toolchain started for this stack, and its own Prometheus."""
    seen = Seen(local_cluster)
    port = workspace.outputs()["models"]["digits"]["nodePort"]
    # The load of the test before may have added one.
    wait_until(lambda: seen.asked_for() == 1, f"one pod without load\n{seen.why()}", 4 * MINUTES)
    for metric in ("model_pod_requests_in_flight", "model_pod_queue_milliseconds"):
        wait_until(lambda metric=metric: custom_metrics(local_cluster, STACK, metric), metric, 2 * MINUTES)
    # Each thread has a request in flight nearly all the time.
    with Load(port, "digits", workspace.path / "model/digits", threads=4, pause=0.01) as load:
        wait_until(lambda: seen.ready() == 2, f"a second pod under load\n{seen.why()}", 4 * MINUTES)
    assert load.right > 0
    assert dict(load.failures) == {}
    wait_until(lambda: seen.asked_for() == 1, f"one pod without load\n{seen.why()}", 4 * MINUTES)
    conditions = {entry["type"]: entry for entry in seen.get("horizontalpodautoscalers")["status"]["conditions"]}
    assert conditions["ScalingActive"]["status"] == "True"
    workspace.preview("--expect-no-changes")

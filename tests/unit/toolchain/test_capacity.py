"""A preview's plan held against what a cluster has left."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.planning.capacity import Demand, NodeShape, PodRequest
from tests.unit.components.recording import DIGEST, record
from toolchain import capacity, operations
from toolchain.errors import ToolchainError
from toolchain.stack import Stack

MI, GI = 2**20, 2**30
LABELS = {"app.kubernetes.io/part-of": "model-serving", "app.kubernetes.io/instance": "dev-digits"}


def plan(op: str = "update", monitoring: dict[str, Any] | None = None, **model: Any) -> list[dict[str, Any]]:
    """What the program declares for one model, as an event log has it."""
    digits = {"image": f"registry.example.com/digits@{DIGEST}"} | model
    watched = {"monitoring": monitoring} if monitoring else {}
    recording = record({"cluster": "local", "namespace": "models", "models": {"digits": digits}, **watched})
    return [{"op": op, "type": resource.type, "inputs": resource.inputs} for resource in recording.resources]


def node(
    name: str,
    cpu: str = "2",
    taints: tuple[str, ...] = (),
    key: str = "k",
    gpus: int = 0,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    allocatable = {"cpu": cpu, "memory": "2097152Ki", "pods": "110"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec | {"taints": [{"key": key, "effect": effect} for effect in taints]},
        "status": {"allocatable": allocatable},
    }


def pod(node: str | None, cpu: str, namespace: str = "other", labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "labels": labels or {}},
        "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}]},
    }


class Cluster:
    """Answers like `Kube`."""

    def __init__(self, nodes: list[dict[str, Any]], pods: list[dict[str, Any]]) -> None:
        self.answers = {"/api/v1/nodes": nodes, "/api/v1/pods": pods, "/version": []}

    def get(self, path: str, **_: str) -> dict[str, Any]:
        return {"items": self.answers[path]}


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_plan_is_the_engines_last_word_on_each_resource(tmp_path: Path) -> None:
    def event(urn: str, new: dict[str, Any] | None) -> str:
        return json.dumps({"resourcePreEvent": {"metadata": {"op": "create", "urn": urn, "new": new}}})

    log = tmp_path / "events"
    kept, deleted = {"type": "t", "inputs": {"a": 1}}, None
    log.write_text("\n".join([json.dumps({"summaryEvent": {}}), event("u:kept", kept), event("u:gone", deleted)]))
    assert capacity.planned(log) == [{"op": "create"} | kept]


def test_the_demand_is_what_the_program_declares() -> None:
    requests = {"requests": {"cpu": "300m", "memory": "100M"}}
    [demand] = capacity.demands(plan(replicas=2, resources=requests, rollout={"maxSurge": 2}))
    pod = PodRequest(cpu=300, memory=10**8)
    assert demand == Demand(model="digits", pod=pod, least=2, most=2, surge=2)


def test_an_autoscalers_maximum_counts() -> None:
    [demand] = capacity.demands(plan(replicas={"min": 1, "max": 5}))
    assert (demand.least, demand.most, demand.peak) == (1, 5, 6)


def test_kedas_maximum_counts_as_well() -> None:
    wake = {"query": "sum(rate(requests[2m]))", "threshold": 10}
    scaled = {"min": 1, "max": 5, "targetInFlight": 4, "keda": {"wake": wake}}
    [demand] = capacity.demands(plan(replicas=scaled, monitoring={"mode": "existing"}))
    assert (demand.least, demand.most) == (1, 5)


def test_what_is_no_model_is_not_counted() -> None:
    """Deployments of charts and of the monitoring have no strategy, and labels of their own or none."""
    bare = {"spec": {"template": {"spec": {"containers": [{}]}}}}
    chart = {"op": "create", "type": "kubernetes:apps/v1:Deployment", "inputs": bare}
    labels = {"labels": {"app.kubernetes.io/name": "grafana", "app.kubernetes.io/component": "grafana"}}
    scaler = {
        "op": "create",
        "type": "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
        "inputs": {"metadata": labels, "spec": {"maxReplicas": 3}},
    }
    others = [chart, chart | {"inputs": bare | {"metadata": labels}}, scaler]
    assert capacity.demands(others) == []
    assert capacity.demands([*others, *plan()]) == capacity.demands(plan())


def test_what_is_installed_to_watch_is_no_model() -> None:
    installed = plan(monitoring={"mode": "install", "install": {"imageRegistry": "localhost:5001"}})
    assert len([entry for entry in installed if entry["type"] == "kubernetes:apps/v1:Deployment"]) > 1
    assert capacity.demands(installed) == capacity.demands(plan())


def test_what_an_update_leaves_alone_takes_its_room_and_no_more() -> None:
    changed, left = plan(replicas=2), plan("same", replicas=3)
    assert [demand.peak for demand in capacity.demands([*changed, *left])] == [3, 3]
    assert capacity.demands(left) == []


def test_models_that_are_bound_to_nodes_are_the_programs_to_count() -> None:
    resources = plan()
    [deployment] = [resource for resource in resources if resource["type"].endswith(":Deployment")]
    deployment["inputs"]["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "l4"}
    assert capacity.demands(resources) == []


L4 = {"provider": "existing", "nodeSelector": {"pool": "l4"}, "gpu": {"type": "nvidia-l4", "count": 2}}


def pooled(**model: Any) -> list[dict[str, Any]]:
    digits = {"image": f"registry.example.com/digits@{DIGEST}", "nodePool": "l4"} | model
    stack = {"cluster": "local", "namespace": "models", "models": {"digits": digits}, "nodePools": {"l4": L4}}
    return [{"op": "create", "type": entry.type, "inputs": entry.inputs} for entry in record(stack).resources]


def test_models_on_a_pool_of_others_ask_for_its_gpus() -> None:
    planned = pooled(replicas=2, gpus=2)
    place = capacity.place_of(planned, L4["nodeSelector"])
    assert place.resources == {"nvidia.com/gpu"}
    [demand] = capacity.demands(planned, place)
    assert (demand.pod.gpus, demand.peak) == (2, 3)
    assert capacity.demands(planned) == []
    tainted = node("a", gpus=4, labels={"pool": "l4"}, taints=("NoSchedule",), key="nvidia.com/gpu")
    others = [node("b"), node("c", labels={"pool": "l4"}, taints=("NoSchedule",), key="of-others")]
    busy = pod("a", "1")
    busy["spec"]["containers"][0]["resources"]["limits"] = {"nvidia.com/gpu": "1"}
    kube = Cluster([tainted, *others], [busy])
    left = capacity.free(capacity.live(kube), "dev", "models", place)  # pyright: ignore[reportArgumentType]
    assert left == [NodeShape(cpu=1000, memory=GI, gpus=3, pods=109)]


def test_a_pod_asks_for_its_containers_together_or_for_its_largest_init_container() -> None:
    def container(cpu: str, memory: str, **more: Any) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu, "memory": memory}}} | more

    spec = {
        "containers": [container("250m", "1Gi"), {}],
        "initContainers": [container("2", "10Mi"), container("100m", "64Mi", restartPolicy="Always")],
        "overhead": {"cpu": "10m"},
    }
    assert capacity.request(spec) == PodRequest(cpu=2010, memory=GI + 64 * MI)


def test_free_is_what_others_leave_on_nodes_that_take_any_pod() -> None:
    kube = Cluster(
        [node("a"), node("soft", taints=("PreferNoSchedule",)), node("gpu", taints=("NoSchedule",)),
         node("drained", unschedulable=True)],
        [pod("a", "500m"), pod("a", "250m", "models", LABELS), pod("gpu", "1"), pod(None, "1"),
         pod("a", "100m", "models", LABELS | {"app.kubernetes.io/instance": "prod-digits"})],
    )  # fmt: skip
    left = capacity.free(capacity.live(kube), "dev", "models")  # pyright: ignore[reportArgumentType]
    assert left == [
        NodeShape(cpu=1400, memory=0, gpus=0, pods=108),
        NodeShape(cpu=2000, memory=2 * GI, gpus=0, pods=110),
    ]


class TestPreview:
    """`make preview` of a stack whose cluster answers."""

    @pytest.fixture
    def compare(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
        def call(
            settings: dict[str, Any], replicas: int, cluster: Any, planned: list[dict[str, Any]] | None = None
        ) -> int:
            log = tmp_path / "events"
            planned = planned or plan(replicas=replicas)
            events = [{"op": "create", "urn": f"u{i}", "new": resource} for i, resource in enumerate(planned)]
            log.write_text("\n".join(json.dumps({"resourcePreEvent": {"metadata": event}}) for event in events))
            monkeypatch.setattr(operations, "Kube", lambda stack: cluster)
            stack = Stack("dev", "model-serving", tmp_path, {"namespace": "models"} | settings, None)
            return operations._compare_with_the_cluster(stack, log)

        return call

    def test_what_fits_is_not_talked_about(
        self, compare: Callable[..., int], capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert compare({}, 7, Cluster([node("a")], [])) == 0
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize(("check", "code"), [(None, 1), ("error", 1), ("warn", 0)])
    def test_what_does_not_is_shown_in_numbers(
        self, compare: Callable[..., int], capfd: pytest.CaptureFixture[str], check: str | None, code: int
    ) -> None:
        settings = {"capacityCheck": check} if check else {}
        assert compare(settings, 7, Cluster([node("a")], [pod("a", "500m")])) == code
        said = " ".join(capfd.readouterr().err.split())
        assert said.startswith(
            f"{'error' if code else 'warning'}: the cluster has no room for this update now: digits: 7 replicas + 1 of "
            "an update = 8 pods, each cpu 0.25, memory 0.25Gi, 4 without a node; free: cpu 1.5, memory 1Gi on 1 node "
        )
        assert "maxSurge" in said

    @pytest.mark.parametrize(("most", "code"), [({}, 1), ({"maxNodes": 1}, 1), ({"maxNodes": 2}, 0)])
    def test_a_pool_of_others_that_cannot_grow_is_a_limit(
        self, compare: Callable[..., int], capfd: pytest.CaptureFixture[str], most: dict[str, int], code: int
    ) -> None:
        settings = {"nodePools": {"l4": L4 | most}}
        cluster = Cluster([node("a", gpus=2, labels={"pool": "l4"}), node("b")], [])
        assert compare(settings, 0, cluster, pooled(replicas=2, gpus=1)) == code
        said = " ".join(capfd.readouterr().err.split())
        assert said.startswith(
            "error: node pool l4 has no room for this update now: digits: 2 replicas + 1 of an update = 3 pods, each "
            "cpu 0.25, memory 0.25Gi, GPUs 1, 1 without a node; free: cpu 2, memory 2Gi, GPUs 2 on 1 node"
            if code
            else ""
        )

    def test_nothing_is_asked_where_nobody_wants_to_know(self, compare: Callable[..., int]) -> None:
        assert compare({"capacityCheck": "off"}, 7, Cluster([], [])) == 0

    def test_a_user_who_may_not_list_nodes_is_told_so(
        self, compare: Callable[..., int], capfd: pytest.CaptureFixture[str]
    ) -> None:
        class Forbidden(Cluster):
            def get(self, path: str, **_: str) -> dict[str, Any]:
                if path != "/version":
                    raise ToolchainError(f"GET {path}", "HTTP 403: forbidden")
                return {}

        assert compare({}, 1, Forbidden([], [])) == 0
        assert "free capacity is not known, GET /api/v1/nodes failed: HTTP 403" in capfd.readouterr().err

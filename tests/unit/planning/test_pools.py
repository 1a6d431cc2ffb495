"""Node pools as models see them."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter

from components.config import ModelConfig, NodePoolConfig
from components.planning import pools
from components.planning.names import selector_labels
from components.planning.pod import PodInputs, annotations, pod_spec
from components.planning.pools import NodePool, Taint, node_pool
from components.planning.runtimes import runtime_of

Model = Callable[..., ModelConfig]
KARPENTER: dict[str, Any] = {"provider": "karpenter", "gpu": {"type": "nvidia-l4"}, "maxNodes": 4}
GKE = KARPENTER | {"provider": "gke", "cluster": "ml", "location": "europe-west4", "machineType": "g2-standard-8"}
EKS = KARPENTER | {
    "provider": "eks",
    "cluster": "ml",
    "nodeRole": "arn:aws:iam::123456789012:role/nodes",
    "subnets": ["subnet-0123456789abcdef0"],
    "machineTypes": ["g6.xlarge", "g6.2xlarge"],
}
AKS = KARPENTER | {"provider": "aks", "cluster": "ml", "resourceGroup": "ml", "machineType": "Standard_NC4as_T4_v3"}
EXISTING: dict[str, Any] = {"provider": "existing", "nodeSelector": {"pool": "l4"}, "gpu": {"type": "l4"}}
GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def plan(section: dict[str, Any], **changes: Any) -> NodePool:
    config: Any = TypeAdapter(NodePoolConfig).validate_python(section | changes)
    return node_pool("dev", "l4", config)


def pod(config: ModelConfig, pool: NodePool | None) -> dict[str, Any]:
    inputs = PodInputs(
        image="registry.example.com/m@sha256:" + "a" * 64,
        settings="digits-settings-1",
        settings_files=None,
        secrets=(),
        account="digits-account-1",
        pull_secret=None,
        pool=pool,
    )
    return dict(pod_spec(config, runtime_of("digits", config), inputs, selector_labels("dev", "digits")))


@pytest.mark.parametrize("section", [KARPENTER, GKE, EKS, AKS], ids=lambda section: section["provider"])
def test_the_nodes_of_a_created_pool_are_found_by_the_label_that_they_get(section: dict[str, Any]) -> None:
    pool = plan(section, labels={"team": "vision"})
    assert pool.node_selector == {"model-serving/node-pool": "dev-l4"}
    assert pool.labels == {"model-serving/node-pool": "dev-l4", "team": "vision"}
    assert pool.taints == (Taint(key="nvidia.com/gpu", value="present"),)
    assert (pool.gpu_type, pool.gpu_resource, pool.gpus_per_node) == ("nvidia-l4", "nvidia.com/gpu", 1)
    assert (pool.min_nodes, pool.max_nodes) == (0, 4)


def test_machine_types() -> None:
    assert plan(GKE).machine_types == ("g2-standard-8",)
    assert plan(EKS).machine_types == ("g6.xlarge", "g6.2xlarge")
    assert plan(KARPENTER).machine_types == ()


def test_existing_nodes_are_what_the_configuration_says() -> None:
    pool = plan(EXISTING, taints=[{"key": "team", "value": "vision", "effect": "NoExecute"}])
    assert pool.node_selector == {"pool": "l4"}
    assert pool.labels == {}
    assert (pool.min_nodes, pool.max_nodes) == (None, None)
    assert pools.tolerations(pool) == [{"key": "team", "operator": "Exists", "effect": "NoExecute"}, GPU_TOLERATION]


def test_a_gpu_taint_of_ones_own_is_not_doubled() -> None:
    pool = plan(KARPENTER, taints=[{"key": "nvidia.com/gpu", "value": "true"}])
    assert pool.taints == (Taint(key="nvidia.com/gpu", value="true"),)
    assert pools.tolerations(pool) == [GPU_TOLERATION]


@pytest.mark.parametrize(
    ("gpu", "resource", "amount"),
    [
        ({"type": "l4"}, "nvidia.com/gpu", 1),
        ({"type": "l4", "count": 4}, "nvidia.com/gpu", 4),
        ({"type": "l4", "count": 2, "timeSlicing": 4}, "nvidia.com/gpu", 8),
        ({"type": "l4", "timeSlicing": 4, "resource": "nvidia.com/gpu.shared"}, "nvidia.com/gpu.shared", 4),
        ({"type": "a100", "count": 8, "mig": {"profile": "3g.20gb", "perGpu": 2}}, "nvidia.com/gpu", 16),
        (
            {"type": "a100", "mig": {"profile": "1g.5gb", "perGpu": 7}, "resource": "nvidia.com/mig-1g.5gb"},
            "nvidia.com/mig-1g.5gb",
            7,
        ),
    ],
)
def test_what_a_node_has_to_give(gpu: dict[str, Any], resource: str, amount: int) -> None:
    pool = plan(EXISTING, gpu=gpu)
    assert (pool.gpu_resource, pool.gpus_per_node) == (resource, amount)


@pytest.mark.parametrize(("most", "nodes"), [(None, 4), (32, 4), (24, 3), (31, 3), (8, 1)])
def test_a_limit_of_gpus_is_one_of_nodes(most: int | None, nodes: int) -> None:
    assert plan(KARPENTER, gpu={"type": "a100", "count": 8}, maxGpus=most).max_nodes == nodes


class TestSharing:
    """Nodes are labelled for the software that shares their GPUs, where the cloud does not do it itself."""

    MIG: ClassVar[dict[str, Any]] = {"type": "a100", "mig": {"profile": "1g.5gb", "perGpu": 7}}
    SLICES: ClassVar[dict[str, Any]] = {"type": "l4", "timeSlicing": 4}

    @pytest.mark.parametrize("section", [KARPENTER, EKS], ids=lambda section: section["provider"])
    def test_mig_by_the_operator(self, section: dict[str, Any]) -> None:
        assert plan(section, gpu=self.MIG).labels["nvidia.com/mig.config"] == "all-1g.5gb"

    @pytest.mark.parametrize("section", [KARPENTER, EKS, AKS], ids=lambda section: section["provider"])
    def test_time_slices_by_the_device_plugin(self, section: dict[str, Any]) -> None:
        assert plan(section, gpu=self.SLICES).labels["nvidia.com/device-plugin.config"] == "time-slices-4"

    @pytest.mark.parametrize("gpu", [MIG, SLICES])
    def test_by_gke_unless_it_is_told_not_to(self, gpu: dict[str, Any]) -> None:
        assert set(plan(GKE, gpu=gpu).labels) == {"model-serving/node-pool"}
        assert set(plan(GKE, gpu=gpu, driver="disabled").labels) > {"model-serving/node-pool"}

    def test_cards_are_split_by_aks_and_told_of_by_the_device_plugin(self) -> None:
        labels = plan(AKS, gpu=self.MIG).labels
        assert labels == {"model-serving/node-pool": "dev-l4", "nvidia.com/device-plugin.config": "mig-single"}


class TestSpot:
    @pytest.mark.parametrize("section", [GKE, EKS, AKS], ids=lambda section: section["provider"])
    def test_pods_try_spot_nodes_first(self, section: dict[str, Any], model: Model) -> None:
        [term] = pod(model(), plan(section, spot="preferred"))["affinity"]["node_affinity"][
            "preferred_during_scheduling_ignored_during_execution"
        ]
        assert term["preference"] == {
            "match_expressions": [{"key": "model-serving/capacity-type", "operator": "In", "values": ["spot"]}]
        }

    @pytest.mark.parametrize("spot", ["never", "only"])
    def test_where_all_nodes_are_alike_there_is_nothing_to_prefer(self, spot: str, model: Model) -> None:
        assert "node_affinity" not in pod(model(), plan(GKE, spot=spot))["affinity"]

    def test_karpenter_prefers_spot_itself(self, model: Model) -> None:
        assert "node_affinity" not in pod(model(), plan(KARPENTER, spot="preferred"))["affinity"]

    @pytest.mark.parametrize(("spot", "tolerated"), [("never", False), ("preferred", True), ("only", True)])
    def test_the_taint_of_azures_spot_nodes_is_tolerated(self, spot: str, tolerated: bool) -> None:
        keys = [toleration["key"] for toleration in map(dict, pools.tolerations(plan(AKS, spot=spot)))]  # pyright: ignore
        assert ("kubernetes.azure.com/scalesetpriority" in keys) is tolerated


class TestPod:
    def test_it_goes_to_the_pool_and_has_its_gpus(self, model: Model) -> None:
        spec = pod(model(gpus=2), plan(KARPENTER, gpu={"type": "l4", "count": 4}))
        assert spec["node_selector"] == {"model-serving/node-pool": "dev-l4"}
        assert spec["tolerations"] == [GPU_TOLERATION]
        assert spec["containers"][0]["resources"] == {
            "requests": {"cpu": "250m", "memory": "256Mi"},
            "limits": {"memory": "512Mi", "nvidia.com/gpu": "2"},
        }

    def test_one_gpu_unless_more_are_asked_for(self, model: Model) -> None:
        assert pools.gpus_of(model(), plan(KARPENTER)) == 1
        assert pools.gpus_of(model(gpus=3), plan(KARPENTER)) == 3

    def test_nodes_without_gpus(self, model: Model) -> None:
        pool = plan({"provider": "existing", "nodeSelector": {"pool": "cpu"}})
        spec = pod(model(), pool)
        assert spec["node_selector"] == {"pool": "cpu"}
        assert spec["tolerations"] == []
        assert "nvidia.com/gpu" not in repr(spec)
        assert pools.gpus_of(model(), pool) == 0

    def test_without_a_pool_nothing_is_added(self, model: Model) -> None:
        spec = pod(model(), None)
        assert not {"node_selector", "tolerations"} & spec.keys()

    @pytest.mark.parametrize(
        ("section", "changes", "left_alone"),
        [
            (KARPENTER, {}, True),
            (KARPENTER, {"spot": "preferred"}, False),
            (KARPENTER, {"spot": "preferred", "disruption": {"doNotDisrupt": True}}, True),
            (KARPENTER, {"disruption": {"doNotDisrupt": False}}, False),
            (GKE, {}, False),
            (EXISTING, {}, False),
        ],
    )
    def test_karpenter_leaves_models_on_reserved_gpus_alone(
        self, model: Model, section: dict[str, Any], changes: dict[str, Any], left_alone: bool
    ) -> None:
        inputs = PodInputs(
            image="", settings="", settings_files=None, secrets=(), account="", pull_secret=None,
            pool=plan(section, **changes),
        )  # fmt: skip
        assert annotations(model(), inputs) == ({"karpenter.sh/do-not-disrupt": "true"} if left_alone else {})


def test_what_another_stack_is_told_is_the_same_pool() -> None:
    capacity = {"cpu": "7", "memory": "28Gi"}
    for section in (KARPENTER, GKE | {"spot": "preferred"}, AKS | {"spot": "only"}, EXISTING, EKS):
        pool = plan(section, nodeCapacity=capacity)
        assert NodePool.model_validate(pool.told()) == pool
        assert pool.told()["nodeCpu"] == "7"


def test_what_a_newer_program_tells_besides_is_ignored() -> None:
    assert NodePool.model_validate({**plan(EXISTING).told(), "somethingNew": 1}) == plan(EXISTING)

"""Node pools that the program declares with the cluster's own provider."""

from typing import Any

import pytest

from .recording import DIGITS, STACK, record

KARPENTER: dict[str, Any] = {"provider": "karpenter", "gpu": {"type": "nvidia-l4"}, "maxNodes": 4}
EXISTING: dict[str, Any] = {"provider": "existing", "nodeSelector": {"pool": "l4"}, "gpu": {"type": "l4"}}


def on_pool(pool: dict[str, Any], **model: Any) -> dict[str, Any]:
    return STACK | {"nodePools": {"l4": pool}, "models": {"digits": DIGITS | {"nodePool": "l4"} | model}}


def karpenter(**changes: Any) -> dict[str, Any]:
    return record(on_pool(KARPENTER | changes)).one("NodePool", "l4")


def requirements(**changes: Any) -> dict[str, Any]:
    declared = karpenter(**changes)["spec"]["template"]["spec"]["requirements"]
    return {requirement["key"]: requirement.get("values") for requirement in declared}


def test_a_node_pool_of_karpenter() -> None:
    assert karpenter() == {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {
            "labels": {"app.kubernetes.io/part-of": "model-serving", "app.kubernetes.io/managed-by": "pulumi"}
        },
        "spec": {
            "template": {
                "metadata": {"labels": {"model-serving/node-pool": "dev-l4"}},
                "spec": {
                    "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                    "requirements": [
                        {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
                        {"key": "karpenter.k8s.aws/instance-gpu-name", "operator": "In", "values": ["l4"]},
                        {"key": "karpenter.k8s.aws/instance-gpu-count", "operator": "In", "values": ["1"]},
                    ],
                    "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
                    "expireAfter": "Never",
                },
            },
            "disruption": {
                "consolidationPolicy": "WhenEmpty",
                "consolidateAfter": "5m",
                "budgets": [{"nodes": "1"}],
            },
            "limits": {"nvidia.com/gpu": "4"},
        },
    }


@pytest.mark.parametrize(
    ("spot", "types"), [("never", ["on-demand"]), ("preferred", ["spot", "on-demand"]), ("only", ["spot"])]
)
def test_spot_with_and_without_a_way_back(spot: str, types: list[str]) -> None:
    assert requirements(spot=spot)["karpenter.sh/capacity-type"] == types


def test_machines_are_chosen_by_type_and_by_what_the_cloud_tells_of_them() -> None:
    wanted = requirements(
        machineTypes=["g6.xlarge", "g6.2xlarge"],
        architecture="arm64",
        requirements=[{"key": "karpenter.k8s.aws/instance-hypervisor", "values": ["nitro"]}],
    )
    assert wanted["node.kubernetes.io/instance-type"] == ["g6.xlarge", "g6.2xlarge"]
    assert wanted["kubernetes.io/arch"] == ["arm64"]
    assert wanted["karpenter.k8s.aws/instance-hypervisor"] == ["nitro"]


def test_a_comparison_and_a_key_that_must_exist() -> None:
    declared = karpenter(
        requirements=[
            {"key": "karpenter.k8s.aws/instance-generation", "operator": "Gt", "values": ["5"]},
            {"key": "example.com/rack", "operator": "Exists"},
        ]
    )["spec"]["template"]["spec"]["requirements"]
    assert declared[-2:] == [
        {"key": "karpenter.k8s.aws/instance-generation", "operator": "Gt", "values": ["5"]},
        {"key": "example.com/rack", "operator": "Exists"},
    ]


def test_azure_spells_gpus_in_upper_case() -> None:
    node_class = {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "gpu"}
    wanted = requirements(nodeClass=node_class, gpu={"type": "t4", "count": 2})
    assert wanted["karpenter.azure.com/sku-gpu-name"] == ["T4"]
    assert wanted["karpenter.azure.com/sku-gpu-count"] == ["2"]


def test_the_karpenter_of_another_cloud_is_asked_only_what_all_know() -> None:
    node_class = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"}
    assert set(requirements(nodeClass=node_class)) == {
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "karpenter.sh/capacity-type",
    }


def test_disruption_as_it_is_configured() -> None:
    spec = karpenter(
        disruption={
            "consolidation": "WhenEmptyOrUnderutilized",
            "consolidateAfter": "1h",
            "budgets": [
                {"nodes": "20%"},
                {"nodes": "0", "reasons": ["Drifted"], "schedule": "0 8 * * mon-fri", "duration": "10h"},
            ],
            "expireAfter": "720h",
            "terminationGracePeriod": "2h",
        }
    )["spec"]
    assert spec["disruption"] == {
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
        "consolidateAfter": "1h",
        "budgets": [
            {"nodes": "20%"},
            {"nodes": "0", "reasons": ["Drifted"], "schedule": "0 8 * * mon-fri", "duration": "10h"},
        ],
    }
    assert spec["template"]["spec"]["expireAfter"] == "720h"
    assert spec["template"]["spec"]["terminationGracePeriod"] == "2h"


@pytest.mark.parametrize(
    ("changes", "limit"),
    [({}, "4"), ({"gpu": {"type": "a100", "count": 8}, "maxGpus": 20}, "16"), ({"maxNodes": 2}, "2")],
)
def test_the_limit_counts_gpus(changes: dict[str, Any], limit: str) -> None:
    assert karpenter(**changes)["spec"]["limits"] == {"nvidia.com/gpu": limit}


@pytest.mark.parametrize("pool", [KARPENTER, EXISTING], ids=lambda pool: pool["provider"])
def test_pods_get_what_the_pool_has(pool: dict[str, Any]) -> None:
    recording = record(on_pool(pool))
    template = recording.one("Deployment")["spec"]["template"]
    told = recording.outputs["nodePools"]["l4"]
    assert template["spec"]["nodeSelector"] == told["nodeSelector"]
    assert template["spec"]["containers"][0]["resources"]["limits"][told["gpuResource"]] == "1"
    tolerated = {(toleration["key"], toleration["effect"]) for toleration in template["spec"]["tolerations"]}
    assert {(taint["key"], taint.get("effect", "NoSchedule")) for taint in told.get("taints", [])} <= tolerated
    assert template["metadata"].get("annotations", {}) == told.get("podAnnotations", {})


def test_the_labels_that_pods_select_are_those_of_the_nodes() -> None:
    recording = record(on_pool(KARPENTER))
    selected = recording.one("Deployment")["spec"]["template"]["spec"]["nodeSelector"]
    labels = recording.one("NodePool", "l4")["spec"]["template"]["metadata"]["labels"]
    assert selected.items() <= labels.items()


def test_for_existing_nodes_nothing_is_declared() -> None:
    assert record(on_pool(EXISTING)).kinds() == record(STACK).kinds()


def test_other_models_go_wherever_there_is_room() -> None:
    models = {"digits": DIGITS | {"nodePool": "l4"}, "iris": DIGITS}
    recording = record(STACK | {"nodePools": {"l4": KARPENTER}, "models": models})
    assert "nodeSelector" not in recording.one("Deployment", "iris")["spec"]["template"]["spec"]

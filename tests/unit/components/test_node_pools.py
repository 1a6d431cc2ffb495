"""Node pools that the program declares with the cluster's own provider."""

import json
import sys
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter

from components.config import NodePoolConfig, StackPool
from components.errors import UserError
from components.gpu_node_pool import gpu_node_pool
from components.gpu_node_pool.shared import told_pool
from components.planning.charts import archive
from components.planning.gpu_support import CHARTS

from .recording import DIGITS, ROOT, STACK, record

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


class TestSharedPools:
    """Pools of another stack, which tells about them in its outputs."""

    SHARED: ClassVar[dict[str, Any]] = {"provider": "stack", "stack": "acme/platform/shared"}

    def told(self) -> dict[str, Any]:
        """What the stack that has the pool puts out."""
        return json.loads(json.dumps(record(on_pool(KARPENTER), stack="shared").outputs["nodePools"]))

    @pytest.mark.parametrize("preview", [True, False])
    def test_pods_are_the_same_as_in_the_stack_that_has_the_pool(self, preview: bool) -> None:
        owner = record(on_pool(KARPENTER), stack="shared")
        other = record(on_pool(self.SHARED), stack="shared", preview=preview, other_stack={"nodePools": self.told()})
        template = other.one("Deployment")["spec"]["template"]
        assert template["spec"]["nodeSelector"] == {"model-serving/node-pool": "shared-l4"}
        if not preview:
            assert other.one("Deployment") == owner.one("Deployment")
        assert "NodePool" not in other.kinds()
        [reference] = [r for r in other.resources if r.type == "pulumi:pulumi:StackReference"]
        assert reference.inputs == {"name": "acme/platform/shared"}

    def test_it_may_have_another_name_here(self) -> None:
        recording = record(
            on_pool(self.SHARED | {"pool": "gpu"}), other_stack={"nodePools": {"gpu": self.told()["l4"]}}
        )
        pod = recording.one("Deployment")["spec"]["template"]["spec"]
        assert pod["nodeSelector"] == {"model-serving/node-pool": "shared-l4"}

    def test_it_can_be_passed_on(self) -> None:
        recording = record(on_pool(self.SHARED), other_stack={"nodePools": self.told()})
        assert recording.outputs["nodePools"] == self.told()

    @pytest.mark.parametrize(
        ("outputs", "told"),
        [
            (
                {},
                "model-serving:nodePools.l4.stack: stack acme/platform/shared has no output nodePools with a pool in "
                "it; allowed: a stack of this program that has nodePools -> bring that stack up first, or name another "
                "one",
            ),
            (
                {"nodePools": {"t4": {}, "a100": {}}},
                'model-serving:nodePools.l4.pool: stack acme/platform/shared has no node pool "l4"; allowed: a100, t4 '
                "-> pulumi config set --path 'model-serving:nodePools.l4.pool' a100 --stack dev",
            ),
            (
                {"nodePools": {"l4": {"nodeSelector": "all"}}},
                "model-serving:nodePools.l4.pool: what stack acme/platform/shared tells of its node pool l4 is not "
                "understood -> bring both stacks up with the same version of this program",
            ),
        ],
        ids=["no pools", "another pool", "not a pool"],
    )
    def test_one_that_is_not_there(self, outputs: dict[str, Any], told: str) -> None:
        config = StackPool.model_validate(self.SHARED)
        with pytest.raises(UserError) as caught:
            told_pool("l4", config, outputs.get("nodePools"), "dev")
        assert str(caught.value) == told


@pytest.mark.parametrize(
    ("provider", "package", "own"),
    [
        ("gke", "pulumi_gcp", {"location": "europe-west4", "machineType": "g2-standard-8"}),
        (
            "eks",
            "pulumi_aws",
            {
                "nodeRole": "arn:aws:iam::123456789012:role/nodes",
                "subnets": ["subnet-0123456789abcdef0"],
                "machineTypes": ["g6.xlarge"],
            },
        ),
        ("aks", "pulumi_azure_native", {"resourceGroup": "ml", "machineType": "Standard_NC4as_T4_v3"}),
    ],
)
def test_the_sdk_of_a_cloud_is_asked_for_only_with_its_pools(
    provider: str, package: str, own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"components.gpu_node_pool.{provider}", raising=False)
    section = KARPENTER | {"provider": provider, "cluster": "ml"} | own
    with pytest.raises(UserError) as caught:
        gpu_node_pool("l4", "dev", TypeAdapter(NodePoolConfig).validate_python(section))
    error = str(caught.value)
    assert error.startswith(
        f"model-serving:nodePools.l4.provider: {provider} needs the Python package {package.replace('_', '-')}, "
        "which is optional and not installed -> "
    )
    assert error.endswith(f" -m pip install -r requirements.txt -r requirements/{provider}.txt")
    assert (ROOT / f"requirements/{provider}.txt").read_text().startswith(f"{package.replace('_', '-')}==")


def test_a_stack_may_have_pools_for_others_and_no_models() -> None:
    recording = record({"cluster": "local", "namespace": "gpus", "nodePools": {"l4": KARPENTER}})
    assert recording.kinds() == ["Namespace", "NetworkPolicy", "NodePool"]
    assert set(recording.outputs["nodePools"]) == {"l4"}


class TestGpuSupport:
    SUPPORT: ClassVar[dict[str, Any]] = {"gpuSupport": {"install": "device-plugin"}}

    def test_a_chart_in_a_namespace_where_devices_may_be_handled(self) -> None:
        recording = record(on_pool(KARPENTER) | self.SUPPORT)
        chart = recording.one("Chart", "gpu")
        pinned = CHARTS["device-plugin"]
        assert pinned.digest
        assert (chart["name"], chart["chart"]) == ("nvidia-device-plugin", archive(pinned.digest).as_posix())
        assert not {"version", "repositoryOpts"} & set(chart)
        assert chart["namespace"] == "nvidia"
        namespace = recording.one("Namespace", "gpu")["metadata"]
        assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"

    def test_what_is_installed_is_the_archive_with_the_stack_s_digest(self) -> None:
        own = {"install": "gpu-operator", "version": "v26.7.0", "digest": "sha256:" + "7" * 64}
        chart = record(on_pool(KARPENTER) | {"gpuSupport": own}).one("Chart", "gpu")
        assert (chart["name"], chart["chart"]) == ("gpu-operator", f".build/.charts/{'7' * 64}.tgz")

    def test_it_serves_the_pools_that_have_gpus(self) -> None:
        pools = {"l4": KARPENTER, "cpu": {"provider": "existing", "nodeSelector": {"pool": "cpu"}}}
        chart = record(on_pool(KARPENTER) | {"nodePools": pools} | self.SUPPORT).one("Chart", "gpu")
        [term] = chart["values"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
            "nodeSelectorTerms"
        ]
        assert term["matchExpressions"][0]["values"] == ["dev-l4"]

    def test_it_is_not_there_unless_it_is_asked_for(self) -> None:
        assert "Chart" not in record(on_pool(KARPENTER)).kinds()

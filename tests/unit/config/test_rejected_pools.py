"""Node pools that a stack file may not describe, and the line that says so."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from .test_accepted import SMALLEST

Mistakes = Callable[..., list[str]]

KARPENTER: dict[str, Any] = {"provider": "karpenter", "gpu": {"type": "nvidia-l4"}, "maxNodes": 4}
GKE = KARPENTER | {"provider": "gke", "cluster": "ml", "location": "europe-west4", "machineType": "g2-standard-8"}
EKS = KARPENTER | {
    "provider": "eks",
    "cluster": "ml",
    "nodeRole": "arn:aws:iam::123456789012:role/nodes",
    "subnets": ["subnet-0123456789abcdef0"],
    "machineTypes": ["g6.xlarge"],
}
AKS = KARPENTER | {"provider": "aks", "cluster": "ml", "resourceGroup": "ml", "machineType": "Standard_NC4as_T4_v3"}
EXISTING: dict[str, Any] = {"provider": "existing", "nodeSelector": {"pool": "l4"}}
MIG = {"type": "a100", "mig": {"profile": "1g.5gb", "perGpu": 7}}
PROVIDERS = "karpenter, gke, eks, aks, existing, stack"
KARPENTER_KEYS = (
    "gpu, taints, nodeCapacity, maxNodes, maxGpus, spot, labels, provider, nodeClass, architecture, machineTypes, "
    "requirements, disruption"
)
POOL = "model-serving:nodePools.l4"


def set_to(key: str, value: str) -> str:
    return f"-> pulumi config set --path '{POOL}.{key}' {value} --stack dev"


# The section nodePools.l4, and the whole line that answers it.
CASES: dict[str, tuple[Mapping[str, Any], str]] = {
    "no provider": (
        {"maxNodes": 4},
        f"{POOL}.provider: is required and missing; allowed: one of {PROVIDERS} {set_to('provider', 'karpenter')}",
    ),
    "an unknown provider": (
        KARPENTER | {"provider": "gce"},
        f'{POOL}.provider: "gce" is not one of the choices; allowed: {PROVIDERS} {set_to("provider", "karpenter")}',
    ),
    "a misspelt key of one provider": (
        KARPENTER | {"maxNode": 3},
        f'{POOL}.maxNode: unknown key, did you mean "maxNodes"? allowed: {KARPENTER_KEYS} '
        f"-> pulumi config rm --path '{POOL}.maxNode' --stack dev",
    ),
    "a key of another provider": (
        KARPENTER | {"machineType": "g6.xlarge"},
        f'{POOL}.machineType: unknown key, did you mean "machineTypes"? allowed: {KARPENTER_KEYS} '
        f"-> pulumi config rm --path '{POOL}.machineType' --stack dev",
    ),
    "no GPU": (
        {"provider": "karpenter", "maxNodes": 4},
        f"{POOL}.gpu: is required and missing; allowed: a section with type, count, mig, timeSlicing, resource "
        f"{set_to('gpu.type', 'nvidia-l4')}",
    ),
    "a GPU by name only": (
        KARPENTER | {"gpu": "l4"},
        f'{POOL}.gpu: "l4" is not a section; keys allowed in it: type, count, mig, timeSlicing, resource '
        f"{set_to('gpu.type', 'nvidia-l4')}",
    ),
    "no GPU on a node": (
        KARPENTER | {"gpu": {"type": "l4", "count": 0}},
        f"{POOL}.gpu.count: 0 is not a number of GPUs; allowed: a whole number from 1 to 16 {set_to('gpu.count', '1')}",
    ),
    "a resource that is none": (
        KARPENTER | {"gpu": {"type": "l4", "resource": "gpu"}},
        f'{POOL}.gpu.resource: "gpu" is not a GPU resource; allowed: nvidia.com/gpu, nvidia.com/gpu.shared (time '
        "slices under a name of their own) or nvidia.com/mig-<profile> "
        f"{set_to('gpu.resource', 'nvidia.com/gpu')}",
    ),
    "the resource of another MIG profile": (
        EXISTING | {"gpu": MIG | {"resource": "nvidia.com/mig-3g.20gb"}},
        f"{POOL}.gpu.resource: nvidia.com/mig-3g.20gb is not what GPUs that are shared like this have; allowed: "
        "nvidia.com/gpu, nvidia.com/mig-1g.5gb "
        f"-> pulumi config rm --path '{POOL}.gpu.resource' --stack dev",
    ),
    "a resource that GKE does not have": (
        GKE | {"gpu": MIG | {"resource": "nvidia.com/mig-1g.5gb"}},
        f"{POOL}.gpu.resource: GKE has no nodes with nvidia.com/mig-1g.5gb; allowed: nvidia.com/gpu, also for "
        f"MIG and time slices -> pulumi config rm --path '{POOL}.gpu.resource' --stack dev",
    ),
    "GPUs shared in two ways": (
        KARPENTER | {"gpu": MIG | {"timeSlicing": 2}},
        f"{POOL}.gpu.timeSlicing: mig and timeSlicing are given; a GPU is shared in one way -> keep one of them",
    ),
    "a MIG profile that is none": (
        KARPENTER | {"gpu": {"type": "a100", "mig": {"profile": "half", "perGpu": 2}}},
        f'{POOL}.gpu.mig.profile: "half" is not a MIG profile; allowed: slices and memory of an instance as '
        f"nvidia-smi lists them: 1g.5gb, 3g.40gb {set_to('gpu.mig.profile', '1g.5gb')}",
    ),
    "one time slice": (
        KARPENTER | {"gpu": {"type": "l4", "timeSlicing": 1}},
        f"{POOL}.gpu.timeSlicing: 1 is not a number of time slices; allowed: a whole number from 2 to 48: pods that "
        f"take turns on each GPU {set_to('gpu.timeSlicing', '4')}",
    ),
    "fewer GPUs than one node has": (
        KARPENTER | {"gpu": {"type": "l4", "count": 8}, "maxGpus": 4},
        f"{POOL}.maxGpus: 4 GPUs are no node of this pool, which has 8; allowed: 8 or more -> raise it, or take it out",
    ),
    "more nodes than the most": (
        GKE | {"minNodes": 5},
        f"{POOL}.minNodes: 5 is above maxNodes (4) -> lower it or raise maxNodes",
    ),
    "no limit of nodes": (
        {key: value for key, value in GKE.items() if key != "maxNodes"},
        f"{POOL}.maxNodes: is required and missing; allowed: a whole number from 1 to 1000 {set_to('maxNodes', '4')}",
    ),
    "spot as a switch": (
        KARPENTER | {"spot": True},
        f"{POOL}.spot: true is not one of the choices; allowed: never, preferred, only {set_to('spot', 'never')}",
    ),
    "an operator without values": (
        KARPENTER | {"requirements": [{"key": "example.com/rack"}]},
        f"{POOL}.requirements[0]: operator In needs values -> change the operator or the values",
    ),
    "an operator with too many values": (
        KARPENTER | {"requirements": [{"key": "example.com/rack", "operator": "Exists", "values": ["a"]}]},
        f"{POOL}.requirements[0]: operator Exists takes no values -> change the operator or the values",
    ),
    "a comparison with a word": (
        KARPENTER | {"requirements": [{"key": "example.com/rack", "operator": "Gt", "values": ["a"]}]},
        f"{POOL}.requirements[0]: operator Gt takes one number -> change the operator or the values",
    ),
    "a budget that begins and does not end": (
        KARPENTER | {"disruption": {"budgets": [{"nodes": "1", "schedule": "0 9 * * *"}]}},
        f"{POOL}.disruption.budgets[0]: schedule and duration are given both or not at all "
        "-> give the other one too, or neither",
    ),
    "nodes that expire and cannot end": (
        KARPENTER | {"disruption": {"expireAfter": "720h"}},
        f"{POOL}.disruption.expireAfter: an expired node would wait without end for pods that may not be disrupted; "
        "allowed: Never, or a duration with terminationGracePeriod "
        "-> set terminationGracePeriod too, or expireAfter: Never",
    ),
    "days": (
        KARPENTER | {"disruption": {"consolidateAfter": "1d"}},
        f'{POOL}.disruption.consolidateAfter: "1d" is not a duration; allowed: hours, minutes and seconds like 5m or '
        f"1h30m, or Never {set_to('disruption.consolidateAfter', '5m')}",
    ),
    "a label's value that is a number": (
        KARPENTER | {"labels": {"tier": 1}},
        f'{POOL}.labels.tier: 1 is not possible here; allowed: at most 63 letters, digits, "-", "_" and ".", '
        "with a letter or digit at both ends; put numbers, true and false in quotes "
        f"{set_to('labels.tier', 'vision')}",
    ),
    "a taint without effect": (
        KARPENTER | {"taints": [{"key": "team", "effect": "Never"}]},
        f'{POOL}.taints[0].effect: "Never" is not one of the choices; allowed: NoSchedule, PreferNoSchedule, NoExecute '
        f"{set_to('taints[0].effect', 'NoSchedule')}",
    ),
    "a place that is none": (
        GKE | {"location": "Europe"},
        f'{POOL}.location: "Europe" is not a region or zone; allowed: a region or zone of Google Cloud, such as '
        f"europe-west4 or europe-west4-a {set_to('location', 'europe-west4')}",
    ),
    "a role by its name": (
        EKS | {"nodeRole": "nodes"},
        f'{POOL}.nodeRole: "nodes" is not an ARN of an AWS role; allowed: arn:aws:iam::<12 digits>:role/<name> '
        f"{set_to('nodeRole', 'arn:aws:iam::123456789012:role/nodes')}",
    ),
    "no subnet": (
        EKS | {"subnets": []},
        f"{POOL}.subnets: is empty; allowed: a list of subnets, one or more "
        f"{set_to('subnets[0]', 'subnet-0123456789abcdef0')}",
    ),
    "a driver that AKS does not install": (
        AKS | {"driver": "latest"},
        f'{POOL}.driver: "latest" is not one of the choices; allowed: Install, None {set_to("driver", "Install")}',
    ),
    "no way to tell existing nodes": (
        {"provider": "existing", "nodeSelector": {}},
        f"{POOL}.nodeSelector: is empty; allowed: a map of labels that the pool's nodes have "
        f"-> pulumi config set --path '{POOL}.nodeSelector[\"example.com/team\"]' vision --stack dev",
    ),
    "another stack by its last name": (
        {"provider": "stack", "stack": "shared"},
        f'{POOL}.stack: "shared" is not a stack; allowed: <organization>/<project>/<stack>; without Pulumi Cloud the '
        f"organization is organization {set_to('stack', 'organization/model-serving/shared')}",
    ),
}


@pytest.mark.parametrize(("pool", "line"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_answered_with_where_what_and_how(pool: Any, line: str, mistakes: Mistakes) -> None:
    assert mistakes(SMALLEST | {"nodePools": {"l4": pool}}) == [line]


def test_the_command_that_repairs_does(mistakes: Mistakes) -> None:
    pools = {"l4": KARPENTER | {"provider": "gce"}, "t4": {"provider": "existing"}}
    lines = mistakes(SMALLEST | {"nodePools": json.loads(json.dumps(pools))})
    assert [line.split(": ")[0] for line in lines] == [f"{POOL}.provider", "model-serving:nodePools.t4.nodeSelector"]


def test_pools_as_text(mistakes: Mistakes) -> None:
    assert mistakes(SMALLEST | {"nodePools": "l4"}) == [
        'model-serving:nodePools: "l4" is not a section; keys allowed in it: names that you choose '
        f"{set_to('provider', 'karpenter')}"
    ]


def test_a_name_in_upper_case(mistakes: Mistakes) -> None:
    [line] = mistakes(SMALLEST | {"nodePools": {"L4": KARPENTER}})
    assert line.startswith('model-serving:nodePools.L4: "L4" is not possible as a name here; allowed: 1 to 30 lower')


@pytest.mark.parametrize(("name", "spot", "longest"), [("gpu-t4", "never", 12), ("t4europewest", "preferred", 11)])
def test_a_name_that_aks_does_not_take(name: str, spot: str, longest: int, mistakes: Mistakes) -> None:
    assert mistakes(SMALLEST | {"nodePools": {name: AKS | {"spot": spot}}}) == [
        f"model-serving:nodePools.{name}: is not a name that AKS takes; allowed: 1 to {longest} lower-case letters and "
        "digits, starting with a letter -> rename it, also where models name it"
    ]


def test_names_that_do_not_fit_a_label(mistakes: Mistakes) -> None:
    [line] = mistakes(SMALLEST | {"nodePools": {"l" * 30: KARPENTER}}, stack="s" * 40)
    assert line.startswith(f"model-serving:nodePools.{'l' * 30}: the label ")
    assert line.endswith("has 71 characters; allowed: 63 -> shorten the name of the stack or of the node pool")


class TestModels:
    """What a model may not ask of pools."""

    def of(self, mistakes: Mistakes, model: Mapping[str, Any], **pools: Any) -> list[str]:
        digits = SMALLEST["models"]["digits"] | model
        return mistakes(SMALLEST | {"models": {"digits": digits}} | ({"nodePools": pools} if pools else {}))

    def test_a_pool_that_is_not_there(self, mistakes: Mistakes) -> None:
        assert self.of(mistakes, {"nodePool": "l40"}, t4=KARPENTER, l4=KARPENTER) == [
            'model-serving:models.digits.nodePool: there is no node pool "l40"; allowed: t4, l4 '
            "-> pulumi config set --path 'model-serving:models.digits.nodePool' l4 --stack dev"
        ]

    def test_a_pool_where_there_are_none(self, mistakes: Mistakes) -> None:
        assert self.of(mistakes, {"nodePool": "l4"}) == [
            'model-serving:models.digits.nodePool: there is no node pool "l4": the stack has no nodePools '
            "-> pulumi config rm --path 'model-serving:models.digits.nodePool' --stack dev"
        ]

    def test_gpus_of_no_pool(self, mistakes: Mistakes) -> None:
        assert self.of(mistakes, {"gpus": 1}, l4=KARPENTER) == [
            "model-serving:models.digits.gpus: are those of a node pool, and the model names none; allowed with "
            "nodePool -> pulumi config set --path 'model-serving:models.digits.nodePool' l4 --stack dev"
        ]

    def test_gpus_of_nodes_that_have_none(self, mistakes: Mistakes) -> None:
        assert self.of(mistakes, {"nodePool": "cpu", "gpus": 1}, cpu=EXISTING) == [
            "model-serving:models.digits.gpus: the nodes of pool cpu have no GPU; allowed with a pool that has "
            "-> pulumi config rm --path 'model-serving:models.digits.gpus' --stack dev"
        ]

    def test_more_gpus_than_a_node_has(self, mistakes: Mistakes) -> None:
        pool = EXISTING | {"gpu": MIG | {"count": 2}}
        assert self.of(mistakes, {"nodePool": "a100", "gpus": 15}, a100=pool) == [
            "model-serving:models.digits.gpus: 15 is more than a node of pool a100 has; allowed: at most 14 of "
            "nvidia.com/gpu -> pulumi config set --path 'model-serving:models.digits.gpus' 14 --stack dev"
        ]

    def test_no_gpu_at_all(self, mistakes: Mistakes) -> None:
        [line] = self.of(mistakes, {"nodePool": "l4", "gpus": 0}, l4=KARPENTER)
        assert line.startswith(
            "model-serving:models.digits.gpus: 0 is not a number of GPUs; allowed: a whole number from 1 to 64: how "
        )


class TestGpuSupport:
    """What makes GPUs a resource, and shares them."""

    SUPPORT = "model-serving:gpuSupport"

    def of(self, mistakes: Mistakes, pool: Mapping[str, Any], **support: Any) -> list[str]:
        return mistakes(SMALLEST | {"nodePools": {"l4": pool}} | ({"gpuSupport": support} if support else {}))

    @pytest.mark.parametrize("pool", [KARPENTER, EKS, GKE | {"driver": "disabled"}], ids=lambda pool: pool["provider"])
    @pytest.mark.parametrize("support", [{}, {"install": "device-plugin"}], ids=["nothing", "plugin"])
    def test_mig_without_the_operator(self, mistakes: Mistakes, pool: Mapping[str, Any], support: Any) -> None:
        assert self.of(mistakes, {**pool, "gpu": MIG}, **support) == [
            f"{POOL}.gpu.mig: is set up on the nodes by the GPU operator; allowed with gpuSupport.install gpu-operator "
            f"-> pulumi config set --path '{self.SUPPORT}.install' gpu-operator --stack dev"
        ]

    def test_instances_that_karpenter_launches_no_nodes_for(self, mistakes: Mistakes) -> None:
        pool = KARPENTER | {"gpu": MIG | {"resource": "nvidia.com/mig-1g.5gb"}}
        assert self.of(mistakes, pool, install="gpu-operator") == [
            f"{POOL}.gpu.resource: Karpenter has no nodes with nvidia.com/mig-1g.5gb; allowed: nvidia.com/gpu, also "
            f"for MIG and time slices -> pulumi config rm --path '{POOL}.gpu.resource' --stack dev"
        ]

    @pytest.mark.parametrize("pool", [KARPENTER, EKS, AKS], ids=lambda pool: pool["provider"])
    def test_time_slices_without_the_device_plugin(self, mistakes: Mistakes, pool: Mapping[str, Any]) -> None:
        assert self.of(mistakes, {**pool, "gpu": {"type": "l4", "timeSlicing": 2}}) == [
            f"{POOL}.gpu.timeSlicing: is set up on the nodes by NVIDIA's device plugin; allowed with gpuSupport "
            f"-> pulumi config set --path '{self.SUPPORT}.install' device-plugin --stack dev"
        ]

    @pytest.mark.parametrize("pool", [GKE, {"provider": "existing", "nodeSelector": {"a": "b"}}])
    def test_for_no_gpu_that_needs_it(self, mistakes: Mistakes, pool: Mapping[str, Any]) -> None:
        assert self.of(mistakes, pool, install="device-plugin") == [
            f"{self.SUPPORT}: installs what makes GPUs a resource, and no pool of this stack has GPUs that need it "
            f"-> pulumi config rm {self.SUPPORT} --stack dev"
        ]

    def test_a_driver_by_what_installs_none(self, mistakes: Mistakes) -> None:
        assert self.of(mistakes, KARPENTER, install="device-plugin", driver="operator") == [
            f"{self.SUPPORT}.driver: the device plugin installs no driver; allowed with install gpu-operator "
            f"-> pulumi config rm --path '{self.SUPPORT}.driver' --stack dev"
        ]

    def test_a_version_that_may_change(self, mistakes: Mistakes) -> None:
        assert self.of(mistakes, KARPENTER, install="device-plugin", version="latest") == [
            f'{self.SUPPORT}.version: "latest" is not a chart version; allowed: the version of a Helm chart, exactly, '
            "such as 0.18.0 or v26.3.3 "
            f"-> pulumi config set --path '{self.SUPPORT}.version' 0.18.0 --stack dev"
        ]

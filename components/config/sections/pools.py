"""Pools of nodes that models run on: created here in one of several ways, there already, or another stack's."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from components.config.pool_types import (
    ApiGroup,
    ApiKind,
    AzureResourceId,
    BudgetDuration,
    BudgetNodes,
    CloudName,
    CronSchedule,
    DiskGb,
    Duration,
    GkeLocation,
    GkeZone,
    GpuCount,
    GpuResource,
    GpuSlices,
    GpuType,
    GracePeriod,
    LabelKey,
    LabelValue,
    MachineType,
    MaxGpus,
    MaxNodes,
    MigInstances,
    MigProfile,
    MinNodes,
    PoolName,
    ServiceAccountEmail,
    SubnetId,
)
from components.config.sections.base import Section
from components.config.types import AwsRoleArn, CpuQuantity, MemoryQuantity, ObjectName, StackName
from components.planning.pools import WHOLE_GPU


class MigConfig(Section):
    """GPUs that are split into instances of one profile; `per_gpu` is how many the card has of it (nvidia-smi)."""

    profile: MigProfile
    per_gpu: MigInstances


class GpuConfig(Section):
    """The GPUs of each node, and the resource that pods ask for.

    With MIG's strategy "single" and with time slicing, the resource stays nvidia.com/gpu, and there is more of it.
    """

    type: GpuType
    count: GpuCount = 1
    mig: MigConfig | None = None
    time_slicing: GpuSlices | None = None
    resource: GpuResource = WHOLE_GPU

    @field_validator("time_slicing")
    @classmethod
    def _shared_in_one_way(cls, slices: int | None, info: ValidationInfo) -> int | None:
        if slices is not None and info.data.get("mig") is not None:
            raise PydanticCustomError("keep_one", "mig and timeSlicing are given; a GPU is shared in one way")
        return slices

    @field_validator("resource")
    @classmethod
    def _resource_is_what_nodes_have(cls, resource: str, info: ValidationInfo) -> str:
        mig = info.data.get("mig")
        allowed = [WHOLE_GPU]
        if mig is not None:
            allowed.append(f"nvidia.com/mig-{mig.profile}")
        if info.data.get("time_slicing") is not None:
            allowed.append("nvidia.com/gpu.shared")
        if resource not in allowed:
            raise PydanticCustomError(
                "gpu_resource",
                "{resource} is not what GPUs that are shared like this have; allowed: {allowed}",
                {"resource": resource, "allowed": ", ".join(allowed)},
            )
        return resource

    @property
    def per_node(self) -> int:
        """How much of `resource` a node has."""
        return self.count * (self.mig.per_gpu if self.mig else self.time_slicing or 1)


class TaintConfig(Section):
    """A taint of every node; the models of the pool tolerate it."""

    key: LabelKey
    value: LabelValue = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class NodeCapacityConfig(Section):
    """What pods of models can have of one node: its allocatable amounts, less what runs on every node."""

    cpu: CpuQuantity
    memory: MemoryQuantity


class AnyPool(Section):
    """What is said of every pool whose nodes are known here."""

    gpu: GpuConfig | None = None
    taints: tuple[TaintConfig, ...] = ()
    node_capacity: NodeCapacityConfig | None = None


class CreatedPool(AnyPool):
    """What is said of every pool that is created here; its nodes have GPUs.

    `spot`: "preferred" takes spot machines where there are any, and on-demand ones where not.
    """

    # No GPU is possible elsewhere only.
    gpu: GpuConfig  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    max_nodes: MaxNodes
    max_gpus: MaxGpus | None = None
    spot: Literal["never", "preferred", "only"] = "never"
    labels: dict[LabelKey, LabelValue] = {}

    @field_validator("max_gpus")
    @classmethod
    def _some_node_is_possible(cls, most: int | None, info: ValidationInfo) -> int | None:
        gpu = info.data.get("gpu")
        if most is not None and gpu is not None and most < gpu.count:
            raise PydanticCustomError(
                "max_gpus",
                "{most} GPUs are no node of this pool, which has {count}; allowed: {count} or more",
                {"most": most, "count": gpu.count},
            )
        return most

    @property
    def most_nodes(self) -> int:
        """The nodes that there may be at most, in both respects."""
        if self.max_gpus is None:
            return self.max_nodes
        return min(self.max_nodes, self.max_gpus // self.gpu.count)


class AutoscaledPool(CreatedPool):
    """What is said of pools that the cloud's own autoscaler sizes."""

    min_nodes: MinNodes = 0

    @field_validator("min_nodes")
    @classmethod
    def _not_above_the_most(cls, least: int, info: ValidationInfo) -> int:
        most = info.data.get("max_nodes")
        if most is not None and least > most:
            raise PydanticCustomError(
                "above_max_nodes",
                "{least} is above maxNodes ({most})",
                {"least": least, "most": most},
            )
        return least


class NodeClassConfig(Section):
    """The object that tells Karpenter how machines are launched; it exists already."""

    group: ApiGroup = "karpenter.k8s.aws"
    kind: ApiKind = "EC2NodeClass"
    name: ObjectName = "default"


class RequirementConfig(Section):
    """What a machine must be, by labels that the Karpenter of this cloud gives its nodes."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = "In"
    values: tuple[LabelValue, ...] = ()

    @model_validator(mode="after")
    def _values_are_the_operators(self) -> Self:
        count = len(self.values)
        if self.operator in ("In", "NotIn") and not count:
            raise PydanticCustomError("values_of_operator", "operator {o} needs values", {"o": self.operator})
        if self.operator in ("Exists", "DoesNotExist") and count:
            raise PydanticCustomError("values_of_operator", "operator {o} takes no values", {"o": self.operator})
        if self.operator in ("Gt", "Lt") and not (count == 1 and self.values[0].isdecimal()):
            raise PydanticCustomError("values_of_operator", "operator {o} takes one number", {"o": self.operator})
        return self


class BudgetConfig(Section):
    """How many nodes may leave at once, always or in a time that begins by a schedule."""

    nodes: BudgetNodes
    reasons: tuple[Literal["Underutilized", "Empty", "Drifted"], ...] = ()
    schedule: CronSchedule | None = None
    duration: BudgetDuration | None = None

    @model_validator(mode="after")
    def _schedule_with_duration(self) -> Self:
        if (self.schedule is None) != (self.duration is None):
            raise PydanticCustomError("schedule_with_duration", "schedule and duration are given both or not at all")
        return self


class DisruptionConfig(Section):
    """When Karpenter may take a node away.

    As it is by default, only empty nodes leave, one at a time. `do_not_disrupt` keeps Karpenter from moving pods; if
    absent, it does so for models on GPUs that are not spot.
    """

    consolidation: Literal["WhenEmpty", "WhenEmptyOrUnderutilized"] = "WhenEmpty"
    consolidate_after: Duration = "5m"
    budgets: tuple[BudgetConfig, ...] = (BudgetConfig(nodes="1"),)
    do_not_disrupt: bool | None = None
    termination_grace_period: GracePeriod | None = None
    expire_after: Duration = "Never"

    @field_validator("expire_after")
    @classmethod
    def _expired_nodes_end(cls, expire_after: str, info: ValidationInfo) -> str:
        if (
            expire_after != "Never"
            and info.data.get("termination_grace_period") is None
            and info.data.get("do_not_disrupt") is not False
        ):
            raise PydanticCustomError(
                "expires_without_end",
                "an expired node would wait without end for pods that may not be disrupted; "
                "allowed: Never, or a duration with terminationGracePeriod",
            )
        return expire_after


class KarpenterPool(CreatedPool):
    """A NodePool of Karpenter (karpenter.sh/v1)."""

    provider: Literal["karpenter"]
    node_class: NodeClassConfig = NodeClassConfig()
    architecture: Literal["amd64", "arm64"] = "amd64"
    machine_types: tuple[MachineType, ...] = ()
    requirements: tuple[RequirementConfig, ...] = ()
    disruption: DisruptionConfig = DisruptionConfig()

    @field_validator("gpu")
    @classmethod
    def _karpenter_counts_whole_gpus(cls, gpu: GpuConfig) -> GpuConfig:
        _only_whole_gpus(gpu, "Karpenter")
        return gpu


class GkeDiskConfig(Section):
    """The boot disk of a node."""

    size_gb: DiskGb = 100
    type: Literal["pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced"] = "pd-balanced"


class GkePool(AutoscaledPool):
    """A node pool of Google Kubernetes Engine. `driver` is what GKE installs; "disabled": the GPU operator does."""

    provider: Literal["gke"]
    cluster: CloudName
    location: GkeLocation
    project: CloudName | None = None
    machine_type: MachineType
    zones: tuple[GkeZone, ...] = ()
    disk: GkeDiskConfig = GkeDiskConfig()
    driver: Literal["default", "latest", "disabled"] = "default"
    service_account: ServiceAccountEmail | None = None

    @field_validator("gpu")
    @classmethod
    def _gke_has_whole_gpus(cls, gpu: GpuConfig) -> GpuConfig:
        _only_whole_gpus(gpu, "GKE")
        return gpu


class EksDiskConfig(Section):
    """The root volume of a node."""

    size_gb: DiskGb = 100


class EksPool(AutoscaledPool):
    """A managed node group of Amazon's Elastic Kubernetes Service."""

    provider: Literal["eks"]
    cluster: CloudName
    node_role: Annotated[AwsRoleArn, Field(examples=["arn:aws:iam::123456789012:role/nodes"])]
    subnets: Annotated[tuple[SubnetId, ...], Field(min_length=1, description="a list of subnets, one or more")]
    machine_types: Annotated[
        tuple[MachineType, ...], Field(min_length=1, description="a list of machine types, one or more")
    ]
    disk: EksDiskConfig = EksDiskConfig()


class AksDiskConfig(Section):
    """The operating system's disk of a node."""

    size_gb: DiskGb = 128
    type: Literal["Managed", "Ephemeral"] = "Managed"


class AksPool(AutoscaledPool):
    """An agent pool of Azure Kubernetes Service. `driver` "None" leaves the driver to the GPU operator."""

    provider: Literal["aks"]
    resource_group: CloudName
    cluster: CloudName
    machine_type: MachineType
    zones: tuple[Literal["1", "2", "3"], ...] = ()
    subnet: AzureResourceId | None = None
    disk: AksDiskConfig = AksDiskConfig()
    driver: Literal["Install", "None"] = "Install"


class ExistingPool(AnyPool):
    """Nodes that are there, or that somebody else's autoscaler adds: what tells them from others, and their taints."""

    provider: Literal["existing"]
    node_selector: Annotated[
        dict[LabelKey, LabelValue], Field(min_length=1, description="a map of labels that the pool's nodes have")
    ]
    max_nodes: MaxNodes | None = None


class StackPool(Section):
    """A pool of another stack, which tells about it in its output `nodePools`. `pool` is its name there, if another."""

    provider: Literal["stack"]
    stack: StackName
    pool: PoolName | None = None


NodePoolConfig = Annotated[
    KarpenterPool | GkePool | EksPool | AksPool | ExistingPool | StackPool, Field(discriminator="provider")
]


def _only_whole_gpus(gpu: GpuConfig, who: str) -> None:
    if gpu.resource != WHOLE_GPU:
        raise PydanticCustomError(
            "only_whole_gpus",
            "{who} has no nodes with {resource}; allowed: nvidia.com/gpu, also for MIG and time slices",
            {"who": who, "resource": gpu.resource},
        )

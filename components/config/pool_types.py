"""Reusable value types of node pools: what a label, a taint, a GPU or a number of nodes is."""

from typing import Annotated

from pydantic import Field

_LABEL_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"

# It is a part of labels (63 characters), beside the name of the stack.
PoolName = Annotated[
    str,
    Field(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=30,
        title="node pool name",
        description='1 to 30 lower-case letters, digits and "-", starting with a letter, not ending with "-"',
        examples=["l4"],
    ),
]

LabelKey = Annotated[
    str,
    Field(
        pattern=rf"^(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_LABEL_NAME}$",
        title="label key",
        description="a Kubernetes label's key: an optional domain and /, and at most 63 letters, digits, "
        '"-", "_" and "."',
        examples=["example.com/team"],
    ),
]

LabelValue = Annotated[
    str,
    Field(
        pattern=rf"^(?:{_LABEL_NAME})?$",
        title="label value",
        description='at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends; '
        "put numbers, true and false in quotes",
        examples=["vision"],
    ),
]

GpuType = Annotated[
    str,
    Field(
        pattern=r"^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$",
        title="GPU type",
        description="the name that the cloud has for it, such as nvidia-l4 (GKE) or l4 (Karpenter on AWS)",
        examples=["nvidia-l4"],
    ),
]

GpuResource = Annotated[
    str,
    Field(
        pattern=r"^nvidia\.com/(?:gpu|gpu\.shared|mig-[1-7]g\.[0-9]+gb(?:\.me)?)$",
        title="GPU resource",
        description="nvidia.com/gpu, nvidia.com/gpu.shared (time slices under a name of their own) "
        "or nvidia.com/mig-<profile>",
        examples=["nvidia.com/gpu"],
    ),
]

MigProfile = Annotated[
    str,
    Field(
        pattern=r"^[1-7]g\.[0-9]+gb(?:\.me)?$",
        title="MIG profile",
        description="slices and memory of an instance as nvidia-smi lists them: 1g.5gb, 3g.40gb",
        examples=["1g.5gb"],
    ),
]

MigInstances = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=7,
        title="number of MIG instances",
        description="a whole number from 1 to 7: instances of this profile on each GPU",
        examples=[7],
    ),
]

GpuSlices = Annotated[
    int,
    Field(
        strict=True,
        ge=2,
        le=48,
        title="number of time slices",
        description="a whole number from 2 to 48: pods that take turns on each GPU",
        examples=[4],
    ),
]

GpuCount = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=16,
        title="number of GPUs",
        description="a whole number from 1 to 16",
        examples=[1],
    ),
]

# Of one pod: with MIG or time slicing a node has more of the resource than cards.
PodGpus = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=64,
        title="number of GPUs",
        description="a whole number from 1 to 64: how many of its pool's GPU resource each pod gets",
        examples=[1],
    ),
]

MaxGpus = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=16000,
        title="number of GPUs",
        description="a whole number from 1 to 16000: the most GPUs that all nodes of the pool may have together",
        examples=[8],
    ),
]

MinNodes = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=1000,
        title="number of nodes",
        description="a whole number from 0 to 1000",
        examples=[0],
    ),
]

MaxNodes = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=1000,
        title="number of nodes",
        description="a whole number from 1 to 1000",
        examples=[4],
    ),
]

DiskGb = Annotated[
    int,
    Field(
        strict=True,
        ge=20,
        le=16384,
        title="disk size",
        description="a whole number of gigabytes from 20 to 16384; a node's disk holds the images of its pods",
        examples=[100],
    ),
]

MachineType = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$",
        title="machine type",
        description="the cloud's name for it, such as g2-standard-8, g6.xlarge or Standard_NC4as_T4_v3",
        examples=["g6.xlarge"],
    ),
]

# As Karpenter writes them.
Duration = Annotated[
    str,
    Field(
        pattern=r"^(?:(?:[0-9]+[smh])+|Never)$",
        title="duration",
        description="hours, minutes and seconds like 5m or 1h30m, or Never",
        examples=["5m"],
    ),
]

GracePeriod = Annotated[
    str,
    Field(
        pattern=r"^(?:[0-9]+[smh])+$",
        title="duration",
        description="hours, minutes and seconds like 5m or 1h30m",
        examples=["1h"],
    ),
]

BudgetDuration = Annotated[
    str,
    Field(
        pattern=r"^(?:[0-9]+h[0-9]+m|[0-9]+[hm])$",
        title="duration",
        description="hours and minutes like 8h or 1h30m",
        examples=["8h"],
    ),
]

BudgetNodes = Annotated[
    str,
    Field(
        pattern=r"^(?:(?:100|[0-9]{1,2})%|[0-9]+)$",
        title="number or share of nodes",
        description='a number in quotes ("1", "0" for none) or a percentage ("10%")',
        examples=["1"],
    ),
]

CronSchedule = Annotated[
    str,
    Field(
        pattern=r"^(?:@(?:annually|yearly|monthly|weekly|daily|midnight|hourly)|\S+ \S+ \S+ \S+ \S+)$",
        title="schedule",
        description="five fields as cron has them, in UTC (0 9 * * mon-fri), or @daily and the like",
        examples=["0 9 * * mon-fri"],
    ),
]

ApiGroup = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$",
        title="API group",
        description="the group of the node class, such as karpenter.k8s.aws or karpenter.azure.com",
        examples=["karpenter.k8s.aws"],
    ),
]

ApiKind = Annotated[
    str,
    Field(
        pattern=r"^[A-Z][A-Za-z0-9]*$",
        title="kind",
        description="the kind of the node class, such as EC2NodeClass or AKSNodeClass",
        examples=["EC2NodeClass"],
    ),
]

CloudName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9](?:[-A-Za-z0-9_.()]{0,98}[A-Za-z0-9_])?$",
        title="name in the cloud",
        description='1 to 100 letters, digits, "-", "_" and "."',
        examples=["models"],
    ),
]

GkeLocation = Annotated[
    str,
    Field(
        pattern=r"^[a-z]+-[a-z]+[0-9]+(?:-[a-z])?$",
        title="region or zone",
        description="a region or zone of Google Cloud, such as europe-west4 or europe-west4-a",
        examples=["europe-west4"],
    ),
]

GkeZone = Annotated[
    str,
    Field(
        pattern=r"^[a-z]+-[a-z]+[0-9]+-[a-z]$",
        title="zone",
        description="a zone of Google Cloud, such as europe-west4-a",
        examples=["europe-west4-a"],
    ),
]

ServiceAccountEmail = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com$",
        title="service account",
        description="the e-mail address of a Google service account",
        examples=["nodes@acme.iam.gserviceaccount.com"],
    ),
]

SubnetId = Annotated[
    str,
    Field(
        pattern=r"^subnet-[0-9a-f]{8,17}$",
        title="subnet",
        description="the id of a subnet, such as subnet-0123456789abcdef0",
        examples=["subnet-0123456789abcdef0"],
    ),
]

AzureResourceId = Annotated[
    str,
    Field(
        pattern=r"^/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/\S+$",
        title="resource id",
        description="the id of an Azure resource, starting with /subscriptions/",
        examples=[
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network/providers/"
            "Microsoft.Network/virtualNetworks/models/subnets/nodes"
        ],
    ),
]

ChartVersion = Annotated[
    str,
    Field(
        pattern=r"^v?[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?$",
        title="chart version",
        description="the version of a Helm chart, exactly, such as 0.18.0 or v26.3.3",
        examples=["0.18.0"],
    ),
]

ArchiveDigest = Annotated[
    str,
    Field(
        pattern=r"^sha256:[0-9a-f]{64}$",
        title="digest of a chart",
        description="sha256: and the 64 hex digits of the chart's archive (helm pull CHART --version VERSION, then "
        "sha256sum; a repository's index.yaml says it too)",
        examples=["sha256:" + "0" * 64],
    ),
]

ChartRepository = Annotated[
    str,
    Field(
        pattern=r"^(?:https://[^\s@]+|http://(?:localhost|127\.0\.0\.1)(?::[0-9]+)?(?:/[^\s@]*)?)$",
        title="chart repository",
        description="the https:// address of a chart repository, without credentials; http:// for one on this machine",
        examples=["https://charts.example.com/nvidia"],
    ),
]

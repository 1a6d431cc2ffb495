"""The machines that the local cluster's simulated nodes can be, in the format of Karpenter's KWOK provider.

Names and sizes are those of real machines, so that a stack's `machineTypes` mean the same here; labels are those that
Karpenter gives the nodes of AWS.
"""

from typing import Any

_ZONES = ("local-a", "local-b")


def all_types() -> list[dict[str, Any]]:
    """What Karpenter may choose from."""
    return [
        _machine("m7i.xlarge", cpu=4, memory="16Gi"),
        _machine("m7i.4xlarge", cpu=16, memory="64Gi"),
        _machine("g6.xlarge", cpu=4, memory="16Gi", gpu="l4", gpus=1),
        _machine("g6.12xlarge", cpu=48, memory="192Gi", gpu="l4", gpus=4),
        _machine("g5.xlarge", cpu=4, memory="16Gi", gpu="a10g", gpus=1),
        _machine("p5.48xlarge", cpu=192, memory="2Ti", gpu="h100", gpus=8),
    ]


def _machine(name: str, *, cpu: int, memory: str, gpu: str = "", gpus: int = 0) -> dict[str, Any]:
    labels = {"node.kubernetes.io/instance-type": name}
    resources = {"cpu": str(cpu), "memory": memory, "ephemeral-storage": "100Gi", "pods": "110"}
    if gpu:
        labels |= {"karpenter.k8s.aws/instance-gpu-name": gpu, "karpenter.k8s.aws/instance-gpu-count": str(gpus)}
        resources["nvidia.com/gpu"] = str(gpus)
    return {
        "name": name,
        "architecture": "amd64",
        "operatingSystems": ["linux"],
        "resources": resources,
        "offerings": [
            {
                # Karpenter takes the cheapest: the size, in place of money that nobody pays here.
                "Price": (cpu + 100 * gpus) * (0.5 if capacity == "spot" else 1),
                "Available": True,
                "Requirements": [
                    {"key": key, "operator": "In", "values": [value]}
                    for key, value in {
                        **labels,
                        "karpenter.sh/capacity-type": capacity,
                        "topology.kubernetes.io/zone": zone,
                    }.items()
                ],
            }
            for capacity in ("on-demand", "spot")
            for zone in _ZONES
        ],
    }

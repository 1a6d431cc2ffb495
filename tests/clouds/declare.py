"""Declare node pools of every cloud against the pinned SDKs, without an engine, and print what would be asked for.

Runs in a virtual environment with those SDKs: `python -m tests.clouds.declare > tests/clouds/golden.yaml`, in the
repository.
"""

import sys
from typing import Any

import yaml

from tests.unit.components.recording import DIGEST, record

SAME: dict[str, Any] = {"cluster": "ml", "gpu": {"type": "nvidia-l4"}, "maxNodes": 4}
GKE = SAME | {"provider": "gke", "location": "europe-west4", "machineType": "g2-standard-8"}
EKS = SAME | {
    "provider": "eks",
    "nodeRole": "arn:aws:iam::123456789012:role/nodes",
    "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "machineTypes": ["g6.xlarge", "g6.2xlarge"],
}
AKS = SAME | {"provider": "aks", "resourceGroup": "ml", "machineType": "Standard_NC4as_T4_v3"}
SUBNET = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/net/providers/Microsoft.Network/"
    "virtualNetworks/ml/subnets/nodes"
)
OWN: dict[str, Any] = {
    "labels": {"team": "vision"},
    "taints": [{"key": "team", "value": "vision", "effect": "NoExecute"}, {"key": "alone"}],
    "minNodes": 1,
}

# The smallest pool of each cloud, and others that say everything else once.
POOLS: dict[str, dict[str, Any]] = {
    "gke": GKE,
    "gkemig": GKE
    | OWN
    | {
        "gpu": {"type": "nvidia-tesla-a100", "count": 2, "mig": {"profile": "1g.5gb", "perGpu": 7}},
        "machineType": "a2-highgpu-2g",
        "project": "acme-ml",
        "zones": ["europe-west4-a", "europe-west4-b"],
        "disk": {"sizeGb": 200, "type": "pd-ssd"},
        "driver": "latest",
        "serviceAccount": "nodes@acme-ml.iam.gserviceaccount.com",
        "spot": "only",
        "maxGpus": 7,
    },
    "gkeslices": GKE | {"gpu": {"type": "nvidia-l4", "timeSlicing": 4}, "spot": "preferred", "minNodes": 1},
    "gkeoperator": GKE | {"gpu": {"type": "nvidia-l4", "timeSlicing": 4}, "driver": "disabled"},
    "eks": EKS,
    "eksspot": EKS | OWN | {"spot": "preferred", "disk": {"sizeGb": 300}},
    "aks": AKS,
    "aksmig": AKS
    | OWN
    | {
        "gpu": {"type": "a100", "mig": {"profile": "2g.10gb", "perGpu": 3}},
        "machineType": "Standard_NC24ads_A100_v4",
        "zones": ["1", "2"],
        "subnet": SUBNET,
        "disk": {"sizeGb": 256, "type": "Ephemeral"},
        "driver": "None",
    },
    "aksspot": AKS | {"spot": "preferred"},
}


def declared() -> dict[str, Any]:
    """The inputs of every resource of a cloud that the pools consist of, by type and name."""
    image = f"registry.example.com/acme/models/digits@{DIGEST}"
    stack = {"cluster": "local", "namespace": "models", "models": {"digits": {"image": image, "nodePool": "gke"}}}
    recording = record(stack | {"nodePools": POOLS, "gpuSupport": {"install": "gpu-operator", "digest": DIGEST}})
    clouds = ("gcp:", "aws:", "azure-native:")
    return {f"{r.type} {r.name}": r.inputs for r in recording.resources if r.type.startswith(clouds)}


if __name__ == "__main__":
    yaml.safe_dump(declared(), sys.stdout, width=120)

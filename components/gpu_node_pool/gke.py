"""Nodes of Google Kubernetes Engine. Imported only where one of its pools is asked for: the SDK is optional."""

from typing import TYPE_CHECKING

import pulumi
from pulumi_gcp.container import NodePool as GcpNodePool

from components.config import GkePool
from components.gpu_node_pool.groups import NodeGroup, node_groups
from components.gpu_node_pool.interface import NodePoolArgs
from components.planning.pools import NodePool

if TYPE_CHECKING:
    from pulumi_gcp.container import NodePoolNodeConfigArgsDict, NodePoolNodeConfigGuestAcceleratorArgsDict

_EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
_DRIVERS = {"default": "DEFAULT", "latest": "LATEST", "disabled": "INSTALLATION_DISABLED"}
# Keeps GKE's device plugin off nodes whose driver is the GPU operator's.
_NO_PLUGIN = {"gke-no-default-nvidia-gpu-device-plugin": "true"}


class GkeNodePool(pulumi.ComponentResource):
    """A node pool that GKE's autoscaler sizes, or two if spot machines are preferred."""

    plan: NodePool

    def __init__(self, name: str, args: NodePoolArgs[GkePool], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:node-pool:GkeNodePool", name, None, opts)
        config = args.config
        for group in node_groups(config, args.plan):
            GcpNodePool(
                f"{name}-{group.role}",
                cluster=config.cluster,
                location=config.location,
                project=config.project,
                node_locations=list(config.zones) or None,
                initial_node_count=group.min_nodes,
                autoscaling={
                    "total_min_node_count": group.min_nodes,
                    "total_max_node_count": group.max_nodes,
                    # GPUs are where there are some, not the same number in each zone.
                    "location_policy": "ANY",
                },
                management={"auto_repair": True, "auto_upgrade": True},
                node_config=_node_config(config, group),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    # The autoscaler moves the count, and GKE fills the rest in by itself: a change would replace nodes.
                    ignore_changes=[
                        "initialNodeCount",
                        "nodeCount",
                        "nodeConfig.kubeletConfig",
                        "nodeConfig.resourceLabels",
                    ],
                ),
            )
        self.plan = args.plan
        self.register_outputs({"plan": self.plan.told()})


def _node_config(config: GkePool, group: NodeGroup) -> "NodePoolNodeConfigArgsDict":
    return {
        "machine_type": config.machine_type,
        "disk_size_gb": config.disk.size_gb,
        "disk_type": config.disk.type,
        "spot": group.spot,
        "labels": {**group.labels, **(_NO_PLUGIN if config.driver == "disabled" else {})},
        "taints": [
            {"key": taint.key, "value": taint.value, "effect": _EFFECTS[taint.effect]} for taint in group.taints
        ],
        "guest_accelerators": [_accelerator(config)],
        "service_account": config.service_account,
        # What the node may do is its service account's, not its scopes', to say.
        "oauth_scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    }


def _accelerator(config: GkePool) -> "NodePoolNodeConfigGuestAcceleratorArgsDict":
    gpu = config.gpu
    accelerator: NodePoolNodeConfigGuestAcceleratorArgsDict = {
        "type": gpu.type,
        "count": gpu.count,
        "gpu_driver_installation_config": {"gpu_driver_version": _DRIVERS[config.driver]},
    }
    if gpu.mig is not None and config.driver != "disabled":
        accelerator["gpu_partition_size"] = gpu.mig.profile
    if gpu.time_slicing is not None and config.driver != "disabled":
        accelerator["gpu_sharing_config"] = {
            "gpu_sharing_strategy": "TIME_SHARING",
            "max_shared_clients_per_gpu": gpu.time_slicing,
        }
    return accelerator

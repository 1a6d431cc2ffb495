"""Nodes of Amazon's EKS. Imported only where one of its pools is asked for: the SDK is optional."""

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws.eks import NodeGroup as AwsNodeGroup

from components.config import EksPool
from components.gpu_node_pool.groups import node_groups
from components.gpu_node_pool.interface import NodePoolArgs
from components.planning.pools import NodePool, Taint

if TYPE_CHECKING:
    from pulumi_aws.eks import NodeGroupTaintArgsDict

# Amazon Linux with NVIDIA's driver and container toolkit.
_AMI_TYPE = "AL2023_x86_64_NVIDIA"
_EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}


class EksNodePool(pulumi.ComponentResource):
    """A managed node group that the cluster's autoscaler sizes, or two if spot machines are preferred."""

    plan: NodePool

    def __init__(self, name: str, args: NodePoolArgs[EksPool], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:node-pool:EksNodePool", name, None, opts)
        config = args.config
        for group in node_groups(config, args.plan):
            AwsNodeGroup(
                f"{name}-{group.role}",
                cluster_name=config.cluster,
                node_role_arn=config.node_role,
                subnet_ids=list(config.subnets),
                ami_type=_AMI_TYPE,
                capacity_type="SPOT" if group.spot else "ON_DEMAND",
                instance_types=list(config.machine_types),
                disk_size=config.disk.size_gb,
                labels=group.labels,
                taints=[_taint(taint) for taint in group.taints],
                scaling_config={
                    "min_size": group.min_nodes,
                    "max_size": group.max_nodes,
                    "desired_size": group.min_nodes,
                },
                update_config={"max_unavailable": 1},
                # Replaces nodes whose GPU fails.
                node_repair_config={"enabled": True},
                # The autoscaler moves it.
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["scalingConfig.desiredSize"]),
            )
        self.plan = args.plan
        self.register_outputs({"plan": self.plan.told()})


def _taint(taint: Taint) -> "NodeGroupTaintArgsDict":
    named: NodeGroupTaintArgsDict = {"key": taint.key, "effect": _EFFECTS[taint.effect]}
    return {**named, "value": taint.value} if taint.value else named

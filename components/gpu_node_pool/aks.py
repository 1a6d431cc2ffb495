"""Nodes of Azure Kubernetes Service. Imported only where one of its pools is asked for: the SDK is optional."""

import pulumi
from pulumi_azure_native.containerservice import AgentPool

from components.config import AksPool
from components.gpu_node_pool.groups import node_groups
from components.gpu_node_pool.interface import NodePoolArgs
from components.planning.pools import NodePool, Taint


class AksNodePool(pulumi.ComponentResource):
    """An agent pool that AKS's autoscaler sizes, or two if spot machines are preferred."""

    plan: NodePool

    def __init__(self, name: str, args: NodePoolArgs[AksPool], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:node-pool:AksNodePool", name, None, opts)
        config = args.config
        for group in node_groups(config, args.plan):
            AgentPool(
                f"{name}-{group.role}",
                # A name of Pulumi's would have characters, and more of them, than AKS takes.
                agent_pool_name=f"{name}s" if group.role == "spot" else name,
                resource_group_name=config.resource_group,
                resource_name_=config.cluster,
                mode="User",
                type="VirtualMachineScaleSets",
                os_type="Linux",
                vm_size=config.machine_type,
                availability_zones=list(config.zones) or None,
                vnet_subnet_id=config.subnet,
                os_disk_size_gb=config.disk.size_gb,
                os_disk_type=config.disk.type,
                gpu_profile={"driver": config.driver},
                gpu_instance_profile=_instance_profile(config),
                enable_auto_scaling=True,
                count=group.min_nodes,
                min_count=group.min_nodes,
                max_count=group.max_nodes,
                node_labels=group.labels,
                node_taints=[_text(taint) for taint in group.taints],
                scale_set_priority="Spot" if group.spot else "Regular",
                scale_set_eviction_policy="Delete" if group.spot else None,
                # The autoscaler moves it.
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["count"]),
            )
        self.plan = args.plan
        self.register_outputs({"plan": self.plan.told()})


def _text(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}"


def _instance_profile(config: AksPool) -> str | None:
    """AKS names profiles by their slices: MIG1g is the 1g profile of whatever card the machine has."""
    return f"MIG{config.gpu.mig.profile.partition('.')[0]}" if config.gpu.mig else None

"""The dashboard of the GPUs of a cluster, as NVIDIA's DCGM exporter sees them."""

import re
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from components.planning.dashboards.panels import Query, add_row, add_variable, chart, new_dashboard
from components.planning.pools import WHOLE_GPU

if TYPE_CHECKING:
    from components.config import StackConfig

XID_ERRORS = "The last error that the driver reported, 0 for none, by its number in NVIDIA's catalogue of XID errors."
_GPU = "{{Hostname}} {{gpu}}"


def gpu_dashboard(config: "StackConfig") -> Dashboard:
    """What the GPUs of the cluster's nodes do, whoever uses them, and how many of them pods ask for."""
    about = "The GPUs of this cluster's nodes. A model's own are on its dashboard."
    board = new_dashboard(f"GPUs ({config.namespace})", f"{config.namespace}//gpus", about)
    add_variable(board, "node", "Node", "DCGM_FI_DEV_GPU_UTIL", "Hostname")
    used = _each("DCGM_FI_DEV_FB_USED")
    add_row(
        board,
        "Use",
        [
            chart("Utilisation", units.Percent, Query(_each("DCGM_FI_DEV_GPU_UTIL"), _GPU), most=100),
            chart(
                "Memory in use",
                units.PercentUnit,
                Query(f"{used} / ({used} + {_each('DCGM_FI_DEV_FB_FREE')})", _GPU),
                most=1,
            ),
            chart("Memory bandwidth in use", units.Percent, Query(_each("DCGM_FI_DEV_MEM_COPY_UTIL"), _GPU), most=100),
        ],
    )
    add_row(
        board,
        "Health",
        [
            chart("Power", units.Watt, Query(_each("DCGM_FI_DEV_POWER_USAGE"), _GPU)),
            chart("Temperature", units.Celsius, Query(_each("DCGM_FI_DEV_GPU_TEMP"), _GPU)),
            chart("Clock of the processors", units.Hertz, Query(f"1e6 * {_each('DCGM_FI_DEV_SM_CLOCK')}", _GPU)),
            chart("XID error", units.Short, Query(_each("DCGM_FI_DEV_XID_ERRORS"), _GPU), description=XID_ERRORS),
        ],
    )
    given = {pool.gpu.resource for pool in config.node_pools.values() if pool.provider != "stack" and pool.gpu}
    # As kube-state-metrics writes the resource's name.
    labels = {resource: re.sub("[^a-zA-Z0-9]", "_", resource) for resource in sorted(given | {WHOLE_GPU})}
    add_row(
        board,
        "Pods",
        [
            chart(
                f"Pods' {resource}",
                units.Short,
                Query(f'sum(kube_node_status_allocatable{{resource="{label}"}})', "that nodes have"),
                Query(f'sum(kube_pod_container_resource_requests{{resource="{label}"}})', "that pods ask for"),
            )
            for resource, label in labels.items()
        ],
    )
    return board


def _each(metric: str) -> str:
    return f'max by (Hostname, gpu) ({metric}{{Hostname=~"$node"}})'

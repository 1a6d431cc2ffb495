"""The values of NVIDIA's charts, from the pools whose nodes they serve.

Field names are those of the charts of k8s-device-plugin 0.18 and of gpu-operator 26.3.
"""

import json
from typing import TYPE_CHECKING, Any

from components.planning import settings
from components.planning.charts import ChartSource, PinnedChart
from components.planning.pools import GPU_TAINT, WHOLE_GPU, NodePool, plugin_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi_kubernetes.core.v1 import TolerationArgsDict

    from components.config import GpuConfig, GpuSupportConfig, ProxyConfig

# What a node without the label of a configuration gets.
_DEFAULT = "default"
_PLUGIN_CONFIGS = "model-serving-device-plugin"


CHARTS = {
    "device-plugin": PinnedChart(
        name="nvidia-device-plugin",
        repository="https://nvidia.github.io/k8s-device-plugin",
        version="0.18.0",
        digest="sha256:3abe7949ce08e14dac6a3ebf81d6e2ed3fca15a0a0fb751e67de40c72761d4e4",
    ),
    "gpu-operator": PinnedChart(
        name="gpu-operator", repository="https://helm.ngc.nvidia.com/nvidia", version="v26.3.3"
    ),
}


def source(config: "GpuSupportConfig") -> ChartSource:
    """Where the configured chart comes from."""
    return CHARTS[config.install].source(("gpuSupport",), config.version, config.repository, config.digest)


def values(
    config: "GpuSupportConfig",
    pools: "Mapping[str, tuple[NodePool, GpuConfig]]",
    proxy: "ProxyConfig | None" = None,
) -> dict[str, Any]:
    """The values of the configured chart for pools that this stack describes.

    By `proxy` the container that installs a driver gets what it downloads.
    """
    gpus = [gpu for _, gpu in pools.values()]
    configs = _plugin_configs(gpus)
    if config.install == "device-plugin":
        return {
            "tolerations": tolerations(pools),
            "affinity": _on_nodes_of(pools),
            "config": {"map": configs, "default": _DEFAULT},
        }
    return {
        "daemonsets": {"tolerations": tolerations(pools)},
        "driver": {"enabled": config.driver == "operator", "env": _environment(proxy)},
        "toolkit": {"enabled": config.driver == "operator"},
        "mig": {"strategy": "mixed" if any(plugin_config(gpu) == "mig-mixed" for gpu in gpus) else "single"},
        "devicePlugin": {
            "config": {"create": True, "name": _PLUGIN_CONFIGS, "default": _DEFAULT, "data": configs},
        },
        # Its worker finds the GPUs, so it has to run where they are.
        "node-feature-discovery": {"worker": {"tolerations": tolerations(pools)}},
    }


def _environment(proxy: "ProxyConfig | None") -> list[dict[str, str]]:
    variables = settings.proxy_variables(proxy) if proxy else {}
    return [{"name": name, "value": value} for name, value in variables.items()]


def _plugin_configs(gpus: "list[GpuConfig]") -> dict[str, str]:
    """The device plugin's configurations by name, as the texts that its ConfigMap holds. JSON is YAML."""
    configs: dict[str, dict[str, Any]] = {_DEFAULT: {"version": "v1"}}
    for gpu in gpus:
        if (name := plugin_config(gpu)) is None:
            continue
        if gpu.mig is not None:
            configs[name] = {"version": "v1", "flags": {"migStrategy": name.removeprefix("mig-")}}
        else:
            slices = {
                "renameByDefault": gpu.resource != WHOLE_GPU,
                "resources": [{"name": WHOLE_GPU, "replicas": gpu.time_slicing}],
            }
            configs[name] = {"version": "v1", "sharing": {"timeSlicing": slices}}
    return {name: json.dumps(config, sort_keys=True) for name, config in sorted(configs.items())}


def tolerations(pools: "Mapping[str, tuple[NodePool, GpuConfig]]") -> "list[TolerationArgsDict]":
    """What a pod tolerates that runs on every node of the pools."""
    tolerated = {(GPU_TAINT, "NoSchedule"): None}
    for pool, _ in pools.values():
        tolerated |= dict.fromkeys((taint.key, taint.effect) for taint in pool.taints)
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in tolerated]


def _on_nodes_of(pools: "Mapping[str, tuple[NodePool, GpuConfig]]") -> dict[str, Any]:
    """Instead of the chart's own condition, which waits for labels that feature discovery would have to set."""
    terms = [
        {
            "matchExpressions": [
                {"key": key, "operator": "In", "values": [value]} for key, value in pool.node_selector.items()
            ]
        }
        for pool, _ in pools.values()
    ]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}

"""The values of NVIDIA's charts."""

import json
from typing import Any

from pydantic import TypeAdapter

from components.config import GpuConfig, GpuSupportConfig, NodePoolConfig, ProxyConfig
from components.planning.gpu_support import values
from components.planning.pools import PLUGIN_CONFIG_LABEL, NodePool, node_pool

KARPENTER: dict[str, Any] = {"provider": "karpenter", "gpu": {"type": "nvidia-l4"}, "maxNodes": 4}
EXISTING: dict[str, Any] = {"provider": "existing", "nodeSelector": {"pool": "gpus"}}
SLICES = {"type": "l4", "timeSlicing": 4}
MIG = {"type": "a100", "mig": {"profile": "1g.5gb", "perGpu": 7}}


def pools(**sections: dict[str, Any]) -> dict[str, tuple[NodePool, GpuConfig]]:
    configs: dict[str, Any] = {name: TypeAdapter(NodePoolConfig).validate_python(s) for name, s in sections.items()}
    return {name: (node_pool("dev", name, config), config.gpu) for name, config in configs.items()}


def support(**keys: Any) -> GpuSupportConfig:
    return GpuSupportConfig.model_validate({"install": "device-plugin"} | keys)


def test_the_device_plugin_runs_on_the_nodes_of_the_pools_whatever_keeps_others_away() -> None:
    taints = [{"key": "team", "value": "vision", "effect": "NoExecute"}]
    given = values(support(), pools(l4=KARPENTER, gpus=EXISTING | {"gpu": {"type": "t4"}, "taints": taints}))
    [l4, gpus] = given["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert l4 == {"matchExpressions": [{"key": "model-serving/node-pool", "operator": "In", "values": ["dev-l4"]}]}
    assert gpus == {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["gpus"]}]}
    assert given["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Exists", "effect": "NoExecute"},
    ]


def test_nodes_are_labelled_with_a_configuration_that_there_is() -> None:
    served = pools(
        l4=KARPENTER | {"gpu": SLICES},
        shared=EXISTING | {"gpu": SLICES | {"resource": "nvidia.com/gpu.shared"}},
        a100=KARPENTER | {"gpu": MIG},
        plain=KARPENTER,
    )
    configs = {name: json.loads(text) for name, text in values(support(), served)["config"]["map"].items()}
    assert configs == {
        "default": {"version": "v1"},
        "time-slices-4": slicing(4, renamed=False),
        "time-slices-4-shared": slicing(4, renamed=True),
        "mig-single": {"version": "v1", "flags": {"migStrategy": "single"}},
    }
    labels = {pool.labels[PLUGIN_CONFIG_LABEL] for pool, _ in served.values() if PLUGIN_CONFIG_LABEL in pool.labels}
    assert labels == {"time-slices-4", "mig-single"} < configs.keys()


def slicing(replicas: int, *, renamed: bool) -> dict[str, Any]:
    resources = [{"name": "nvidia.com/gpu", "replicas": replicas}]
    return {"version": "v1", "sharing": {"timeSlicing": {"renameByDefault": renamed, "resources": resources}}}


def test_the_operator_gets_the_same_configurations() -> None:
    served = pools(l4=KARPENTER | {"gpu": SLICES})
    plugin, operator = values(support(), served), values(support(install="gpu-operator"), served)
    assert operator["devicePlugin"]["config"]["data"] == plugin["config"]["map"]
    assert operator["devicePlugin"]["config"]["default"] in operator["devicePlugin"]["config"]["data"]
    assert operator["daemonsets"]["tolerations"] == plugin["tolerations"]
    assert operator["mig"] == {"strategy": "single"}
    assert not operator["driver"]["enabled"]
    assert not operator["toolkit"]["enabled"]


def test_the_operator_installs_the_driver_where_nodes_have_none() -> None:
    given = values(support(install="gpu-operator", driver="operator"), pools(l4=KARPENTER))
    assert given["driver"] == {"enabled": True, "env": []}
    assert given["toolkit"] == {"enabled": True}


def test_a_driver_is_downloaded_through_the_stacks_proxy() -> None:
    proxy = ProxyConfig.model_validate({"https": "http://proxy.example.com:3128"})
    given = values(support(install="gpu-operator", driver="operator"), pools(l4=KARPENTER), proxy)
    told = {entry["name"]: entry["value"] for entry in given["driver"]["env"]}
    assert told["HTTPS_PROXY"] == told["https_proxy"] == "http://proxy.example.com:3128"
    assert ".svc" in told["NO_PROXY"]


def test_instances_with_names_of_their_own() -> None:
    eks = KARPENTER | {
        "provider": "eks",
        "cluster": "ml",
        "nodeRole": "arn:aws:iam::123456789012:role/nodes",
        "subnets": ["subnet-0123456789abcdef0"],
        "machineTypes": ["p4d.24xlarge"],
        "gpu": MIG | {"resource": "nvidia.com/mig-1g.5gb"},
    }
    given = values(support(install="gpu-operator"), pools(a100=eks))
    assert given["mig"] == {"strategy": "mixed"}
    assert json.loads(given["devicePlugin"]["config"]["data"]["mig-mixed"])["flags"] == {"migStrategy": "mixed"}

"""A fleet: 50 models of 20 pods with GPUs on two pools of simulated nodes, and whether the preview counted right.

Real are the program, the API server and the scheduler; the nodes, and so the pods on them, are simulated (kwok). The
stack is brought up where its pools suffice, then asks for more than they have. Each time the arithmetic by which a
preview accepts or refuses a stack is held against what the scheduler did.
"""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figure import Figure
from components.config import StackConfig
from components.planning import usage
from components.planning.capacity import pack
from tests.support.cluster import LocalCluster, local_cluster, toolchain
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace

MODELS, REPLICAS, GPUS_OF_NODE = 50, 20, 16
# A pool's nodes, and the GPUs of each pod in it: room for all pods, and for the one more that an update of each adds.
POOLS = {"l4": (33, 1), "h100": (66, 2)}
# How many pods more one model of a pool shall have, so that the pool does not suffice.
MORE = {"l4": 40, "h100": 45}
NAMESPACE = "bench-fleet"
LABEL = "example.com/fleet"
SECONDS = 300.0


def measure(progress: Callable[[str], None]) -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="bench-fleet-"))
    enough, short = _settings({}), _settings(MORE)
    with local_cluster() as cluster:
        toolchain("start", "--addon", "kwok")
        stack = Workspace.create(home / "product", "dev", cluster.env, home / "state")
        try:
            progress("preparing the program and the nodes")
            stack.pulumi("install")
            stack.pulumi("stack", "init", "dev")
            stack.set_config(registry=None, **enough)
            with _nodes(cluster):
                progress(f"bringing {MODELS} models with {MODELS * REPLICAS} pods up")
                began = time.monotonic()
                stack.up()
                seconds = time.monotonic() - began
                calm = _pending(cluster, enough)
                progress("asking for more than the pools have")
                stack.set_config(**short)
                refused = stack.preview(check=False).returncode != 0
                for model, replicas in _changed(short):
                    selector = f"--selector=app.kubernetes.io/name={model}"
                    cluster.kubectl("scale", "deployments", selector, f"--replicas={replicas}", namespace=NAMESPACE)
                crowded = _pending(cluster, short)
                # A destroy waits for no pod; what waits for a node would only slow it down.
                stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev")
        finally:
            stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)
            shutil.rmtree(home, ignore_errors=True)
    counted = [(_counted(enough), calm), (_counted(short), crowded)]
    progress(f"pending by arithmetic and by the scheduler: {counted}")
    return [
        Figure(key="fleet_pods", value=MODELS * REPLICAS, unit="pods", at_least=1000),
        Figure(key="fleet_pending", value=calm.total(), unit="pods", at_most=0),
        Figure(key="fleet_short_pending", value=crowded.total(), unit="pods", at_least=1),
        Figure(key="fleet_short_refused", value=int(refused), unit="", at_least=1),
        Figure(
            key="fleet_arithmetic_off",
            value=sum(abs(ours[pool] - theirs[pool]) for ours, theirs in counted for pool in POOLS),
            unit="pods",
            at_most=0,
        ),
        Figure(key="fleet_up_seconds", value=round(seconds, 1), unit="s"),
    ]


def _settings(more: Mapping[str, int]) -> dict[str, Any]:
    """The stack's file; the first model of each pool has so many replicas more."""
    models: dict[str, Any] = {}
    pools = list(POOLS)
    for index in range(MODELS):
        pool = pools[index % len(pools)]
        models[f"m{index}"] = {
            "image": f"registry.example.com/models/m{index}@sha256:{index:064x}",
            "replicas": REPLICAS + (more.get(pool, 0) if index < len(pools) else 0),
            "nodePool": pool,
            "gpus": POOLS[pool][1],
            "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}},
        }
    return {
        "namespace": NAMESPACE,
        "models": models,
        "nodePools": {
            name: {
                "provider": "existing",
                "nodeSelector": {LABEL: name},
                "gpu": {"type": name, "count": GPUS_OF_NODE},
                "maxNodes": count,
                "nodeCapacity": {"cpu": "64", "memory": "256Gi"},
            }
            for name, (count, _) in POOLS.items()
        },
    }


def _changed(settings: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, model in settings["models"].items():
        if model["replicas"] != REPLICAS:
            yield name, model["replicas"]


def _counted(settings: Mapping[str, Any]) -> Counter[str]:
    """How many pods of each pool find no node, by the arithmetic of the preview."""
    config = StackConfig.model_validate({"cluster": "local", **settings}, context={"root": Path()})
    demands, pools = usage.asked_and_there("dev", config)
    left: Counter[str] = Counter()
    for pool in pools:
        pods = [(demand.pod, demand.most) for demand in demands if demand.pool == pool.name]
        left[pool.name] = sum(pack([(pool.node, pool.max_nodes or 0)], pods).left)
    return left


def _pending(cluster: LocalCluster, settings: Mapping[str, Any]) -> Counter[str]:
    """How many pods of each pool the scheduler found no node for, once it has tried all of them."""
    wanted = sum(model["replicas"] for model in settings["models"].values())
    waiting: Counter[str] = Counter()

    def decided() -> bool:
        waiting.clear()
        pods = json.loads(cluster.kubectl("get", "pods", "-o", "json", namespace=NAMESPACE))["items"]
        bound = 0
        for pod in pods:
            conditions = pod["status"].get("conditions", [])
            if "nodeName" in pod["spec"]:
                bound += 1
            elif any(entry.get("reason") == "Unschedulable" for entry in conditions):
                waiting[pod["spec"]["nodeSelector"][LABEL]] += 1
        return bound + waiting.total() == wanted == len(pods)

    wait_until(decided, f"the scheduler's word on all of {wanted} pods", SECONDS)
    return waiting


@contextmanager
def _nodes(cluster: LocalCluster) -> Iterator[None]:
    """Simulated nodes of both pools, gone afterwards."""
    nodes = [_node(pool, index) for pool, (count, _) in POOLS.items() for index in range(count)]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes})
    try:
        cluster.kubectl("create", "-f-", namespace=NAMESPACE, stdin=document)
        yield
    finally:
        cluster.kubectl("delete", "nodes", f"--selector={LABEL}", "--wait=false", namespace=NAMESPACE)


def _node(pool: str, index: int) -> dict[str, Any]:
    resources = {"cpu": "64", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": str(GPUS_OF_NODE)}
    name = f"fleet-{pool}-{index}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {LABEL: pool, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]},
        "status": {"capacity": resources, "allocatable": resources},
    }

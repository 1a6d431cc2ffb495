"""Karpenter itself, on simulated nodes: the pool that the program declares is the one it launches GPU nodes from.

The nodes, and so the pods on them, are simulated (kwok): the model's image is never pulled and nothing answers. Real
are the API server, the scheduler, Karpenter's controllers, and all that the program declares.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster import LocalCluster, toolchain
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"karpenter-{uuid.uuid4().hex[:6]}"
IMAGE = "registry.example.com/models/digits@sha256:" + "b" * 64
POOL = {
    "provider": "karpenter",
    "gpu": {"type": "nvidia-l4", "count": 1},
    "nodeClass": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
    "machineTypes": ["g6.xlarge"],
    "maxNodes": 2,
    "disruption": {"consolidateAfter": "1s"},
}
SECONDS = 120.0


def model(replicas: int) -> dict[str, Any]:
    return {
        "image": IMAGE,
        "replicas": replicas,
        # There is no node to spare for a third pod during an update.
        "rollout": {"maxSurge": 0, "maxUnavailable": 1},
        "nodePool": "l4",
        "gpus": 1,
        "resources": {"requests": {"cpu": "1", "memory": "256Mi"}},
    }


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    toolchain("start", "--addon", "karpenter")
    home = tmp_path_factory.mktemp("karpenter")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=STACK, nodePools={"l4": POOL}, models={"digits": model(1)})
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


class Seen:
    """What the cluster has of this stack now."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def _list(self, kind: str, *selector: str) -> list[dict[str, Any]]:
        return json.loads(self._cluster.kubectl("get", kind, *selector, "-o", "json", namespace=STACK))["items"]

    def pools(self) -> list[dict[str, Any]]:
        # A stack has a namespace, and its pools none: they carry its name.
        return [pool for pool in self._list("nodepools") if pool["metadata"]["name"].startswith("l4")]

    def nodes(self) -> dict[str, dict[str, Any]]:
        """The nodes that Karpenter launched from the stack's pool, by name."""
        nodes = self._list("nodes", f"--selector=model-serving/node-pool={STACK}-l4")
        return {node["metadata"]["name"]: node for node in nodes}

    def pods(self) -> list[dict[str, Any]]:
        return self._list("pods")


def test_a_model_that_asks_for_a_gpu_gets_a_node_and_gives_it_back(
    workspace: Workspace, local_cluster: LocalCluster
) -> None:
    seen = Seen(local_cluster)
    assert seen.nodes() == {}

    workspace.up()  # its wait for the Deployment is over when the pod runs, so when there is a node
    ((name, node),) = seen.nodes().items()
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "g6.xlarge"
    assert [taint["key"] for taint in node["spec"]["taints"]] == ["nvidia.com/gpu"]
    (pod,) = seen.pods()
    assert pod["spec"]["nodeName"] == name
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    workspace.preview("--expect-no-changes")

    workspace.set_config(models={"digits": model(2)})
    workspace.up()
    assert len(seen.nodes()) == 2
    assert {pod["spec"]["nodeName"] for pod in seen.pods()} == set(seen.nodes())

    workspace.set_config(models={"digits": model(1)})
    workspace.up()
    wait_until(lambda: len(seen.nodes()) == 1, "the node that no pod needs gone", SECONDS)
    wait_until(lambda: len(seen.pods()) == 1, "one pod left", SECONDS)
    assert {pod["spec"]["nodeName"] for pod in seen.pods()} == set(seen.nodes())

    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    wait_until(lambda: not seen.nodes(), "the last node gone with its pool", SECONDS)


def test_the_pool_is_never_larger_than_it_may_be(workspace: Workspace, local_cluster: LocalCluster) -> None:
    """Karpenter keeps the limit that the program derives from maxNodes: a third node is not launched."""
    seen = Seen(local_cluster)
    workspace.set_config(models={"digits": model(2)})
    workspace.up()
    local_cluster.kubectl("scale", "deployments", "--all", "--replicas=3", namespace=STACK)

    def waiting() -> list[str]:
        conditions = [entry for pod in seen.pods() for entry in pod["status"].get("conditions", [])]
        return [entry["message"] for entry in conditions if entry.get("reason") == "Unschedulable"]

    wait_until(waiting, "a pod that finds no node", SECONDS)

    def refused() -> bool:
        events = local_cluster.kubectl("get", "events", "-o", "json", namespace=STACK)
        messages = [event["message"] for event in json.loads(events)["items"] if event["reason"] == "FailedScheduling"]
        return any("limit" in message for message in messages)

    wait_until(refused, "Karpenter's word that the pool's limit is reached", SECONDS)
    assert len(seen.nodes()) == 2
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK)
    wait_until(lambda: not seen.nodes(), "the nodes gone with their pool", SECONDS)

"""An autoscaler moves a model's replicas by the CPU that its pods use, and `pulumi up` leaves them to it."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster import LocalCluster, toolchain
from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"autoscaling-{uuid.uuid4().hex[:6]}"
# Windows as short as they may be: the autoscaler itself looks every 15 s.
AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}
REPLICAS = {"min": 1, "max": 2, "targetCPUUtilization": 50, "behavior": {"scaleUp": AT_ONCE, "scaleDown": AT_ONCE}}
MINUTES = 60.0


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The example model with a range of replicas, each of which asks for a twentieth of a core."""
    toolchain("start", "--addon", "metrics-server")
    home = tmp_path_factory.mktemp("autoscaling")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    models = workspace.read_config()["config"]["model-serving:models"]
    resources = {"requests": {"cpu": "50m", "memory": "128Mi"}}
    digits = models["digits"] | {"replicas": REPLICAS, "resources": resources, "service": {"type": "NodePort"}}
    workspace.set_config(namespace=STACK, models={"digits": digits})
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


class Seen:
    """What the cluster says of the model now."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def _get(self, kind: str) -> dict[str, Any]:
        (item,) = json.loads(self._cluster.kubectl("get", kind, "-o", "json", namespace=STACK))["items"]
        return item

    def asked_for(self) -> int:
        return self._get("deployments")["spec"]["replicas"]

    def ready(self) -> int:
        return self._get("deployments")["status"].get("readyReplicas", 0)

    def measured(self) -> bool:
        return bool(self._get("horizontalpodautoscalers")["status"].get("currentMetrics"))

    def why(self) -> str:
        return self._cluster.kubectl("describe", "hpa", namespace=STACK)


def test_load_adds_a_pod_and_its_end_takes_it_away_again(workspace: Workspace, local_cluster: LocalCluster) -> None:
    workspace.up()
    seen = Seen(local_cluster)
    assert seen.asked_for() == 1
    wait_until(seen.measured, f"the CPU of the pod\n{seen.why()}", 2 * MINUTES)
    assert "digits" in local_cluster.kubectl("top", "pods", namespace=STACK)

    port = workspace.outputs()["models"]["digits"]["nodePort"]
    with Load(port, "digits", workspace.path / "model/digits", pause=0.002) as load:
        wait_until(lambda: seen.ready() == 2, f"a second pod under load\n{seen.why()}", 4 * MINUTES)
        workspace.up()
        assert seen.asked_for() == 2
        workspace.preview("--expect-no-changes")
        assert seen.asked_for() == 2
    assert load.right > 0
    assert dict(load.failures) == {}

    wait_until(lambda: seen.asked_for() == 1, f"one pod without load\n{seen.why()}", 4 * MINUTES)
    workspace.preview("--expect-no-changes")

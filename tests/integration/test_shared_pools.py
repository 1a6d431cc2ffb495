"""Two stacks, one with a node pool and monitoring, and one that uses both by stack references, on a real engine.

Of monitoring the objects are looked at; test_monitoring.py has two stacks with one running Prometheus.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.cluster import LocalCluster, toolchain
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

ID = uuid.uuid4().hex[:6]
OWNER, USER = f"pools-{ID}", f"user-{ID}"
REFERENCE = f"organization/model-serving/{OWNER}"
WATCHERS = f"{OWNER}-watchers"
MONITORING = {"mode": "existing", "namespace": WATCHERS, "labels": {"release": OWNER}, "scrapeInterval": "15s"}
POOL = {"provider": "stack", "stack": REFERENCE}
WATCHED = {"mode": "stack", "stack": REFERENCE}
MODEL = {"image": "registry.example.com/models/digits@sha256:" + "b" * 64, "nodePool": "nodes"}


@pytest.fixture(scope="module")
def owner(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A stack with a pool, the nodes of this cluster, and a Prometheus that it knows of, and no model."""
    toolchain("start", "--addon", "monitoring")
    home = tmp_path_factory.mktemp("pools")
    workspace = Workspace.create(home / "checkout", OWNER, local_cluster.env, home / "state")
    pool = {"provider": "existing", "nodeSelector": {"kubernetes.io/os": "linux"}, "maxNodes": 1}
    configure(workspace, {"nodes": pool}, monitoring=MONITORING)
    workspace.install()
    workspace.pulumi("stack", "init", OWNER)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", OWNER, check=False)


@pytest.fixture(scope="module")
def user(owner: Workspace) -> Iterator[Workspace]:
    """Another stack of the same program."""
    workspace = replace(owner, stack=USER)
    configure(workspace, {"nodes": POOL}, models={"digits": MODEL})
    workspace.pulumi("stack", "init", USER)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", USER, check=False)


def configure(workspace: Workspace, pools: dict[str, Any], **sections: Any) -> None:
    settings = {"cluster": "local", "namespace": workspace.stack, "nodePools": pools, **sections}
    workspace.write_config({"config": {f"model-serving:{key}": value for key, value in settings.items()}})


def test_before_the_other_stack_is_up_its_pool_is_not_there(user: Workspace) -> None:
    done = user.preview(check=False)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert f"model-serving:nodePools.nodes.stack: stack {REFERENCE} has no output nodePools" in told
    assert "Traceback" not in told


def test_nor_is_its_monitoring(user: Workspace) -> None:
    configure(user, {}, models={"digits": {"image": MODEL["image"]}}, monitoring=WATCHED)
    done = user.preview(check=False)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert f"model-serving:monitoring.stack: stack {REFERENCE} has no output monitoring" in told
    assert "Traceback" not in told


def test_a_preview_knows_where_the_pods_go_and_who_watches_them(owner: Workspace, user: Workspace) -> None:
    owner.up()
    configure(user, {"nodes": POOL}, models={"digits": MODEL}, monitoring=WATCHED)
    states = [step["newState"] for step in json.loads(user.preview("--json").stdout)["steps"]]

    def planned(kind: str) -> dict[str, Any]:
        """Of the model; the namespace's policy has another name."""
        [inputs] = [
            state["inputs"]
            for state in states
            if state["type"].endswith(f":{kind}") and state["urn"].rpartition("::")[2].startswith("digits-")
        ]
        return inputs

    assert planned("Deployment")["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    for kind in ("PodMonitor", "PrometheusRule"):
        assert planned(kind)["metadata"]["labels"]["release"] == OWNER
    assert planned("PodMonitor")["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"
    assert WATCHERS in json.dumps(planned("NetworkPolicy")["spec"]["ingress"])


def test_so_does_an_update_and_nothing_changes_after_it(owner: Workspace, user: Workspace) -> None:
    configure(user, {"nodes": POOL}, monitoring=WATCHED)
    user.up()
    for output in ("nodePools", "monitoring"):
        assert user.outputs()[output] == owner.outputs()[output] != {}
    user.preview("--expect-no-changes")


def test_a_pool_that_the_other_stack_does_not_have(user: Workspace) -> None:
    configure(user, {"gpus": {"provider": "stack", "stack": REFERENCE}})
    done = user.preview(check=False)
    assert done.returncode != 0
    assert (
        f'model-serving:nodePools.gpus.pool: stack {REFERENCE} has no node pool "gpus"; allowed: nodes '
        f"-> pulumi config set --path 'model-serving:nodePools.gpus.pool' nodes --stack {USER}"
    ) in done.stdout + done.stderr

"""Two stacks, one with a node pool and one that uses it through a stack reference, on a real engine."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.cluster import LocalCluster
from tests.support.workspace import Workspace

pytestmark = pytest.mark.integration

ID = uuid.uuid4().hex[:6]
OWNER, USER = f"pools-{ID}", f"user-{ID}"
REFERENCE = f"organization/model-serving/{OWNER}"
MODEL = {"image": "registry.example.com/models/digits@sha256:" + "b" * 64, "nodePool": "nodes"}


@pytest.fixture(scope="module")
def owner(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A stack with a pool, the nodes of this cluster, and no model."""
    home = tmp_path_factory.mktemp("pools")
    workspace = Workspace.create(home / "checkout", OWNER, local_cluster.env, home / "state")
    pool = {"provider": "existing", "nodeSelector": {"kubernetes.io/os": "linux"}, "maxNodes": 1}
    configure(workspace, {"nodes": pool})
    workspace.install()
    workspace.pulumi("stack", "init", OWNER)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", OWNER, check=False)


@pytest.fixture(scope="module")
def user(owner: Workspace) -> Iterator[Workspace]:
    """Another stack of the same program."""
    workspace = replace(owner, stack=USER)
    configure(workspace, {"nodes": {"provider": "stack", "stack": REFERENCE}}, models={"digits": MODEL})
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


def test_a_preview_knows_the_pool_and_where_the_pods_go(owner: Workspace, user: Workspace) -> None:
    owner.up()
    planned = json.loads(user.preview("--json").stdout)
    [deployment] = [
        step["newState"]["inputs"]
        for step in planned["steps"]
        if step["newState"]["type"] == "kubernetes:apps/v1:Deployment"
    ]
    assert deployment["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}


def test_so_does_an_update_and_nothing_changes_after_it(owner: Workspace, user: Workspace) -> None:
    configure(user, {"nodes": {"provider": "stack", "stack": REFERENCE}})
    user.up()
    assert user.outputs()["nodePools"] == owner.outputs()["nodePools"] != {}
    user.preview("--expect-no-changes")


def test_a_pool_that_the_other_stack_does_not_have(user: Workspace) -> None:
    configure(user, {"gpus": {"provider": "stack", "stack": REFERENCE}})
    done = user.preview(check=False)
    assert done.returncode != 0
    assert (
        f'model-serving:nodePools.gpus.pool: stack {REFERENCE} has no node pool "gpus"; allowed: nodes '
        f"-> pulumi config set --path 'model-serving:nodePools.gpus.pool' nodes --stack {USER}"
    ) in done.stdout + done.stderr

"""The policy pack on the real engine: what it lets pass, what it stops, and what a preview cannot know."""

import json

import pytest

from tests.support.cluster import LocalCluster
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

IMAGE = "registry.example.com/models/digits@sha256:" + "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Stack dev of a fresh copy, never deployed."""
    home = tmp_path_factory.mktemp("policies")
    workspace = Workspace.create(home / "checkout", "dev", local_cluster.env, home / "state")
    workspace.set_config(namespace="policies")
    workspace.install()
    workspace.install("policy")
    workspace.pulumi("stack", "init", "dev")
    return workspace


def test_the_example_passes_and_what_is_not_known_is_advice(workspace: Workspace) -> None:
    """The image is not built yet, so whether it has a digest cannot be known."""
    printed = workspace.preview("--policy-pack", "policy").stdout
    assert "model-serving@v0.1.0" in printed
    assert "[mandatory]" not in printed
    assert "can't run policy 'image-by-digest'" in printed


def test_a_stacks_own_settings_stop_it_with_what_to_do(workspace: Workspace) -> None:
    workspace.set_config(models={"digits": {"image": IMAGE}})
    settings = {
        "available": {"enforcementLevel": "mandatory", "replicas": 2},
        "image-from-allowed-registry": {"enforcementLevel": "advisory", "registries": ["registry.acme.example"]},
    }
    file = workspace.path / "policy" / "dev.json"
    file.write_text(json.dumps(settings))
    options = ("--policy-pack", "policy", "--policy-pack-config", str(file))
    stopped = workspace.preview(*options, check=False)
    assert stopped.returncode == 1
    assert "Deployment digits-server has 1 replica, and at least 2 are asked for -> raise replicas of" in stopped.stdout
    assert "comes from none of the allowed registries: registry.acme.example" in stopped.stdout

    workspace.set_config(models={"digits": {"image": IMAGE, "replicas": 2}})
    passed = workspace.preview(*options)
    assert "[advisory]" in passed.stdout
    assert "[mandatory]" not in passed.stdout


def test_what_a_stack_may_cost_is_held_against_its_own_output(workspace: Workspace) -> None:
    pool = {"provider": "karpenter", "gpu": {"type": "l4"}, "maxNodes": 4}
    prices = {"currency": "USD", "date": "2026-11-01", "perHour": {"l4": 0.8}}
    model = {"image": IMAGE, "nodePool": "l4", "replicas": 2}
    workspace.set_config(models={"digits": model}, nodePools={"l4": pool}, prices=prices)
    file = workspace.path / "policy" / "dev.json"
    for allowed, code in ((2.0, 0), (1.0, 1)):
        file.write_text(json.dumps({"most-cost": {"perHour": allowed}}))
        done = workspace.preview("--policy-pack", "policy", "--policy-pack-config", str(file), check=False)
        assert done.returncode == code, done.stdout
    assert "the stack may cost 1.6 per hour, and 1 are allowed" in done.stdout

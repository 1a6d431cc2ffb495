"""What the recording does not show: failures mended, other managers, custom resources, imports, interruption."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.playing import Outcome, Player
from toolchain.kubernetes_plugin.connection import Connection
from toolchain.kubernetes_plugin.kubeconfig import load, select

pytestmark = [pytest.mark.integration, pytest.mark.shared]

PROGRAM = Path(__file__).parent / "programs" / "beyond.py"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def player(playground: tuple[Path, str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A new stack of the program of this module."""
    kubeconfig, image, env = playground
    player = Player.create(tmp_path_factory.mktemp("beyond"), env, kubeconfig, image, PROGRAM)
    yield player
    player.at("nothing")
    player.pulumi("destroy", "--yes", "--skip-preview")


class Cluster:
    """The cluster by other means than the plugin's operations."""

    def __init__(self, kubeconfig: Path) -> None:
        self._access = select(load(str(kubeconfig)))

    def __call__(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        async def connected() -> dict[str, Any]:
            connection = Connection(self._access)
            try:
                return await connection.request(method, path, **arguments)
            finally:
                await connection.close()

        return asyncio.run(connected())


@pytest.fixture(scope="module")
def cluster(playground: tuple[Path, str, dict[str, str]]) -> Cluster:
    return Cluster(playground[0])


def up(player: Player, step: str) -> Outcome:
    player.at(step)
    return player.up()


def resource(player: Player, type_: str) -> dict[str, Any]:
    return next(found for found in player.state() if found["type"] == type_)


def deployment_path(player: Player) -> str:
    namespace, name = resource(player, "kubernetes:apps/v1:Deployment")["id"].split("/")
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def scale(cluster: Cluster, player: Player, replicas: int) -> None:
    path = f"{deployment_path(player)}/scale"
    patch = {"spec": {"replicas": replicas}}
    cluster("PATCH", path, parameters={"fieldManager": "kubectl"}, body=patch, content_type=MERGE)


class TestFailureAndRepair:
    """In order: one Deployment that fails, is tried again, mended, and interrupted."""

    def test_a_failure_is_explained_and_remembered(self, player: Player) -> None:
        failed = up(player, "failing")
        assert failed.rc == 1
        said = "\n".join(d["message"] for d in failed.diagnostics if d["severity"] == "error")
        assert "timed out waiting to be Ready" in said
        assert "exit code 7" in said
        assert resource(player, "kubernetes:apps/v1:Deployment")["initErrors"]

    def test_an_unchanged_program_tries_again(self, player: Player) -> None:
        again = up(player, "failing-again")
        assert [op["op"] for op in again.ops] == ["update"]
        assert again.rc == 1

    def test_mended(self, player: Player) -> None:
        mended = up(player, "mended")
        assert mended.rc == 0
        assert [op["op"] for op in mended.ops] == ["update"]
        assert "initErrors" not in resource(player, "kubernetes:apps/v1:Deployment")
        assert player.preview().ops == []

    def test_a_secret_is_nowhere_in_the_state(self, player: Player) -> None:
        assert "canary-env" not in json.dumps(player.state())

    def test_a_field_that_others_took_is_refused_and_can_be_forced(self, player: Player, cluster: Cluster) -> None:
        scale(cluster, player, 3)
        player.run("pulumi refresh --yes --json --skip-preview")
        refused = player.up()
        assert refused.rc == 1
        assert any("server-side apply field conflict" in d["message"] for d in refused.diagnostics)
        assert cluster("GET", deployment_path(player))["spec"]["replicas"] == 3
        assert up(player, "forced").rc == 0
        assert cluster("GET", deployment_path(player))["spec"]["replicas"] == 1

    def test_an_ignored_field_is_left_to_others(self, player: Player, cluster: Cluster) -> None:
        scale(cluster, player, 2)
        assert up(player, "ignored").rc == 0
        live = cluster("GET", deployment_path(player))
        assert live["spec"]["replicas"] == 2
        assert live["metadata"]["annotations"]["note"] == "new"

    def test_an_interrupted_wait_ends_soon_and_forgets_nothing(self, player: Player) -> None:
        player.at("slow")
        running = player.start("up", "--yes", "--skip-preview")
        assert running.stdout is not None
        for line in running.stdout:
            if "updating" in line:
                break
        time.sleep(4)
        started = time.monotonic()
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
        assert time.monotonic() - started < 20
        assert running.returncode != 0
        errors = resource(player, "kubernetes:apps/v1:Deployment")["initErrors"]
        assert any("Resource operation was cancelled" in error for error in errors)
        assert up(player, "forced").rc == 0


def test_outputs_hold_what_the_server_chose(player: Player) -> None:
    assert up(player, "service").rc == 0
    assert 30000 <= json.loads(player.pulumi("stack", "output", "--json").stdout)["nodePort"] < 32768


def test_a_definition_and_its_object_in_one_update(player: Player, cluster: Cluster) -> None:
    assert up(player, "custom").rc == 0
    changed = up(player, "custom-changed")
    assert changed.rc == 0
    assert sorted(op["op"] for op in changed.ops) == ["update", "update"]
    served = cluster("GET", "/apis/probe.test/v1")["resources"]
    assert [entry["shortNames"] for entry in served if entry["name"] == "gadgets"] == [["gd"]]
    assert up(player, "nothing").rc == 0


def test_a_given_name_is_free_before_it_is_used_again(player: Player) -> None:
    assert up(player, "fixed").rc == 0
    changed = up(player, "fixed-changed")
    assert changed.rc == 0
    operations = [op["op"] for op in changed.ops]
    assert operations.index("delete-replaced") < operations.index("create-replacement")


def test_what_exists_is_not_taken_over(player: Player) -> None:
    refused = up(player, "twice")
    assert refused.rc == 1
    assert any('configmaps "same" already exists' in d["message"] for d in refused.diagnostics)
    assert up(player, "nothing").rc == 0


def test_what_was_made_by_hand_can_be_imported_and_read(player: Player, cluster: Cluster) -> None:
    metadata = {"name": "by-hand", "labels": {"by": "hand"}}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}
    cluster("POST", "/api/v1/namespaces/default/configmaps", body=made)
    imported = up(player, "adopted")
    assert imported.rc == 0, imported.diagnostics
    assert [op["op"] for op in imported.ops if op["name"] == "adopted"] == ["import"]
    assert json.loads(player.pulumi("stack", "output", "--json").stdout)["found"] == "1"
    assert [op for op in player.preview().ops if op["op"] != "read"] == []
    assert up(player, "nothing").rc == 0


def test_what_kubectl_made_is_imported_and_changed_in_one_update(player: Player, cluster: Cluster) -> None:
    """What the program says is so afterwards, what it ignores is kept, and what else kubectl wrote is gone."""
    spec = {
        "selector": {"app": "old"},
        "sessionAffinity": "ClientIP",
        "ports": [{"name": "web", "port": 80, "targetPort": 8080}, {"name": "other", "port": 81}],
    }
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "by-kubectl"}, "spec": spec}
    path = "/api/v1/namespaces/default/services"
    before = cluster("POST", path, parameters={"fieldManager": "kubectl-client-side-apply"}, body=made)["spec"]
    taken = up(player, "taken-over")
    assert taken.rc == 0, taken.diagnostics
    assert [op["op"] for op in taken.ops if op["name"] == "taken-over"] == ["import", "update"]
    after = cluster("GET", f"{path}/by-kubectl")["spec"]
    assert (after["selector"], after["sessionAffinity"]) == ({"app": "new"}, "ClientIP")
    assert after["clusterIP"] == before["clusterIP"]
    assert [(port["port"], port["targetPort"]) for port in after["ports"]] == [(80, "http")]
    assert player.preview().ops == []
    assert up(player, "nothing").rc == 0


def test_a_protected_object_is_not_deleted_and_a_retained_one_stays(player: Player, cluster: Cluster) -> None:
    path = "/api/v1/namespaces/default/configmaps/kept"
    assert up(player, "guarded").rc == 0
    refused = up(player, "nothing")
    assert refused.rc == 1
    assert any("protected" in d["message"] for d in refused.diagnostics)
    assert up(player, "kept").rc == 0
    assert up(player, "nothing").rc == 0
    assert not [found for found in player.state() if found["urn"].endswith("::kept")]
    assert cluster("DELETE", path)["status"] == "Success"

"""Changes made by hand between commands: what is seen, what is repaired, what is refused."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.playing import RECORDED, Outcome, Player
from toolchain.kubernetes_plugin.connection import Connection
from toolchain.kubernetes_plugin.kubeconfig import load, select

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STEPS = json.loads((RECORDED / "recorded-drift.json").read_text())["steps"]
MERGE = "application/merge-patch+json"


class Hands:
    """Somebody with kubectl. The field managers are kubectl's own, because conflicts are about them."""

    def __init__(self, kubeconfig: Path, player: Player) -> None:
        self._access = select(load(str(kubeconfig)))
        ids = {resource["urn"].split("::")[2]: resource.get("id", "") for resource in player.state()}
        self._namespace = ids["kubernetes:core/v1:Namespace"]
        self._deployment = ids["kubernetes:apps/v1:Deployment"].partition("/")[2]
        self._service = ids["kubernetes:core/v1:Service"].partition("/")[2]

    def _do(self, work: Callable[[Connection], Awaitable[Any]]) -> None:
        async def connected() -> None:
            connection = Connection(self._access)
            try:
                await work(connection)
            finally:
                await connection.close()

        asyncio.run(connected())

    def _patch(self, path: str, body: dict[str, Any], manager: str) -> None:
        parameters = {"fieldManager": manager}
        self._do(lambda c: c.request("PATCH", path, parameters=parameters, body=body, content_type=MERGE))

    @property
    def _deployment_path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{self._deployment}"

    def scale_label_and_delete(self) -> None:
        """`kubectl scale deploy --replicas=3`, `kubectl label svc team=x`, `kubectl delete pdb --all`."""
        self._patch(f"{self._deployment_path}/scale", {"spec": {"replicas": 3}}, "kubectl")
        service = f"/api/v1/namespaces/{self._namespace}/services/{self._service}"
        self._patch(service, {"metadata": {"labels": {"team": "x"}}}, "kubectl-label")
        budgets = f"/apis/policy/v1/namespaces/{self._namespace}/poddisruptionbudgets"
        self._do(lambda c: c.request("DELETE", budgets))

    def set_image(self, image: str) -> None:
        """`kubectl set image` on the Deployment; JSON merge cannot change one element of a list, apply's patch can."""
        body = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}}}
        kind = "application/strategic-merge-patch+json"
        parameters = {"fieldManager": "kubectl-set"}
        path = self._deployment_path
        self._do(lambda c: c.request("PATCH", path, parameters=parameters, body=body, content_type=kind))


@pytest.fixture
def silent_registry() -> Iterator[socket.socket]:
    """A registry that takes connections and never answers.

    An image of it is being pulled for as long as a command looks, as in the recording; a registry that refuses would
    let its error appear before or after that look, as it happens.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_drift(player: Player, playground: tuple[Path, str, dict[str, str]], silent_registry: socket.socket) -> None:
    player.at("create")
    # The recording begins with a stack whose workload was deleted just before.
    assert player.up().rc == 0
    player.at("deleted")
    assert player.up().rc == 0
    player.at("create")
    hands: Hands | None = None
    for step in STEPS:
        name = step["step"]
        if name.startswith("preview without refresh"):
            hands = Hands(playground[0], player)
            hands.scale_label_and_delete()
        elif name.startswith("up --refresh"):
            assert hands is not None
            hands.set_image(f"localhost:{silent_registry.getsockname()[1]}/foreign:1")
        played, recorded = player.run(step["command"]), Outcome.recorded(step)
        if name.startswith("up --refresh"):
            silent_registry.close()  # or the kubelet would wait for it before it deletes the pod
        assert played.operations() == recorded.operations(), name
        assert played.rc == recorded.rc, name
        assert played.errors() == recorded.errors(), name
        assert played.warnings() <= recorded.warnings(), name

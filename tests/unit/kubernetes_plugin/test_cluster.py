import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.kubernetes_plugin.conftest import ApiServer, status
from toolchain.kubernetes_plugin import connection
from toolchain.kubernetes_plugin.cluster import Cluster, Event
from toolchain.kubernetes_plugin.connection import Connection
from toolchain.kubernetes_plugin.errors import ApiError, NoSuchKind, Unreachable
from toolchain.kubernetes_plugin.kubeconfig import Access
from toolchain.kubernetes_plugin.naming import Kind

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def run(access: Access, work: Callable[[Cluster], Awaitable[Any]]) -> Any:
    async def connected() -> Any:
        cluster = Cluster(Connection(access), access.namespace)
        try:
            return await work(cluster)
        finally:
            await cluster.connection.close()

    return asyncio.run(connected())


def test_objects_are_found_by_discovery(api: ApiServer) -> None:
    api.on("GET", f"{CONFIG_MAPS}/a", (200, CONFIG_MAP))
    api.on("GET", "/api/v1/namespaces/n", (200, {"kind": "Namespace"}))

    async def work(cluster: Cluster) -> None:
        assert await cluster.get(CONFIG_MAP) == CONFIG_MAP
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "namespace": "ignored"}}
        assert await cluster.get(namespace) == {"kind": "Namespace"}

    run(api.access(), work)
    assert [request.path for request in api.requests].count("/api/v1") == 1


def test_writing(api: ApiServer) -> None:
    api.on("POST", CONFIG_MAPS, (201, CONFIG_MAP))
    api.on("PATCH", f"{CONFIG_MAPS}/a", (200, CONFIG_MAP))

    async def work(cluster: Cluster) -> None:
        await cluster.create(CONFIG_MAP, "m", dry_run=True)
        await cluster.apply(CONFIG_MAP, "m", force=True)

    run(api.access(), work)
    created, applied = api.sent("POST")[0], api.sent("PATCH")[0]
    assert created.query == {"fieldManager": "m", "dryRun": "All"}
    assert applied.query == {"fieldManager": "m", "force": "true"}
    assert applied.headers["Content-Type"] == "application/apply-patch+yaml"
    assert created.body == applied.body == CONFIG_MAP


def test_kinds_that_are_not_served(api: ApiServer) -> None:
    async def work(cluster: Cluster) -> None:
        for api_version, kind in (("v1", "Widget"), ("example.test/v1", "Widget")):
            with pytest.raises(NoSuchKind, match=f'no matches for kind "Widget" in version "{api_version}"'):
                await cluster.get({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}})
        # A definition may come any time.
        widgets = [{"name": "widgets", "kind": "Widget", "namespaced": False}]
        api.on("GET", "/apis/example.test/v1", (200, {"resources": widgets}))
        assert await cluster.serves(Kind("example.test", "v1", "Widget"))

    run(api.access(), work)


def test_refusals(api: ApiServer) -> None:
    api.on("GET", f"{CONFIG_MAPS}/a", status(403, "Forbidden", "you may not"))
    api.on("POST", CONFIG_MAPS, status(404, "NotFound", 'namespaces "n" not found', kind="namespaces"))

    async def work(cluster: Cluster) -> None:
        with pytest.raises(ApiError, match="you may not") as forbidden:
            await cluster.get(CONFIG_MAP)
        assert forbidden.value.forbidden
        with pytest.raises(ApiError) as missing:
            await cluster.create(CONFIG_MAP, "m")
        assert missing.value.namespace_missing

    run(api.access(), work)


def test_refused_credentials(api: ApiServer) -> None:
    api.on("GET", "/version", status(401, "Unauthorized"))
    with pytest.raises(Unreachable, match="does not accept the kubeconfig's credentials"):
        run(api.access(token="old"), lambda cluster: cluster.check())
    assert api.requests[0].headers["Authorization"] == "Bearer old"


def test_nobody_there() -> None:
    access = Access({"server": "http://127.0.0.1:1"}, {}, "default")
    with pytest.raises(Unreachable, match=r"configured Kubernetes cluster is unreachable: http://127\.0\.0\.1:1"):
        run(access, lambda cluster: cluster.check())


def test_a_busy_server_is_asked_again(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_BUSY_SECONDS", 0.01)
    busy = status(429, "TooManyRequests")
    api.on("GET", "/version", busy, busy, (200, {}))
    run(api.access(), lambda cluster: cluster.check())
    assert len(api.requests) == 3
    api.on("GET", "/version", busy)
    with pytest.raises(ApiError):
        run(api.access(), lambda cluster: cluster.check())


def test_watch_lists_then_follows_then_lists_again(api: ApiServer) -> None:
    def pod(name: str, version: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "resourceVersion": version}}

    pods = "/api/v1/namespaces/default/pods"
    a, b, changed = pod("a", "1"), pod("b", "1"), pod("a", "2")
    api.on(
        "GET",
        pods,
        (200, {"metadata": {"resourceVersion": "5"}, "items": [a, b]}),
        (200, {"metadata": {"resourceVersion": "9"}, "items": [changed]}),
    )
    lines = [{"type": "MODIFIED", "object": changed}, {"type": "ERROR", "object": {"code": 410}}]
    api.on("GET", f"{pods}?watch", (200, lines), (200, []))

    async def work(cluster: Cluster) -> list[Event]:
        events: list[Event] = []
        async for event in cluster.watch(Kind("", "v1", "Pod"), "default", {"labelSelector": "x=y"}):
            events.append(event)
            if len(events) == 7:
                break
        return events

    events = run(api.access(), work)
    assert events == [
        ("ADDED", a),
        ("ADDED", b),
        ("SYNCED", {}),
        ("MODIFIED", changed),
        ("DELETED", b),  # while nobody was watching
        ("ADDED", changed),
        ("SYNCED", {}),
    ]
    watched = next(request for request in api.requests if "watch" in request.query)
    assert watched.query["resourceVersion"] == "5"
    assert watched.query["labelSelector"] == "x=y"


class TestExecPlugin:
    """Credentials from a program that the kubeconfig names, as cloud providers do."""

    def program(self, tmp_path: Path, text: str) -> str:
        path = tmp_path / "login"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def user(self, command: str) -> dict[str, Any]:
        env = [{"name": "PROFILE", "value": "dev"}]
        return {
            "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": ["x"], "env": env}
        }

    def test_token(self, api: ApiServer, tmp_path: Path) -> None:
        answer = json.dumps({"status": {"token": "fresh"}})
        script = f"echo \"$PROFILE $1 $KUBERNETES_EXEC_INFO\" > {tmp_path}/seen; echo '{answer}'"
        user = self.user(self.program(tmp_path, script))
        run(api.access(**user), lambda cluster: cluster.check())
        assert api.requests[0].headers["Authorization"] == "Bearer fresh"
        profile, argument, information = (tmp_path / "seen").read_text().split(" ", 2)
        assert (profile, argument) == ("dev", "x")
        assert json.loads(information)["apiVersion"] == "client.authentication.k8s.io/v1"

    @pytest.mark.parametrize("script", ["exit 1", "echo '{\"status\": {}}'"])
    def test_failure(self, api: ApiServer, tmp_path: Path, script: str) -> None:
        user = self.user(self.program(tmp_path, script))
        with pytest.raises(Unreachable, match="credentials cannot be had"):
            run(api.access(**user), lambda cluster: cluster.check())

    def test_missing(self, api: ApiServer, tmp_path: Path) -> None:
        user = self.user(str(tmp_path / "missing"))
        with pytest.raises(Unreachable, match="credentials cannot be had"):
            run(api.access(**user), lambda cluster: cluster.check())


def test_certificates_that_do_not_exist() -> None:
    access = Access({"server": "https://127.0.0.1:1", "certificate-authority": "/no/ca.crt"}, {}, "default")
    with pytest.raises(Unreachable, match="certificates cannot be used"):
        Connection(access)

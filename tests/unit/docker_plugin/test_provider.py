"""The Docker plugin's stand-in, without an engine: names, differences, requests; and with one that answers as told."""

import asyncio
import io
import json
import tarfile
from typing import Any

import httpx2
import pytest

from toolchain.docker_plugin import container
from toolchain.docker_plugin.api import Api
from toolchain.docker_plugin.provider import Provider
from toolchain.plugin_base.engine import Engine
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import UNKNOWN, Secret

URN = "urn:pulumi:dev::shop::model-serving:docker:DockerService$docker:index/{}::digits-1"
CONTAINER, NETWORK = URN.format("container:Container"), URN.format("network:Network")
INPUTS = {"name": "digits-1-abc", "image": "r.example.com/m@sha256:" + "a" * 64, "wait": True, "waitTimeout": 1}


def provider() -> Provider:
    return Provider(Engine())


def test_an_unnamed_object_keeps_the_name_that_was_made_up() -> None:
    first, failures = provider().check(CONTAINER, {"image": "i"}, {}, b"seed", None)
    assert failures == []
    assert first["name"].startswith("digits-1-")
    assert provider().check(CONTAINER, {"image": "j"}, first, b"other", None)[0]["name"] == first["name"]
    named, _ = provider().check(CONTAINER, {"image": "i", "name": "mine"}, first, b"seed", None)
    assert (named["name"], "__defaults" in named) == ("mine", False)


def test_what_it_cannot_do_is_refused_by_name() -> None:
    _, failures = provider().check(CONTAINER, {"image": "i", "privileged": True}, {}, b"", None)
    assert failures == [
        ("privileged", "privileged is not supported by this Docker plugin, which stands in for the official one")
    ]
    with pytest.raises(PluginError, match="Service is not supported by this Docker plugin"):
        provider().check(URN.format("service:Service"), {}, {}, b"", None)


@pytest.mark.parametrize(
    ("urn", "new", "replaces", "first"),
    [
        (CONTAINER, {}, [], False),
        (CONTAINER, {"image": "j"}, ["image"], False),
        (CONTAINER, {"waitTimeout": 9}, [], False),
        (NETWORK, {"labels": [{"label": "a", "value": "b"}]}, ["labels"], False),
    ],
)
def test_a_change_is_another_object(urn: str, new: dict[str, Any], replaces: list[str], first: bool) -> None:
    old = {"name": "a", "image": "i", "waitTimeout": 1, "__defaults": ["name"]}
    change = provider().diff(urn, old, {**old, **new})
    assert (change.changed, change.replaces, change.delete_first) == (list(new), replaces, first)


def test_a_named_object_has_to_go_before_its_successor_comes() -> None:
    assert provider().diff(CONTAINER, {"name": "mine", "image": "i"}, {"name": "mine", "image": "j"}).delete_first


def test_what_the_engine_is_asked_for() -> None:
    body = container.request(
        {
            "image": "i",
            "envs": ["A=b"],
            "cpus": "0.5",
            "memory": 512,
            "memorySwap": 512,
            "ports": [{"internal": 8080, "ip": "127.0.0.1"}],
            "networksAdvanced": [{"name": "n", "aliases": ["digits"]}],
            "volumes": [
                {"containerPath": "/a"},
                {"volumeName": "v", "containerPath": "/b", "readOnly": True},
                {"fromContainer": "c0", "readOnly": True},
            ],
            "healthcheck": {"tests": ["CMD", "x"], "interval": "5s", "retries": 2, "startPeriod": "1m30s"},
            "gpus": "2",
        }
    )
    host = body["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (5 * 10**8, 2**29, 2**29)
    assert host["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert (body["Volumes"], host["Binds"], host["VolumesFrom"]) == ({"/a": {}}, ["v:/b:ro"], ["c0:ro"])
    assert body["NetworkingConfig"]["EndpointsConfig"] == {"n": {"Aliases": ["digits"]}}
    assert body["Healthcheck"] == {"Test": ["CMD", "x"], "Retries": 2, "Interval": 5 * 10**9, "StartPeriod": 90 * 10**9}
    assert host["DeviceRequests"] == [{"Driver": "nvidia", "Count": 2, "Capabilities": [["gpu"]]}]


def test_uploads_are_files_of_root() -> None:
    packed = container.uploads({"uploads": [{"file": "/run/secrets/x", "content": "é"}]})
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        [entry] = archive.getmembers()
        content = archive.extractfile(entry)
        assert content is not None
        assert (entry.name, entry.mode, entry.uid, content.read().decode()) == ("run/secrets/x", 0o644, 0, "é")


class Fake:
    """A Docker Engine that has one container, whose state is what the test says."""

    def __init__(self, *states: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self._states = list(states)
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        made = httpx2.AsyncClient

        def client(**options: Any) -> httpx2.AsyncClient:
            return made(**{**options, "transport": httpx2.MockTransport(self._answer)})

        monkeypatch.setattr("toolchain.docker_plugin.api.httpx2.AsyncClient", client)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/containers/create":
            return httpx2.Response(201, json={"Id": "c1"})
        if request.url.path.endswith("/c1/json"):
            state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
            ports = {"8080/tcp": [{"HostPort": "32768"}]}
            return httpx2.Response(200, json={"State": state, "NetworkSettings": {"Ports": ports}})
        if request.url.path.endswith("/logs"):
            return httpx2.Response(200, content=b"\1\0\0\0\0\0\0\4no THREADS\n")
        return httpx2.Response(200, json={})


STARTING = {"Running": True, "ExitCode": 0, "Health": {"Status": "starting"}}
HEALTHY = {"Running": True, "ExitCode": 0, "Health": {"Status": "healthy"}}
ENDED = {"Running": False, "ExitCode": 1}


def test_a_container_is_created_when_it_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(STARTING, STARTING, HEALTHY, monkeypatch=monkeypatch)
    inputs = {**INPUTS, "ports": [{"internal": 8080}], "envs": Secret(["A=hunter2"])}
    id_, outputs = asyncio.run(provider().create(CONTAINER, inputs, preview=False))
    assert id_ == "c1"
    assert outputs["ports"] == [{"internal": 8080, "protocol": "tcp", "external": 32768}]
    assert outputs["envs"] == Secret(["A=hunter2"])
    assert "DELETE /containers/c1" not in fake.asked


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (ENDED, "the container ended with 1"),
        ({**STARTING, "Restarting": True, "ExitCode": 3}, "the container ended with 3"),
        ({**STARTING, "Health": {"Status": "unhealthy", "Log": [{"Output": "refused"}]}}, "is unhealthy"),
        (STARTING, "the container is not ready in time"),
    ],
)
def test_one_that_does_not_become_so_is_removed_and_its_log_told(
    state: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(state, monkeypatch=monkeypatch)
    with pytest.raises(PluginError, match=said) as caught:
        asyncio.run(provider().create(CONTAINER, INPUTS, preview=False))
    assert "no THREADS" in str(caught.value)
    assert fake.asked[-1] == "DELETE /containers/c1"


def test_a_piece_of_work_is_done_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    Fake({"Running": True, "ExitCode": 0}, {"Running": False, "ExitCode": 0}, monkeypatch=monkeypatch)
    id_, outputs = asyncio.run(provider().create(CONTAINER, {**INPUTS, "mustRun": False}, preview=False))
    assert (id_, outputs["exitCode"]) == ("c1", 0)


def test_a_preview_asks_the_engine_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(HEALTHY, monkeypatch=monkeypatch)
    _, outputs = asyncio.run(provider().create(CONTAINER, {**INPUTS, "ports": [{"internal": 1}]}, preview=True))
    assert (outputs["ports"], fake.asked) == (UNKNOWN, [])


def test_an_engine_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(PluginError, match=r"the Docker Engine at tcp://127\.0\.0\.1:1 does not answer"):
        asyncio.run(Api().send("GET", "/version"))
    monkeypatch.setenv("DOCKER_HOST", "ssh://somewhere")
    with pytest.raises(PluginError, match="allowed: unix://, tcp://"):
        Api()


def test_a_pull_that_fails_in_the_middle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(404, json={"message": "no such image"})
        lines = [{"status": "Pulling"}, {"error": "manifest unknown"}]
        return httpx2.Response(200, text="\n".join(map(json.dumps, lines)))

    made = httpx2.AsyncClient
    transport = httpx2.MockTransport(answer)
    monkeypatch.setattr(
        "toolchain.docker_plugin.api.httpx2.AsyncClient", lambda **options: made(**{**options, "transport": transport})
    )
    with pytest.raises(PluginError, match="cannot be pulled: manifest unknown"):
        asyncio.run(Api().pull("r.example.com/m@sha256:x"))

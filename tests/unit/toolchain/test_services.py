"""Background processes: started once, told apart from strangers, stopped again."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from toolchain import paths, services
from toolchain.cluster import processes
from toolchain.errors import ToolchainError
from toolchain.progress import Progress
from toolchain.services import builder, registry, service
from toolchain.stack import Stack

SLEEP = [sys.executable, "-c", "import time; print('serving', flush=True); time.sleep(60)"]


@pytest.fixture
def data() -> Iterator[Path]:
    folder = paths.data()
    folder.mkdir(parents=True)
    yield folder
    processes.terminate(processes.load(service.table(folder)).values(), grace_seconds=2)


def start(data: Path, configuration: str = "") -> int:
    service.ensure(data, "sleeper", SLEEP, lambda: True, tools=data, configuration=configuration)
    return processes.load(service.table(data))["sleeper"].pid


def test_a_running_service_is_left_running(data: Path) -> None:
    assert start(data) == start(data)


def test_another_configuration_replaces_it(data: Path) -> None:
    pid = start(data, "one")
    first = processes.load(service.table(data))["sleeper"]
    assert start(data, "two") != pid
    assert not first.alive


def test_a_service_that_dies_at_once_is_told_with_its_log(data: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such bucket')"]
    with pytest.raises(ToolchainError, match=r"(?s)it ended at once.*no such bucket"):
        service.ensure(data, "broken", command, lambda: False, tools=data)


def test_a_recycled_pid_is_never_killed(data: Path) -> None:
    start(data)
    ours = processes.load(service.table(data))["sleeper"]
    time.sleep(0.05)  # a start time counts in ticks of 10 ms
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL) as stranger:
        try:
            recycled = replace(ours, pid=stranger.pid)
            assert not recycled.alive
            processes.terminate([recycled], grace_seconds=1)
            assert stranger.poll() is None
        finally:
            stranger.kill()


class Answers(BaseHTTPRequestHandler):
    """An HTTP server that is or is not a registry."""

    headers_given: tuple[tuple[str, str], ...] = ()
    body = b"hello"

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.headers_given:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_port_that_something_else_has_is_a_clear_error(data: Path, stranger: str) -> None:
    with pytest.raises(ToolchainError) as caught:
        registry.start(stranger, data, data)
    assert stranger in caught.value.step
    assert "not an image registry" in caught.value.why
    assert "registry.repository" in caught.value.todo


def test_a_registry_of_the_users_is_used_and_not_owned(
    data: Path, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "headers_given", (("Docker-Distribution-Api-Version", "registry/2.0"),))
    registry.start(stranger, data, data)
    assert processes.load(service.table(data)) == {}


def test_a_busy_port_is_told_before_anything_starts(data: Path, stranger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(services.cluster, "start", never)
    monkeypatch.setattr(services.local, "platform", lambda: "node")
    stack = Stack("dev", "shop", Path("/nowhere"), {"registry": {"repository": f"{stranger}/models"}}, None)
    with pytest.raises(ToolchainError, match="not an image registry"):
        services.start(stack, Progress(), [], "monitoring")
    assert processes.load(service.table(data)) == {}


def test_each_port_that_stacks_name_has_a_registry(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one's start leaves the first one running, and both are told to the builder."""
    monkeypatch.setattr(registry, "_program", lambda tools: Path(sys.executable))
    monkeypatch.setattr(registry, "probe", lambda host: "none")
    monkeypatch.setattr(
        registry,
        "ensure",
        lambda data, name, command, ready, **settings: service.ensure(data, name, SLEEP, lambda: True, tools=data),
    )
    for host in ("localhost:7001", "127.0.0.1:7002", "localhost:7001"):
        registry.start(host, data, data)
    assert registry.hosts(data) == ["localhost:7001", "localhost:7002"]
    assert registry.plain_http("registry.example.com", data) == registry.plain_http("localhost:7002", data)
    assert "127.0.0.1:7001" in registry.plain_http("localhost:7002", data)


def test_a_free_port_answers_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    assert registry.probe(host) == "none"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost:5001", True), ("127.0.0.1:5001", True), ("registry.example.com", False), ("localhost.evil:1", False)],
)
def test_only_this_machines_registry_is_served(host: str, loopback: bool) -> None:
    assert registry.is_loopback(host) is loopback


def test_a_sockets_path_always_fits(tmp_path: Path) -> None:
    assert builder.socket_path(tmp_path) == tmp_path / "run" / "buildkitd.sock"
    deep = tmp_path / ("x" * 100)
    assert len(bytes(builder.socket_path(deep))) < 108
    assert builder.socket_path(deep) != builder.socket_path(tmp_path / ("y" * 100))

"""Logs of models, collected on the local cluster: what pods write is stored once and in order, whatever happens.

The collector is the real one, in the image that the toolchain makes. The pods that write are of a model whose server is
a few lines of Perl, so that they write what and when the test says. The receivers of OTLP and of Loki are the test's:
they decode what a real one would be sent.
"""

import gzip
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.support.cluster import LocalCluster, toolchain
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace
from toolchain.cluster.layout import NODE_IP

pytestmark = pytest.mark.integration

STACK = f"logs-{secrets.token_hex(3)}"
COLLECTOR = f"{STACK}-logs"
TOKEN, CREDENTIAL = ("canary" + secrets.token_hex(12) for _ in range(2))
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LINES = 10_000
# The node's folder for the state of the collector (components/planning/logs.py).
STATE = Path("/var/lib/model-serving/logs") / STACK
# Pods reach it at the node's address, which only this machine has.
LISTENING = (NODE_IP, 0)

# Answers every request; GET /write/<from>/<to> also begins to write those lines. Each hundredth is longer than the
# 16 KiB after which container runtimes cut a line, each hundredth another is no JSON.
WRITER = r"""
use IO::Socket::INET; $| = 1; $SIG{CHLD} = 'IGNORE'; $SIG{TERM} = sub { exit 0 };
my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 64, ReuseAddr => 1) or die;
while (my $client = $server->accept()) {
  my $request = <$client>; while (my $header = <$client>) { last if $header =~ /^\r?\n$/ }
  print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; close $client;
  if ($request =~ m{^GET /write/(\d+)/(\d+)} && !fork()) {
    for my $n ($1 .. $2 - 1) {
      my $pad = $n % 100 == 7 ? 'x' x 20000 : '';
      print $n % 100 == 9 ? "plain $n\n" : '{"level":"warning","event":"line","number":' . $n .
        ',"request_id":"r' . $n . '","trace_id":"TRACE","span_id":"SPAN","pad":"' . $pad . "\"}\n";
      select(undef, undef, undef, 0.02) if $n % 20 == 0;
    }
    exit 0;
  }
}
""".replace("TRACE", TRACE).replace("SPAN", SPAN)


@dataclass
class Receiver:
    """An HTTP server that takes logs in OpenTelemetry's protocol, or refuses them while `refusing`."""

    refusing: bool = False
    refused: int = 0
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    resources: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.refusing:
                    receiver.refused += 1
                    self.send_response(503)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                content = gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body
                sent = MessageToDict(ExportLogsServiceRequest.FromString(content))
                receiver.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
                receiver.resources.extend(sent["resourceLogs"])
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(LISTENING, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://{NODE_IP}:{self.server.server_port}"


@dataclass
class Deployed:
    """A stack whose model writes as it is told, and whose logs are collected."""

    cluster: LocalCluster
    workspace: Workspace
    files: Path

    def collect(self, **logs: Any) -> None:
        self.workspace.set_config(logs=logs)
        self.workspace.up()
        self.kubectl("rollout", "status", "daemonset", "--timeout=60s")

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(*arguments, namespace=COLLECTOR)

    def collector(self) -> str:
        return self.kubectl("get", "pods", "--output=jsonpath={.items[*].metadata.name}")

    @property
    def writers(self) -> list[str]:
        names = self.cluster.kubectl("get", "pods", "--output=jsonpath={.items[*].metadata.name}", namespace=STACK)
        return sorted(names.split())

    def write(self, first: int, end: int) -> None:
        """Have each pod begin to write these lines."""
        for pod in self.writers:
            path = f"/api/v1/namespaces/{STACK}/pods/{pod}:8080/proxy/write/{first}/{end}"
            self.cluster.kubectl("get", "--raw", path, namespace=STACK)

    def stored(self) -> list[dict[str, Any]]:
        """What the target `file` has, oldest first; the last line may not be whole yet."""
        files = sorted(self.files.glob("logs*.jsonl"), key=lambda path: (path.name == "logs.jsonl", path.name))
        lines = [line for path in files for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [resource for line in lines for resource in json.loads(line)["resourceLogs"]]


def attributes(of: dict[str, Any]) -> dict[str, str]:
    return {entry["key"]: entry["value"]["stringValue"] for entry in of.get("attributes", [])}


def numbers(resources: list[dict[str, Any]], *, by_time: bool = False) -> dict[str, list[int]]:
    """The numbers of the lines by pod, in the order in which they came or in that of their times."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for resource in resources:
        for record in records(resource):
            body = record["body"]["stringValue"]
            number = int(body.split()[1]) if body.startswith("plain") else json.loads(body)["number"]
            time = int(record["timeUnixNano"]) if by_time else 0
            found[attributes(resource["resource"])["k8s.pod.name"]].append((time, number))
    return {pod: [number for _, number in sorted(lines, key=lambda line: line[0])] for pod, lines in found.items()}


def records(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for scope in resource["scopeLogs"]:
        yield from scope["logRecords"]


def count(resources: list[dict[str, Any]]) -> int:
    return sum(len(found) for found in numbers(resources).values())


def kill(pod_uid: str) -> None:
    """SIGKILL to the collector's process in that pod."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = (process / "cmdline").read_bytes().split(b"\0")[0]
            groups = (process / "cgroup").read_text()
        except OSError:
            continue  # it ended
        if program == b"/otelcol-contrib" and pod_uid in groups.replace("_", "-"):
            os.kill(int(process.name), signal.SIGKILL)
            return
    raise AssertionError(f"no process of pod {pod_uid}")


@pytest.fixture(scope="module")
def deployed(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    if "kind cluster" in toolchain("status"):
        pytest.skip("nodes in containers keep their files where the test does not look")
    toolchain("start", "--addon", "log-collector")
    home = tmp_path_factory.mktemp("logs")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    debian = f"{local_cluster.registry}/library/debian"
    manifest = httpx.head(
        f"http://{local_cluster.registry}/v2/library/debian/manifests/bookworm-slim",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    writer = {
        "image": f"{debian}@{manifest.headers['docker-content-digest']}",
        "runtime": "image",
        "container": {"command": ["perl", "-e", WRITER], "probes": {"readiness": "/"}},
        "ports": {"http": 8080},
        "replicas": 2,
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
        "secrets": ["apiToken"],
    }
    deployed = Deployed(local_cluster, workspace, home / "collected" / STACK)
    workspace.set_config(namespace=STACK, models={"digits": writer})
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    for name, value in (("apiToken", TOKEN), ("logsToken", CREDENTIAL)):
        workspace.pulumi("config", "set", "--secret", f"model-serving:{name}", "--stack", STACK, stdin=value)
    workspace.pulumi("config", "rm", "model-serving:logsToken", "--stack", STACK)
    deployed.collect(target="file", folder=str(home / "collected"))
    yield deployed
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def test_every_line_is_stored_once_and_in_order_through_a_restart(deployed: Deployed) -> None:
    pods = deployed.writers
    each = LINES // len(pods)
    deployed.write(0, each)
    wait_until(lambda: count(deployed.stored()) > LINES // 10, "the first lines are stored")
    first = deployed.collector()
    deployed.kubectl("delete", "pod", first)
    deployed.kubectl("rollout", "status", "daemonset", "--timeout=60s")
    assert deployed.collector() != first
    assert count(deployed.stored()) < LINES, "all was stored before the restart was over: nothing was tested"
    wait_until(lambda: count(deployed.stored()) >= LINES, "all lines are stored")
    assert numbers(deployed.stored()) == {pod: list(range(each)) for pod in pods}


def test_a_killed_collector_loses_no_line(deployed: Deployed) -> None:
    """What it stored and had not yet written down as read, the next one stores again."""
    pods, begin, each = deployed.writers, 50_000, 2_000
    before = count(deployed.stored())
    deployed.write(begin, begin + each)
    wait_until(lambda: count(deployed.stored()) > before + 200, "the first lines are stored")
    kill(deployed.kubectl("get", "pods", "--output=jsonpath={.items[*].metadata.uid}"))
    missing: dict[str, set[int]] = {}

    def complete() -> bool:
        stored = numbers(deployed.stored())
        missing.update({pod: set(range(begin, begin + each)) - set(stored[pod]) for pod in pods})
        return not any(missing.values())

    assert not complete(), "all was stored before the collector was killed: nothing was tested"
    wait_until(complete, "all lines are stored")
    for pod, stored in numbers(deployed.stored()).items():
        first_of_each = [number for number in dict.fromkeys(stored) if number >= begin]
        assert first_of_each == list(range(begin, begin + each)), pod


def test_a_record_says_where_it_is_from_and_what_its_line_says(deployed: Deployed) -> None:
    resource = deployed.stored()[0]
    told = attributes(resource["resource"])
    assert told.pop("k8s.pod.name") in deployed.writers
    assert len(told.pop("k8s.pod.uid")) == 36
    assert told == {
        "k8s.namespace.name": STACK,
        "k8s.container.name": "server",
        "k8s.container.restart_count": "0",
        "service.name": "digits",
        "deployment.environment.name": STACK,
    }
    by_number = {}
    for record in (record for resource in deployed.stored() for record in records(resource)):
        body = record["body"]["stringValue"]
        by_number[body if body.startswith("plain") else json.loads(body)["number"]] = record
    usual, long, plain = by_number[0], by_number[7], by_number["plain 9"]
    assert attributes(usual) == {"request_id": "r0", "log.iostream": "stdout"}
    assert (usual["severityText"], usual["traceId"], usual["spanId"]) == ("warning", TRACE, SPAN)
    assert len(json.loads(long["body"]["stringValue"])["pad"]) == 20_000
    assert "traceId" not in plain or not plain["traceId"]


@pytest.mark.parametrize(("target", "path"), [("otlp", "/v1/logs"), ("loki", "/otlp/v1/logs")])
def test_what_a_receiver_refuses_waits_and_arrives_once(deployed: Deployed, target: str, path: str) -> None:
    receiver = Receiver(refusing=True)
    pods, begin = deployed.writers, 100_000 if target == "otlp" else 200_000
    deployed.workspace.pulumi(
        "config", "set", "--secret", "model-serving:logsToken", "--stack", STACK, stdin=f"Bearer {CREDENTIAL}"
    )
    tenant = {"tenant": "vision"} if target == "loki" else {}
    deployed.collect(target=target, endpoint=receiver.endpoint, authorization="logsToken", **tenant)
    deployed.write(begin, begin + 1000)
    wait_until(lambda: receiver.refused >= 2, "the receiver was asked, and asked again")
    if target == "loki":
        deployed.kubectl("delete", "pod", deployed.collector())  # with a queue that is not delivered
    receiver.refusing = False
    wait_until(lambda: count(receiver.resources) >= 2000, "what waited was delivered")
    # A batch that was on its way at a restart goes to the end of the queue. Loki sorts by time, and so does this.
    by_time = target == "loki"
    assert numbers(receiver.resources, by_time=by_time) == {pod: list(range(begin, begin + 1000)) for pod in pods}
    for sent_to, headers in receiver.requests:
        assert sent_to == path
        assert headers["authorization"] == f"Bearer {CREDENTIAL}"
        assert headers.get("x-scope-orgid") == tenant.get("tenant")


def test_a_person_follows_all_pods_those_that_join_too_until_ctrl_c(deployed: Deployed, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file:
        following = subprocess.Popen(
            [sys.executable, "-m", "toolchain", "logs", "--stack", STACK, "--model", "digits", "--since", "1m"],
            cwd=deployed.workspace.path,
            env=deployed.workspace.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # nobody's & ignores it
        )
    try:
        deployed.write(300_000, 300_010)
        before = deployed.writers
        wait_until(lambda: all(f"{pod} warning line number=300008" in output.read_text() for pod in before), "followed")
        deployed.cluster.kubectl("delete", "pod", before[0], namespace=STACK)
        deployed.cluster.kubectl("rollout", "status", "deployment", "--timeout=60s", namespace=STACK)
        [joined] = set(deployed.writers) - set(before)
        deployed.write(300_010, 300_020)
        wait_until(lambda: f"{joined} warning line number=300018" in output.read_text(), "the pod that joined")
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=30) == 130
    finally:
        following.kill()
    shown = re.findall(rf"^{before[1]} .*?(30000\d|30001\d)", output.read_text(), re.MULTILINE)
    assert [int(number) for number in shown] == list(range(300_000, 300_020))


def test_no_secret_is_in_logs_state_configuration_or_on_the_nodes_disk(deployed: Deployed) -> None:
    places = {
        "collected": b"".join(path.read_bytes() for path in deployed.files.glob("*")),
        "queue and offsets": b"".join(path.read_bytes() for path in STATE.rglob("*") if path.is_file()),
        "the collector's own log": deployed.kubectl("logs", deployed.collector()).encode(),
        "ConfigMaps": deployed.kubectl("get", "configmaps,daemonsets,events", "--output=yaml").encode(),
        "the models' ConfigMaps": deployed.cluster.kubectl("get", "configmaps", "-oyaml", namespace=STACK).encode(),
        "state": b"".join(path.read_bytes() for path in deployed.workspace.backend.rglob("*") if path.is_file()),
    }
    assert all(places[place] for place in ("collected", "queue and offsets", "ConfigMaps", "state"))
    found = [place for place, content in places.items() for value in (TOKEN, CREDENTIAL) if value.encode() in content]
    assert found == []

"""The process's life: refusals, the log, and the end."""

import io
import json
import logging
import signal
import socket
import threading
import time
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from model.server import logs, tracing
from model.server.answers import SETTLE_SECONDS
from model.server.grpc_messages import CLASSES
from tests.unit.server.models import write_linear, write_slow
from tests.unit.server.running import free_port, serving, start

CANARY = "canary-7c1f"


def test_a_refusal_is_one_log_line_a_termination_message_and_exit_code_1(tmp_path: Path) -> None:
    folder = write_linear(tmp_path / "model")
    (folder / "model.onnx").chmod(0o644)
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    server = start(folder, tmp_path / "run")
    assert server.end(None) == 1

    (event,) = server.events()
    assert (event["level"], event["event"]) == ("error", "refused")
    assert event["reason"].startswith("model.onnx: SHA-256 is ")
    assert server.termination_log.read_text() == event["reason"]
    assert server.errors == ""


def test_a_wrong_setting_is_refused_the_same_way(tmp_path: Path) -> None:
    server = start(write_linear(tmp_path / "model"), tmp_path / "run", THREADS="many")
    assert server.end(None) == 1
    assert server.termination_log.read_text() == "THREADS is 'many'; it must be a whole number from 1 to 1024"


def test_a_termination_message_keeps_within_what_kubernetes_reads(tmp_path: Path) -> None:
    server = start(tmp_path, tmp_path / "run", MODEL_NAME="/" * 9000)
    assert server.end(None) == 1
    assert server.termination_log.stat().st_size == 4096


def test_without_a_termination_log_the_line_is_enough(tmp_path: Path) -> None:
    server = start(tmp_path, tmp_path / "run", TERMINATION_LOG="/nowhere/termination-log")
    assert server.end(None) == 1
    assert [event["event"] for event in server.events()] == ["refused"]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = start(write_linear(tmp_path / "model"), tmp_path / "run", PORT=str(port))
        assert server.end(None) == 1
    assert f"cannot serve on 127.0.0.1:{port}: " in server.termination_log.read_text()
    assert "in use" in server.termination_log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_with_0(tmp_path: Path, number: int) -> None:
    with serving(write_linear(tmp_path / "model"), tmp_path / "run") as server:
        assert server.end(number) == 0
    assert [event["event"] for event in server.events()] == ["ready", "draining", "stopped"]
    assert not server.termination_log.exists()


def test_the_log_says_which_model_is_ready_and_how_fast(tmp_path: Path) -> None:
    with serving(write_linear(tmp_path / "model"), tmp_path / "run") as server:
        number = httpx.get(f"{server.url}/v2/models/linear").json()["versions"][0]
    ready = server.events()[0]
    assert (ready["event"], ready["model"], ready["version"], ready["threads"]) == ("ready", "linear", number, 1)
    assert 0 < ready["load_seconds"] <= ready["seconds_since_start"] < 60


def test_nothing_a_client_sends_reaches_the_log(tmp_path: Path) -> None:
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", LOG_LEVEL="debug") as server:
        good = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [7531.25, 2, 3]}
        bodies = [{"inputs": [good], "id": CANARY}, {"inputs": [{**good, "name": CANARY}]}, {CANARY: [CANARY]}]
        codes = [
            httpx.post(f"{server.url}/v2/models/linear/infer?{CANARY}", json=body, headers={CANARY: CANARY}).status_code
            for body in bodies
        ]
        assert codes == [200, 400, 400]
    assert len([event for event in server.events() if event["event"] == "request"]) >= 3
    assert CANARY not in server.output + server.errors
    assert "7531" not in server.output


def test_a_request_is_told_from_others_by_its_id_and_trace(tmp_path: Path) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"x-request-id": "order-17", "traceparent": f"00-{trace}-{span}-01"}
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", LOG_LEVEL="debug") as server:
        url = f"{server.url}/v2/models/linear/infer"
        assert httpx.post(url, json=body, headers=headers).headers["x-request-id"] == "order-17"
        assert httpx.post(url, json={}, headers=headers).headers["x-request-id"] == "order-17"
        for strange in ("", 'a"b', "x" * 129):
            assert "x-request-id" not in httpx.post(url, json=body, headers={"x-request-id": strange}).headers
    told = [event for event in server.events() if event.get("request", "").startswith("POST")]
    assert [event.get("request_id") for event in told] == ["order-17", "order-17", None, None, None]
    assert [(event.get("trace_id"), event.get("span_id")) for event in told[:2]] == [(trace, span)] * 2


def test_a_failure_says_which_request_it_was() -> None:
    line = io.StringIO()
    handler = logging.StreamHandler(line)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger(logs.LOGGER)
    logger.addHandler(handler)
    try:
        logs.failure(ValueError(CANARY), tracing.identity("order-17", {"trace_id": "a" * 32, "span_id": "b" * 16}))
    finally:
        logger.removeHandler(handler)
    told = json.loads(line.getvalue())
    assert (told["request_id"], told["trace_id"], told["span_id"]) == ("order-17", "a" * 32, "b" * 16)
    assert CANARY not in line.getvalue()


def test_onnx_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """Its telemetry, where it is on, begins with a device's number and a queue below the home folder."""
    with serving(write_linear(tmp_path / "model"), tmp_path / "run"):
        pass
    assert [path.name for path in (tmp_path / "run").rglob("*")] == []


def test_probes_are_answered_while_it_computes_and_sigterm_lets_it_finish(tmp_path: Path) -> None:
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}
    with serving(write_slow(tmp_path / "model"), tmp_path / "run", MODEL_NAME="slow") as server:
        answers: list[httpx.Response] = []

        def infer() -> None:
            answers.append(httpx.post(f"{server.url}/v2/models/slow/infer", json=body, timeout=60))

        thread = threading.Thread(target=infer)
        thread.start()
        with httpx.Client(base_url=server.url, timeout=60) as client:
            wait_for_in_flight(client)
            assert client.get("/v2/health/live").status_code == 200
            assert client.get("/v2/health/ready").status_code == 200
            server.process.send_signal(signal.SIGTERM)
            draining = wait_for_draining(client)
            assert draining.json() == {"error": "not ready: shutting down"}
            assert draining.headers["connection"] == "close"
            assert not answers, "the model was too fast to prove anything"
        thread.join(60)
        assert answers[0].status_code == 200
        assert answers[0].json()["outputs"][0]["data"] == pytest.approx([1], abs=1e-2)
        assert server.end(None) == 0
    assert server.events()[-1] | {"time": ""} == {"time": "", "level": "info", "event": "stopped", "abandoned": 0}


def test_draining_has_an_end(tmp_path: Path) -> None:
    with (
        serving(write_linear(tmp_path / "model"), tmp_path / "run", DRAIN_SECONDS="1") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection,
    ):
        connection.sendall(b"POST /v2/models/linear/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        with httpx.Client(base_url=server.url) as client:
            wait_for_in_flight(client)
        started = time.monotonic()
        assert server.end() == 0
        assert 1 <= time.monotonic() - started < 15
    assert json.loads(server.output.splitlines()[-1])["abandoned"] == 1


def wait_for_in_flight(client: httpx.Client, count: int = 1) -> None:
    deadline = time.monotonic() + 30
    while f" {count}.0" not in next(line for line in client.get("/metrics").text.splitlines() if "_in_flight{" in line):
        assert time.monotonic() < deadline, "no request arrived"


def wait_for_draining(client: httpx.Client) -> httpx.Response:
    deadline = time.monotonic() + 30
    while (response := client.get("/v2/health/ready")).status_code == 200:
        assert time.monotonic() < deadline, "still ready"
    return response


ROWS = 125_000
"""Of the linear model, whose answer to so many is a megabyte and more."""


def large_request() -> tuple[bytes, dict[str, str]]:
    """A body and its headers."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [ROWS, 3], "parameters": {"binary_data_size": ROWS * 12}}
    head = json.dumps({"inputs": [tensor]}).encode()
    body = head + np.ones((ROWS, 3), np.float32).tobytes()
    return body, {"Inference-Header-Content-Length": str(len(head)), "Content-Length": str(len(body)), "Host": "a"}


def ask_and_leave_unread(port: int) -> tuple[socket.socket, bytes]:
    """The connection, of whose answer only the first line's start was fetched, and that."""
    body, headers = large_request()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(f"POST /v2/models/linear/infer HTTP/1.1\r\n{lines}\r\n".encode() + body)
    return connection, connection.recv(12)


def test_answers_that_nobody_fetches_are_bounded(tmp_path: Path) -> None:
    body, headers = large_request()
    most = 4_500_000
    # Nobody is cut off meanwhile, however slow this machine is.
    limits = {"MAX_BODY_BYTES": "2000000", "MAX_BUFFERED_BYTES": str(most), "BODY_TIMEOUT_SECONDS": "3600"}
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", **limits) as server:
        url = f"{server.url}/v2/models/linear/infer"
        # Those of clients that fetch theirs are not counted, though the connections stay open.
        clients = [httpx.Client(timeout=60) for _ in range(8)]
        sizes: set[int] = set()
        for client in clients:
            answer = client.post(url, content=body, headers=headers)
            assert answer.status_code == 200
            sizes.add(len(answer.content))
            time.sleep(2 * SETTLE_SECONDS)
        [size] = sizes
        fit = most // size
        unread = [ask_and_leave_unread(server.port) for _ in range(fit + 3)]
        assert [start for _, start in unread] == [b"HTTP/1.1 200"] * fit + [b"HTTP/1.1 503"] * 3
        for closed in (*clients, *(connection for connection, _ in unread)):
            closed.close()


def test_who_announces_much_and_sends_little_leaves_room_to_others(tmp_path: Path) -> None:
    body, headers = large_request()
    limits = {"MAX_BODY_BYTES": "2000000", "MAX_BUFFERED_BYTES": "4000000", "BODY_TIMEOUT_SECONDS": "3600"}
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", **limits) as server:
        head = "POST /v2/models/linear/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"
        slow = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(4)]
        for connection in slow:
            connection.sendall(head.encode() + b" ")
        with httpx.Client(base_url=server.url, timeout=60) as client:
            wait_for_in_flight(client, len(slow))
            for _ in range(3):
                assert client.post("/v2/models/linear/infer", content=body, headers=headers).status_code == 200
        for connection in slow:
            connection.close()


def test_who_does_not_fetch_an_answer_is_cut_off(tmp_path: Path) -> None:
    limits = {"MAX_BODY_BYTES": "2000000", "BODY_TIMEOUT_SECONDS": "1"}
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", **limits) as server:
        connection, start = ask_and_leave_unread(server.port)
        assert start == b"HTTP/1.1 200"
        deadline = time.monotonic() + 60
        # Without reading: that would be fetching.
        while not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            assert time.monotonic() < deadline, "it was not cut off"
            time.sleep(0.1)
        connection.close()


def test_grpc_answers_that_nobody_fetches_are_bounded(tmp_path: Path) -> None:
    port = free_port()
    limits = {"MAX_BODY_BYTES": "2000000", "MAX_BUFFERED_BYTES": "6000000", "GRPC_PORT": str(port)}
    tensor = {"name": "x", "datatype": "FP32", "shape": [ROWS, 3]}
    values = [np.ones((ROWS, 3), np.float32).tobytes()]
    request = CLASSES["ModelInferRequest"](model_name="linear", inputs=[tensor], raw_input_contents=values)
    # So that the client takes no more of an answer than it was asked for.
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535)]
    with (
        serving(write_linear(tmp_path / "model"), tmp_path / "run", **limits),
        grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel,
    ):
        # As if it were a stream, whose answers wait until they are asked for.
        infer = channel.unary_stream(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=CLASSES["ModelInferRequest"].SerializeToString,
            response_deserializer=CLASSES["ModelInferResponse"].FromString,
        )
        for _ in range(5):
            assert len(list(infer(request))) == 1
        # Each is 1.5 MB, and a megabyte of answer.
        unread = []
        for _ in range(5):
            unread.append(infer(request))
            # It is answered, or refused: the next one is not held beside it.
            unread[-1].initial_metadata()
        refused = []
        for call in unread:
            try:
                next(call)
            except grpc.RpcError as error:
                refused.append((error.code(), error.details()))
        assert len(refused) == 3
        assert all(code == grpc.StatusCode.UNAVAILABLE and "wait for their clients" in text for code, text in refused)

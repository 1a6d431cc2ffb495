"""A running server, over HTTP."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.server import __version__
from tests.unit.server.models import linear, write_linear
from tests.unit.server.running import Running, serving
from tests.unit.server.test_protocol import BODIES

MAX_BODY_BYTES = 10_000
INFER = "/v2/models/linear/infer"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("http")
    folder = write_linear(root / "model")
    limits = {"MAX_BODY_BYTES": str(MAX_BODY_BYTES), "BODY_TIMEOUT_SECONDS": "1"}
    with serving(folder, root / "run", **limits) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def request(rows: list[list[float]], **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(rows), 3], "data": rows}], **more}


def version(client: httpx.Client) -> str:
    return client.get("/v2/models/linear").json()["versions"][0]


def test_health_and_server_metadata(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    server = {"name": "model-serving", "version": __version__, "extensions": ["binary_tensor_data"]}
    assert client.get("/v2").json() == server


def test_model_metadata_and_readiness_with_and_without_version(client: httpx.Client) -> None:
    metadata = client.get("/v2/models/linear").json()
    number = metadata["versions"][0]
    assert metadata == {
        "name": "linear",
        "versions": [number],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert client.get(f"/v2/models/linear/versions/{number}").json() == metadata
    for path in ("ready", f"versions/{number}/ready"):
        assert client.get(f"/v2/models/linear/{path}").json() == {"name": "linear", "ready": True}


def test_a_prediction_is_right(client: httpx.Client) -> None:
    rows = [[1.0, 2.0, 3.0], [-4.5, 0.25, 100.0]]
    number = version(client)
    for path in (INFER, f"/v2/models/linear/versions/{number}/infer"):
        response = client.post(path, json=request(rows, id="a-7", outputs=[{"name": "y"}]))
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        answer = response.json()
        assert (answer["model_name"], answer["model_version"], answer["id"]) == ("linear", number, "a-7")
        (output,) = answer["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("y", "FP32", [2, 2])
        assert output["data"] == pytest.approx(linear(rows).ravel().tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/", 404, "no such path: /"),
        ("GET", "/v2/", 404, "no such path"),
        ("GET", "/v1/models", 404, "no such path"),
        ("GET", "/v1/models/linear/labels/stable", 404, "no such path"),
        ("GET", "/v1/models/linear/metadata:predict", 404, "no such path"),
        ("GET", "/v1/models/other", 404, "model 'other': unknown"),
        ("GET", "/v1/models/linear/versions/1", 404, "no version '1'"),
        ("POST", "/v1/models/other:predict", 404, "model 'other': unknown"),
        ("POST", "/v1/models/linear/versions/1:predict", 404, "no version '1'"),
        ("POST", "/v1/models/linear:classify", 404, "'classify' is not supported; use :predict"),
        ("GET", "/v1/models/linear:predict", 405, "use POST"),
        ("POST", "/v1/models/linear", 405, "use GET"),
        ("GET", "/v2/models", 404, "no such path"),
        ("GET", "/v2/models/linear/metrics", 404, "no such path"),
        ("GET", "/v2/models/other", 404, "model 'other': unknown; this server has 'linear'"),
        ("GET", "/v2/models/other/ready", 404, "model 'other': unknown"),
        ("POST", "/v2/models/other/infer", 404, "model 'other': unknown"),
        ("GET", "/v2/models/linear/versions/7", 404, "no version '7'"),
        ("POST", "/v2/models/linear/versions/7/infer", 404, "no version '7'"),
        ("GET", INFER, 405, "use POST"),
        ("PUT", INFER, 405, "use POST"),
        ("POST", "/v2/health/live", 405, "use GET"),
        ("DELETE", "/v2/models/linear", 405, "use GET"),
        ("POST", "/metrics", 405, "use GET"),
    ],
)
def test_wrong_paths_and_methods(client: httpx.Client, method: str, path: str, status: int, message: str) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert message in response.json()["error"]
    if status == 405:
        assert response.headers["allow"] == message.removeprefix("use ")


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"content-encoding": "gzip"}, 415, "content-encoding"),
        ({"inference-header-content-length": "ten"}, 400, "must be the number of bytes of the body's JSON"),
    ],
)
def test_headers_that_cannot_be_obeyed_are_refused(
    client: httpx.Client, headers: dict[str, str], status: int, message: str
) -> None:
    response = client.post(INFER, json=request([[1, 2, 3]]), headers=headers)
    assert response.status_code == status
    assert message in response.json()["error"]


def test_binary_tensors_both_ways(client: httpx.Client) -> None:
    rows = np.array([[1, 2, 3], [-4.5, 0.25, 100]], dtype=np.float32)
    head = json.dumps(
        {
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    headers = {"inference-header-content-length": str(len(head))}
    response = client.post(INFER, content=head + rows.tobytes(), headers=headers)
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    (output,) = json.loads(response.content[:length])["outputs"]
    assert output == {"name": "y", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16}}
    np.testing.assert_allclose(
        np.frombuffer(response.content[length:], "<f4").reshape(2, 2), linear(rows.tolist()), atol=1e-4
    )


def test_tensorflow_serving_clients_are_answered(client: httpx.Client) -> None:
    rows = [[1.0, 2.0, 3.0], [-4.5, 0.25, 100.0]]
    number = str(int(version(client), 16))
    for model in ("linear", f"linear/versions/{number}"):
        status = client.get(f"/v1/models/{model}").json()["model_version_status"]
        ok = {"error_code": "OK", "error_message": ""}
        assert status == [{"version": number, "state": "AVAILABLE", "status": ok}]
        assert client.get(f"/v1/models/{model}/metadata").json()["model_spec"]["version"] == number
        by_row = client.post(f"/v1/models/{model}:predict", json={"instances": rows}).json()
        np.testing.assert_allclose(by_row["predictions"], linear(rows), atol=1e-4)
        by_column = client.post(f"/v1/models/{model}:predict", json={"inputs": {"x": rows}}).json()
        np.testing.assert_allclose(by_column["outputs"], linear(rows), atol=1e-4)


def test_a_declared_length_above_the_limit_is_refused(client: httpx.Client) -> None:
    response = client.post(INFER, content=b" " * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413
    assert response.json() == {"error": f"request body: larger than {MAX_BODY_BYTES} bytes"}


def test_the_limit_holds_for_a_body_of_unknown_length(client: httpx.Client) -> None:
    padding = MAX_BODY_BYTES - len(json.dumps(request([[1, 2, 3]])))
    fits = (json.dumps(request([[1, 2, 3]])) + " " * padding).encode()
    assert len(fits) == MAX_BODY_BYTES
    assert client.post(INFER, content=iter([fits[:5000], fits[5000:]])).status_code == 200
    assert client.post(INFER, content=iter([fits[:5000], fits[5000:], b" "])).status_code == 413


def raw(server: Running, text: bytes) -> bytes:
    """Sends bytes as they are, and returns what comes back until the first pause or the end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text)
        return connection.recv(65536)


def test_a_body_that_does_not_arrive_times_out(server: Running) -> None:
    started = time.monotonic()
    answer = raw(server, f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{".encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 8


def test_a_client_that_leaves_does_no_harm(server: Running, client: httpx.Client) -> None:
    for head in (f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{", "POST ", ""):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head.encode())
    assert client.post(INFER, json=request([[1, 2, 3]])).status_code == 200


def test_many_open_connections_do_not_starve_probes(server: Running) -> None:
    connections = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(300)]
    try:
        assert httpx.get(f"{server.url}/v2/health/live", timeout=10).status_code == 200
    finally:
        for connection in connections:
            connection.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | BODIES.map(lambda body: json.dumps(body).encode()))
def test_no_body_is_the_servers_fault(client: httpx.Client, body: bytes) -> None:
    response = client.post(INFER, content=body)
    assert response.status_code in (200, 400)
    assert response.status_code == 200 or response.json()["error"]


def test_values_at_the_edge_of_the_type(client: httpx.Client) -> None:
    response = client.post(INFER, json=request([[3.4e38, 3.4e38, 3.4e38]]))
    assert response.status_code == 422
    assert "NaN or infinite" in response.json()["error"]


def samples(client: httpx.Client) -> dict[str, float]:
    text = client.get("/metrics").text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_metrics_count_requests_and_name_the_model(client: httpx.Client) -> None:
    def counts() -> list[float]:
        after = samples(client)
        names = (
            'code="200",model="linear",protocol="v2_rest"',
            'code="400",model="linear",protocol="v2_rest"',
            'code="404",model="unknown",protocol="v2_rest"',
            'code="200",model="linear",protocol="tf_serving"',
            'code="404",model="linear",protocol="tf_serving"',
        )
        return [after.get(f"model_server_requests_total{{{name}}}", 0) for name in names]

    before = counts()
    client.post(INFER, json=request([[1, 2, 3]]))
    client.post(INFER, json={})
    client.post("/v2/models/canary-name/infer", json={})
    client.post("/v1/models/linear:predict", json={"instances": [[1, 2, 3]]})
    client.post("/v1/models/linear/versions/1:predict", json={"instances": [[1, 2, 3]]})
    assert [new - old for new, old in zip(counts(), before, strict=True)] == [1, 1, 1, 1, 1]

    after = samples(client)
    assert after['model_server_ready{model="linear"}'] == 1
    assert after['model_server_requests_in_flight{model="linear"}'] == 0
    assert 0 < after['model_server_load_duration_seconds{model="linear"}'] < 60
    for name in ("queue_duration_seconds", "inference_duration_seconds", "batch_size"):
        assert after[f'model_server_{name}_count{{model="linear"}}'] > 0
    assert after['model_server_request_duration_seconds_count{model="linear",protocol="v2_rest"}'] > 0
    assert after["process_resident_memory_bytes"] > 0
    (info,) = [name for name in after if name.startswith("model_server_model_info{")]
    assert f'version="{version(client)}"' in info
    assert 'framework="numpy"' in info
    assert not [name for name in after if "canary" in name]


def test_the_callers_trace_is_an_exemplar(client: httpx.Client) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    client.post(INFER, json=request([[1, 2, 3]]), headers=headers)
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = client.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert f'# {{span_id="00f067aa0ba902b7",trace_id="{trace}"}}' in response.text
    assert trace not in client.get("/metrics").text

"""The protocols as their own clients speak them, with a server that is a process of its own. No cluster."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import schemathesis
import tritonclient.grpc
import tritonclient.http
from hypothesis import HealthCheck, Phase, given, settings
from onnx import TensorProto, helper
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from bench.serving.peers import PEERS, peer_python
from model.exporter.contract import golden
from model.server.grpc_messages import CLASSES, HEALTH_SERVICE, SERVING
from tests.unit.server.models import linear, onnx_model, tensor, write, write_linear
from tests.unit.server.running import Running, free_port, serving

pytestmark = [pytest.mark.integration, pytest.mark.shared]

ROWS = np.array([[1.0, 2.0, 3.0], [-4.5, 0.25, 100.0]], dtype=np.float32)
EXPECTED = linear(ROWS.tolist())


@pytest.fixture(scope="module")
def grpc_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, grpc_port: int) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("protocols")
    with serving(write_linear(root / "model"), root / "run", GRPC_PORT=str(grpc_port)) as running:
        yield running


def version(server: Running) -> str:
    return httpx.get(f"{server.url}/v2/models/linear").json()["versions"][0]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_tritons_http_client(server: Running, binary: bool) -> None:
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("linear")
        assert client.is_model_ready("linear", version(server))
        about: Any = client.get_server_metadata()
        assert about["extensions"] == ["binary_tensor_data"]
        metadata: Any = client.get_model_metadata("linear")
        assert metadata["inputs"][0]["shape"] == [-1, 3]
        sent = tritonclient.http.InferInput("x", [2, 3], "FP32")
        sent.set_data_from_numpy(ROWS, binary_data=binary)
        wanted = tritonclient.http.InferRequestedOutput("y", binary_data=binary)
        for outputs in (None, [wanted]):
            result: Any = client.infer("linear", [sent], outputs=outputs, request_id="7")
            assert result.get_response()["id"] == "7"
            np.testing.assert_allclose(result.as_numpy("y"), EXPECTED, atol=1e-4)
        with pytest.raises(Exception, match="unknown"):
            client.infer("other", [sent])


def test_tritons_grpc_client(server: Running, grpc_port: int) -> None:
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{grpc_port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("linear", version(server))
        metadata: Any = client.get_model_metadata("linear")
        assert list(metadata.inputs[0].shape) == [-1, 3]
        sent = tritonclient.grpc.InferInput("x", [2, 3], "FP32")
        sent.set_data_from_numpy(ROWS)
        result: Any = client.infer("linear", [sent], request_id="7", headers={"traceparent": "not one"})
        np.testing.assert_allclose(result.as_numpy("y"), EXPECTED, atol=1e-4)
        assert result.get_response().id == "7"
        sent.set_data_from_numpy(np.full((2, 3), np.nan, dtype=np.float32))
        with pytest.raises(tritonclient.grpc.InferenceServerException, match="NaN") as refused:
            client.infer("linear", [sent])
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
        with pytest.raises(tritonclient.grpc.InferenceServerException, match="unknown") as refused:
            client.infer("other", [sent])
        assert refused.value.status() == "StatusCode.NOT_FOUND"
    metrics = httpx.get(f"{server.url}/metrics").text
    for labels in ('code="200",model="linear"', 'code="400",model="linear"', 'code="404",model="unknown"'):
        assert re.search(rf'model_server_requests_total{{{labels},protocol="v2_grpc"}} [1-9]', metrics), labels


def test_grpcs_own_health_check(server: Running, grpc_port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        check = channel.unary_unary(
            f"/{HEALTH_SERVICE}/Check",
            request_serializer=CLASSES["HealthCheckRequest"].SerializeToString,
            response_deserializer=CLASSES["HealthCheckResponse"].FromString,
        )
        assert check(CLASSES["HealthCheckRequest"](), timeout=10).status == SERVING
        with pytest.raises(grpc.RpcError) as refused:
            check(CLASSES["HealthCheckRequest"](service="other"), timeout=10)
        error: Any = refused.value
        assert error.code() == grpc.StatusCode.NOT_FOUND


def test_strings_by_every_protocol(tmp_path: Path) -> None:
    model = onnx_model(
        [helper.make_node("Identity", ["s"], ["t"])],
        [tensor("s", TensorProto.STRING, ["batch"])],
        [tensor("t", TensorProto.STRING, ["batch"])],
    )
    text = np.array(["süß", ""], dtype=np.object_)
    spec = [{"name": "s", "datatype": "BYTES", "shape": [-1]}]
    signature = {"inputs": spec, "outputs": [{**spec[0], "name": "t"}]}
    folder = write(tmp_path / "model", model, signature, [golden({"s": text}, {"t": text})])
    port = free_port()
    with serving(folder, tmp_path / "run", MODEL_NAME="text", GRPC_PORT=str(port)) as server:
        with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            for binary in (True, False):
                sent = tritonclient.http.InferInput("s", [2], "BYTES")
                sent.set_data_from_numpy(text, binary_data=binary)
                wanted = tritonclient.http.InferRequestedOutput("t", binary_data=binary)
                assert decoded(client.infer("text", [sent], outputs=[wanted])) == text.tolist()
        with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
            sent = tritonclient.grpc.InferInput("s", [2], "BYTES")
            sent.set_data_from_numpy(text)
            assert decoded(client.infer("text", [sent])) == text.tolist()
        body = {"instances": ["a", {"b64": "w7w="}]}
        assert httpx.post(f"{server.url}/v1/models/text:predict", json=body).json() == {"predictions": ["a", "ü"]}


def decoded(result: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else value for value in result.as_numpy("t").tolist()]


KSERVE = """
import asyncio, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient
from kserve.inference_client import RESTConfig

async def main(url, grpc_port):
    rows = np.array([[1.0, 2.0, 3.0], [-4.5, 0.25, 100.0]], dtype=np.float32)
    for binary in (True, False):
        sent = InferInput("x", [2, 3], "FP32")
        sent.set_data_from_numpy(rows, binary_data=binary)
        request = InferRequest("linear", [sent])
        rest = InferenceRESTClient(RESTConfig(protocol="v2"))
        assert await rest.is_server_ready(url) and await rest.is_model_ready(url, "linear")
        answer = await rest.infer(url, request, model_name="linear")
        print(answer.outputs[0].as_numpy().ravel().tolist())
        await rest.close()
    client = InferenceGRPCClient(url=f"127.0.0.1:{grpc_port}")
    assert await client.is_server_ready() and await client.is_model_ready("linear")
    answer = await client.infer(request)
    print(answer.outputs[0].as_numpy().ravel().tolist())
    await client.close()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def test_kserves_clients(server: Running, grpc_port: int) -> None:
    """In a virtual environment of its own, that of the benchmark: it pins much that tests need newer."""
    [kserve] = [peer for peer in PEERS if peer.name == "kserve"]
    python = peer_python(kserve)
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", KSERVE, server.url, str(grpc_port)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers = [eval(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(answers) == 3, done.stdout
    np.testing.assert_allclose(answers, [EXPECTED.ravel()] * 3, atol=1e-4)


def test_the_openapi_description_holds(server: Running) -> None:
    """Requests generated from the description: none is the server's fault, and each answer is as described.

    Left out: that whatever fits the schema is accepted. A tensor's number of values must be its shape's, which JSON
    schema cannot say.
    """
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    names = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    ]
    checks = CHECKS.get_by_names(names)
    assert len(checks) == len(names)
    asked: set[str] = set()
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # pyright: ignore[reportAttributeAccessIssue]
        asked.add(operation.path)
        for mode in (
            (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if operation.body else (GenerationMode.POSITIVE,)
        ):
            check_operation(operation, mode, checks)
    assert asked == set(httpx.get(f"{server.url}/openapi.json").json()["paths"])


def check_operation(operation: Any, mode: GenerationMode, checks: Any) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
        phases=[Phase.generate],
    )
    def ask(case: Any) -> None:
        case.call_and_validate(checks=checks)

    ask()

"""This server beside others: the same model, the same machine, rounds in turn, answers compared first.

All servers run at once and wait; in each round each is loaded for a few seconds, so that what the machine does beside
hits all alike. A ratio is the median over the rounds. The load is one process on the same cores, the same for all.

Left out: Ray Serve and TensorFlow behind FastAPI (gigabytes that ONNX Runtime does not need), PyTriton (wants the
Python that its own build was made for).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime

from bench.figure import Figure
from bench.serving.models import IMAGE, digits, mobilenet
from bench.serving.peers import FOLDER, PEERS, Peer, peer_python
from tests.support.workspace import ROOT
from tests.unit.server.running import free_port, start, wait_until_ready

CONNECTIONS = 16
ROUNDS = 5
SECONDS = 2.0
STARTS = 5
THREADS = os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to send which bytes, and what every answer must contain."""

    name: str
    port: int
    request: bytes
    answer: bytes


def run(progress: Callable[[str], None]) -> list[Figure]:
    folder = digits()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        home = Path(scratch)
        example = json.loads((ROOT / "model/digits/examples/0.json").read_text())["request"]
        pixels = np.asarray(example["inputs"][0]["data"], dtype=np.float32).reshape(-1, 8, 8)
        expected = _in_process(folder / "model.onnx").run(None, {"pixels": pixels})[0]

        targets = running.enter_context(_ours(folder, home, pixels, np.asarray(expected)))
        for peer in PEERS:
            progress(f"starting {peer.name}")
            targets.append(
                running.enter_context(_peer(peer, folder / "model.onnx", home, pixels, np.asarray(expected)))
            )
        rates: dict[str, list[float]] = {target.name: [] for target in targets}
        tails: dict[str, list[float]] = {target.name: [] for target in targets}
        for turn in range(ROUNDS):
            for target in targets if turn % 2 else reversed(targets):
                found = _load(target, home, CONNECTIONS)
                rates[target.name].append(found["requests"] / found["seconds"])
                tails[target.name].append(found["p99_ms"])
                progress(
                    f"round {turn + 1}: {target.name} {rates[target.name][-1]:.0f}/s, p99 {found['p99_ms']:.1f} ms"
                )
        grpc_rate = _grpc_rate(folder, home, pixels, np.asarray(expected))

    ours = rates["json"]
    tail = {name: statistics.median(values) for name, values in tails.items()}

    def ratio(name: str) -> float:
        return statistics.median(mine / theirs for mine, theirs in zip(ours, rates[name], strict=True))

    least = {"kserve": 8, "mlserver": 5, "mosec": 1.7, "bare": 0.75}
    figures = [Figure(key="requests_per_second", value=round(statistics.median(ours)), unit="1/s")]
    for peer in PEERS:
        key = "vs_bare_loop" if peer.name == "bare" else f"vs_{peer.name}"
        figures.append(Figure(key=key, value=round(ratio(peer.name), 2), unit="ratio", at_least=least.get(peer.name)))
    best = min(tail[peer.name] for peer in PEERS if peer.name != "bare")
    return [
        *figures,
        Figure(key="binary_vs_json", value=round(1 / ratio("binary"), 2), unit="ratio"),
        Figure(key="grpc_requests_per_second", value=round(grpc_rate), unit="1/s"),
        Figure(key="p99_ms", value=round(tail["json"], 2), unit="ms", at_most=round(best, 2)),
        Figure(key="best_peer_p99_ms", value=round(best, 2), unit="ms"),
        Figure(key="cold_start_seconds", value=round(_cold_start(folder, progress), 3), unit="s", at_most=0.6),
        Figure(key="heavy_vs_in_process", value=round(_heavy(progress), 2), unit="ratio", at_least=0.9),
    ]


def http_request(path: str, body: bytes, headers: Sequence[str] = ()) -> bytes:
    """A whole POST request, as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _in_process(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _v2(name: str, values: np.ndarray) -> dict[str, Any]:
    tensor = {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}
    # Optional in the protocol; KServe's server cannot do without.
    return {"id": "1", "inputs": [tensor]}


def _binary(name: str, values: np.ndarray) -> tuple[bytes, list[str]]:
    """A body with a binary tensor and the header that goes with it; the answer is to be binary, too."""
    tensor = {
        "name": name,
        "shape": values.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": values.nbytes},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + values.tobytes(), [f"Inference-Header-Content-Length: {len(head)}"]


@contextmanager
def _ours(folder: Path, home: Path, pixels: np.ndarray, expected: np.ndarray) -> Iterator[list[Target]]:
    server = start(folder, home / "ours", MODEL_NAME="digits", THREADS=str(THREADS))
    try:
        wait_until_ready(server)
        path = "/v2/models/digits/infer"
        as_json = json.dumps(_v2("pixels", pixels)).encode()
        body, headers = _binary("pixels", pixels)
        binary = dict([headers[0].split(": ")])
        answer = httpx.post(f"{server.url}{path}", content=as_json).raise_for_status()
        _compare("json", answer.json()["outputs"][0]["data"], expected)
        raw = httpx.post(f"{server.url}{path}", content=body, headers=binary).raise_for_status().content
        _compare("binary", np.frombuffer(raw[-expected.nbytes :], dtype=np.float32), expected)
        yield [
            Target(name="json", port=server.port, request=http_request(path, as_json), answer=answer.content),
            Target(name="binary", port=server.port, request=http_request(path, body, headers), answer=raw),
        ]
    finally:
        server.end()


@contextmanager
def _peer(peer: Peer, model: Path, home: Path, pixels: np.ndarray, expected: np.ndarray) -> Iterator[Target]:
    python = peer_python(peer.name)
    port = free_port()
    scratch = home / peer.name
    scratch.mkdir()
    log = scratch / "log"
    environment = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(FOLDER),
        "HOME": str(scratch),
        # The best for this model: sharing so little work takes longer than the work. Our server finds that out itself.
        "THREADS": "1",
        "BENTOML_DO_NOT_TRACK": "true",
    }
    with log.open("w") as output:
        command = [str(python), str(FOLDER / peer.name / "server.py"), str(model), str(port)]
        # A session of its own: some leave workers behind when they are ended.
        process = subprocess.Popen(
            command, env=environment, cwd=scratch, stdout=output, stderr=output, start_new_session=True
        )
    try:
        body = _v2("pixels", pixels) if peer.v2 else {"inputs": pixels.tolist()}
        content = json.dumps(body).encode()
        answer = _first_answer(f"http://127.0.0.1:{port}{peer.path}", content, process, log)
        values = answer.json()["outputs"]
        _compare(peer.name, values[0]["data"] if peer.v2 else values, expected)
        # Some answers name the request, so only the numbers are held against the later ones.
        start = answer.content.index(b"[", answer.content.index(b'"data"') if peer.v2 else 0)
        numbers = answer.content[start : answer.content.index(b"]", start)]
        yield Target(name=peer.name, port=port, request=http_request(peer.path, content), answer=numbers)
    finally:
        _end_session(process)


def _first_answer(url: str, content: bytes, process: "subprocess.Popen[bytes]", log: Path) -> httpx.Response:
    deadline = time.monotonic() + 120
    while True:
        try:
            answer = httpx.post(url, content=content, headers={"content-type": "application/json"}, timeout=10)
            if answer.status_code == 200:
                return answer
            problem = answer.text
        except httpx.TransportError as error:
            problem = str(error)
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{url} does not answer: {problem}\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def _end_session(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, 15)
        process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    except ProcessLookupError:
        return
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return


def _compare(name: str, values: Any, expected: np.ndarray) -> None:
    difference = np.abs(np.asarray(values, dtype=np.float64).ravel() - expected.ravel()).max()
    if not difference <= 1e-4:
        raise RuntimeError(f"{name} answers wrong: off by {difference}")


def _load(target: Target, home: Path, connections: int) -> dict[str, float]:
    """Loads the target for a while. Raises RuntimeError when an answer is wrong."""
    files = home / f"{target.name}.request", home / f"{target.name}.answer"
    files[0].write_bytes(target.request)
    files[1].write_bytes(target.answer)
    command = [sys.executable, str(Path(__file__).with_name("load.py")), str(target.port), str(connections)]
    done = subprocess.run([*command, str(SECONDS), *map(str, files)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    if found["wrong"]:
        raise RuntimeError(f"{target.name}: {found['wrong']} of {found['requests']} answers under load are wrong")
    return found


def _grpc_rate(folder: Path, home: Path, pixels: np.ndarray, expected: np.ndarray) -> float:
    """Requests per second over gRPC, with the load by grpcio in a process of its own."""
    port = free_port()
    server = start(folder, home / "grpc", MODEL_NAME="digits", THREADS=str(THREADS), GRPC_PORT=str(port))
    try:
        wait_until_ready(server)
        np.save(home / "pixels.npy", pixels)
        np.save(home / "expected.npy", expected)
        command = [
            sys.executable,
            "-m",
            "bench.serving.grpc_load",
            str(port),
            str(CONNECTIONS),
            str(SECONDS),
            str(home),
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        return float(done.stdout)
    finally:
        server.end()


def _cold_start(folder: Path, progress: Callable[[str], None]) -> float:
    """Seconds from the start of the process to its first right answer; median."""
    example = json.loads((ROOT / "model/digits/examples/0.json").read_text())
    found: list[float] = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as scratch:
            began = time.monotonic()
            server = start(folder, Path(scratch), MODEL_NAME="digits", THREADS=str(THREADS))
            try:
                with httpx.Client() as client:
                    while (scores := _ask(client, server.url, example["request"])) is None:
                        if server.process.poll() is not None:
                            raise RuntimeError("the server ended")
                        time.sleep(0.005)
                found.append(time.monotonic() - began)
                if int(np.argmax(scores)) != example["expected"]["label"]:
                    raise RuntimeError("the first answer is wrong")
            finally:
                server.end()
        progress(f"cold start: {found[-1]:.3f} s")
    return statistics.median(found)


def _ask(client: httpx.Client, url: str, request: dict[str, Any]) -> list[float] | None:
    try:
        answer = client.post(f"{url}/v2/models/digits/infer", json=request)
    except httpx.TransportError:
        return None
    return answer.json()["outputs"][0]["data"] if answer.status_code == 200 else None


def _heavy(progress: Callable[[str], None]) -> float:
    """Answers per second over HTTP by in-process calls per second, of MobileNetV2 with the same threads."""
    progress("making MobileNetV2")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        folder = mobilenet(home / "model")
        session = _in_process(folder / "model.onnx")
        image = np.random.default_rng(3).standard_normal(IMAGE).astype(np.float32)
        expected = np.asarray(session.run(None, {"image": image})[0])
        server = start(folder, home / "run", MODEL_NAME="mobilenet", THREADS=str(THREADS))
        try:
            wait_until_ready(server)
            body, headers = _binary("image", image)
            path = "/v2/models/mobilenet/infer"
            header = dict([headers[0].split(": ")])
            raw = httpx.post(f"{server.url}{path}", content=body, headers=header).raise_for_status().content
            _compare("mobilenet", np.frombuffer(raw[-expected.nbytes :], dtype=np.float32), expected)
            # Not the numbers: with several threads, sums may differ in their last bit.
            request = http_request(path, body, headers)
            target = Target(name="mobilenet", port=server.port, request=request, answer=b'"probabilities"')
            ratios: list[float] = []
            for turn in range(ROUNDS):
                began, calls = time.perf_counter(), 0
                while (elapsed := time.perf_counter() - began) < SECONDS:
                    session.run(None, {"image": image})
                    calls += 1
                found = _load(target, home, THREADS)
                ratios.append((found["requests"] / found["seconds"]) / (calls / elapsed))
                progress(f"round {turn + 1}: heavy model {calls / elapsed:.1f}/s in process, ratio {ratios[-1]:.2f}")
        finally:
            server.end()
    return statistics.median(ratios)

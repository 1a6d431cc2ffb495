"""Starting the servers, asking them first, and what they take: time to the first answer, memory, disk."""

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.serving.load import Target
from bench.serving.peers import FOLDER, Peer, peer_python
from tests.support.workspace import ROOT
from tests.unit.server.running import free_port, start
from toolchain import venv

THREADS = os.cpu_count() or 1
START_SECONDS = 120
BATCH = 16
"""Rows that this server may compute together. It is also measured with 1, as the peers that do not batch."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One that answers. `marker` is in the environment of all its processes.

    Attributes:
        cold_start_seconds: from the start of the process to the first right answer.
        installed_mb: what its requirements take on disk, in 10^6 bytes.
    """

    targets: tuple[Target, ...]
    marker: str
    cold_start_seconds: float
    installed_mb: float

    @property
    def memory_mb(self) -> float:
        """Resident memory of all its processes in 10^6 bytes; what they share is counted once (PSS)."""
        return sum(_proportional_mb(pid) for pid in _marked(self.marker))


@contextmanager
def ours(folder: Path, home: Path, pixels: np.ndarray, expected: np.ndarray, batch: int = BATCH) -> Iterator[Server]:
    """This server, with all its features on, as its container runs it; JSON and binary requests.

    Up to `batch` rows are computed together; with 1, each request by itself: targets `json_alone` and `binary_alone`.
    """
    marker = uuid.uuid4().hex
    began = time.monotonic()
    settings = {"THREADS": str(THREADS), "MAX_BATCH_SIZE": str(batch)}
    suffix = "" if batch > 1 else "_alone"
    server = start(folder, home / f"ours{suffix}", MODEL_NAME="digits", BENCH_ID=marker, **settings)
    try:
        path = "/v2/models/digits/infer"
        as_json = json.dumps(v2_request("pixels", pixels)).encode()
        answer = _first_answer(f"{server.url}{path}", as_json, server.process)
        cold = time.monotonic() - began
        data = answer.json()["outputs"][0]["data"]
        compare("json", data, expected)
        body, headers = binary_request("pixels", pixels)
        raw = httpx.post(f"{server.url}{path}", content=body, headers=headers).raise_for_status().content
        compare("binary", np.frombuffer(raw[-expected.nbytes :], dtype=np.float32), expected)
        shared = {"port": server.port, "path": path}
        yield Server(
            targets=(
                Target(name=f"json{suffix}", body=as_json, headers=JSON, answer=answer.content, **shared),
                Target(name=f"binary{suffix}", body=body, headers=headers, answer=raw, **shared),
            ),
            marker=marker,
            cold_start_seconds=cold,
            installed_mb=_installed_mb(venv.ensure(ROOT / "model/server/requirements.txt")),
        )
    finally:
        server.end()


@contextmanager
def peer_server(peer: Peer, model: Path, home: Path, pixels: np.ndarray, expected: np.ndarray) -> Iterator[Server]:
    """Another server of the same model. Raises RuntimeError when it does not answer right."""
    python = peer_python(peer)
    port = free_port()
    scratch = home / peer.name
    scratch.mkdir()
    log = scratch / "log"
    marker = uuid.uuid4().hex
    environment = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(FOLDER),
        "HOME": str(scratch),
        "BENCH_ID": marker,
        # The best for this model: sharing so little work takes longer than the work. Our server finds that out itself.
        "THREADS": "1",
        "MAX_BATCH_SIZE": str(peer.batch),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    began = time.monotonic()
    with log.open("w") as output:
        command = [str(python), str(peer.server), str(model), str(port)]
        process = subprocess.Popen(command, env=environment, cwd=scratch, stdout=output, stderr=output)
    try:
        body = v2_request("pixels", pixels) if peer.v2 else {"inputs": pixels.tolist()}
        content = json.dumps(body).encode()
        answer = _first_answer(f"http://127.0.0.1:{port}{peer.path}", content, process, log)
        cold = time.monotonic() - began
        values = answer.json()["outputs"]
        compare(peer.name, values[0]["data"] if peer.v2 else values, expected)
        # Some answers name the request, so only the numbers are held against the later ones.
        place = answer.content.index(b"[", answer.content.index(b'"data"') if peer.v2 else 0)
        numbers = answer.content[place : answer.content.index(b"]", place)]
        yield Server(
            targets=(Target(name=peer.name, port=port, path=peer.path, body=content, headers=JSON, answer=numbers),),
            marker=marker,
            cold_start_seconds=cold,
            installed_mb=_installed_mb(python),
        )
    finally:
        _end(process, marker)


JSON = {"Content-Type": "application/json"}


def v2_request(name: str, values: np.ndarray) -> dict[str, Any]:
    """A request of the Open Inference Protocol."""
    tensor = {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}
    # Optional in the protocol; KServe's server cannot do without.
    return {"id": "1", "inputs": [tensor]}


def binary_request(name: str, values: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """A body with a binary tensor and the headers that go with it; the answer is to be binary, too."""
    tensor = {
        "name": name,
        "shape": values.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": values.nbytes},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + values.tobytes(), {"Inference-Header-Content-Length": str(len(head))}


def compare(name: str, values: Any, expected: np.ndarray) -> None:
    """Raises RuntimeError unless they are as expected."""
    difference = np.abs(np.asarray(values, dtype=np.float64).ravel() - expected.ravel()).max()
    if not difference <= 1e-4:
        raise RuntimeError(f"{name} answers wrong: off by {difference}")


def _first_answer(
    url: str, content: bytes, process: "subprocess.Popen[Any]", log: Path | None = None
) -> httpx.Response:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(timeout=10) as client:
        while True:
            try:
                answer = client.post(url, content=content, headers=JSON)
                if answer.status_code == 200:
                    return answer
                problem = answer.text
            except httpx.TransportError as error:
                problem = str(error)
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer: {problem}\n{log.read_text()[-3000:] if log else ''}")
            time.sleep(0.01)


def _end(process: "subprocess.Popen[bytes]", marker: str) -> None:
    """Ends the process, and whatever it has started and left behind."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in _marked(marker):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _marked(marker: str) -> list[int]:
    """The processes with the marker in their environment."""
    needle = f"BENCH_ID={marker}".encode()
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if needle in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue  # it ended while we looked, or is not ours to read
    return found


def _proportional_mb(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass  # it ended while we looked
    return 0.0


def _installed_mb(python: Path) -> float:
    """Size of the environment's packages, without byte code and what every environment has."""
    [packages] = python.parent.parent.glob("lib/python*/site-packages")
    beside = ("pip", "setuptools", "_distutils_hack", "pkg_resources")
    files = [
        file
        for folder in packages.iterdir()
        if not folder.name.startswith(beside)
        for file in (folder.rglob("*") if folder.is_dir() else [folder])
        if file.is_file() and not file.is_symlink() and file.suffix != ".pyc"
    ]
    return sum(file.stat().st_size for file in files) / 1e6

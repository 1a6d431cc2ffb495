"""What it costs a server to be watched: processor time of one scrape, and the series that Prometheus keeps of a pod.

The server has answered requests of every protocol before, some of them with each status that a client can cause, and
with traces: all series are there, and every bucket that was hit has its exemplar.
"""

import json
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from tritonclient import grpc

from bench.figure import Figure
from tests.unit.server.models import write_linear
from tests.unit.server.running import Running, free_port, serving

SCRAPES, WARM_UP, REQUESTS = 2000, 200, 300
# What Prometheus 2 and 3 ask for.
FORMATS = {
    "": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5",
    "_text": "text/plain;version=0.0.4",
}


def run(progress: Callable[[str], None]) -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_linear(Path(scratch) / "model")
        port = free_port()
        limits = {"LOG_LEVEL": "warning", "GRPC_PORT": str(port)}
        with serving(folder, Path(scratch) / "run", **limits) as server:
            _ask(server, port)
            progress("every protocol was asked")
            with httpx.Client(base_url=server.url) as client:
                text = client.get("/metrics", headers={"Accept": FORMATS[""]}).raise_for_status().text
                cpu = {name: _cpu_ms(server, client, accept) for name, accept in FORMATS.items()}
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    series = [sample.partition(" # ")[0].rpartition(" ")[0] for sample in samples]
    assert len(set(series)) == len(series)
    return [
        Figure(key="scrape_cpu_ms", value=round(cpu[""], 3), unit="ms", at_most=15),
        Figure(key="scrape_cpu_ms_text", value=round(cpu["_text"], 3), unit="ms"),
        Figure(key="series", value=len(series), unit="series"),
        Figure(key="scrape_kb", value=round(len(text.encode()) / 1000, 1), unit="kB"),
    ]


def _cpu_ms(server: Running, client: httpx.Client, accept: str) -> float:
    """Processor time that the server takes for a scrape on an open connection, as Prometheus makes it."""

    def scrape(times: int) -> None:
        for _ in range(times):
            client.get("/metrics", headers={"Accept": accept}).raise_for_status()

    scrape(WARM_UP)
    before = _cpu_seconds(server)
    scrape(SCRAPES)
    return (_cpu_seconds(server) - before) * 1000 / SCRAPES


def _cpu_seconds(server: Running) -> float:
    """Of all the process's threads (proc(5): fields 14 and 15 of stat, in clock ticks)."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ask(server: Running, grpc_port: int) -> None:
    """Right and wrong requests of every protocol."""
    rng = random.Random(0)
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}
    infer = ("/v2/models/linear/infer", {"inputs": [tensor]})
    predict = ("/v1/models/linear:predict", {"instances": [[1.0, 2.0, 3.0]]})
    with httpx.Client(base_url=server.url) as client:
        for _ in range(REQUESTS):
            trace = f"00-{rng.randbytes(16).hex()}-{rng.randbytes(8).hex()}-01"
            for path, body in (infer, predict):
                client.post(path, json=body, headers={"traceparent": trace}).raise_for_status()
        for path, body in (infer, predict):
            assert client.post(path, content="{").status_code == 400
            assert client.post(path, json=body, headers={"Content-Encoding": "gzip"}).status_code == 415
            assert client.post(path, content=json.dumps(body) + " " * (17 << 20)).status_code == 413
    with grpc.InferenceServerClient(f"127.0.0.1:{grpc_port}") as client:
        given = grpc.InferInput("x", [1, 3], "FP32")
        given.set_data_from_numpy(np.array([[1, 2, 3]], np.float32))
        for _ in range(REQUESTS):
            client.infer("linear", [given])

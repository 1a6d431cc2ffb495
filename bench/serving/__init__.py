"""This server beside others: the same model, the same machine, rounds in turn, answers compared first.

All servers run at once and wait; in each round each is loaded for a few seconds, so that what the machine does beside
hits all alike. A ratio is the median over the rounds. The load is wrk with one thread on the same cores, the same for
all, and it holds every answer against the right one. Which configuration of a peer is its best one for this model, and
so is measured, is said at the top of its file below `peers`.

With BENCH_CHART=FILE a picture of the figures is written there, as SVG.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.figure import Figure
from bench.serving.heavy import heavy_vs_in_process, in_process
from bench.serving.load import CONNECTIONS, Found, measure, prove
from bench.serving.models import digits, saved_model
from bench.serving.peers import PEERS
from bench.serving.servers import BATCH, THREADS, Server, ours, peer_server
from tests.support.workspace import ROOT
from tests.unit.server.running import free_port, start, wait_until_ready
from toolchain import venv

ROUNDS = 5
SECONDS = 2.0
STARTS = 5

_LEAST = {"kserve": 8, "mlserver": 5, "mosec": 1.7, "bare": 0.75}
"""Ratio of requests per second, this server's by the peer's."""


@dataclass
class _Measured:
    """What was found of one server, round by round."""

    server: Server
    rounds: list[Found] = field(default_factory=list)
    memory_mb: float = 0.0

    @property
    def rates(self) -> list[float]:
        return [found.rate for found in self.rounds]

    def median(self, name: str) -> float:
        return statistics.median(getattr(found, name) for found in self.rounds)

    def summary(self) -> dict[str, float]:
        """What the chart and the documentation show."""
        return {
            "requests_per_second": round(self.median("rate")),
            "p50_ms": round(self.median("p50_ms"), 2),
            "p99_ms": round(self.median("p99_ms"), 2),
            "cold_start_seconds": round(self.server.cold_start_seconds, 2),
            "memory_mb": round(self.memory_mb),
            "installed_mb": round(self.server.installed_mb),
        }


def run(progress: Callable[[str], None]) -> list[Figure]:
    folder = digits()
    saved_model(folder)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        home = Path(scratch)
        example = json.loads((ROOT / "model/digits/examples/0.json").read_text())["request"]
        pixels = np.asarray(example["inputs"][0]["data"], dtype=np.float32).reshape(-1, 8, 8)
        expected = np.asarray(in_process(folder / "model.onnx").run(None, {"pixels": pixels})[0])

        cold_start = _cold_start(folder, home, pixels, expected, progress)
        servers = [running.enter_context(ours(folder, home, pixels, expected, batch)) for batch in (BATCH, 1)]
        for peer in PEERS:
            server = peer_server(peer, folder / "model.onnx", home, pixels, expected)
            servers.append(running.enter_context(server))
            progress(f"{peer.name}: first answer after {servers[-1].cold_start_seconds:.1f} s")
        measured = {target.name: _Measured(server) for server in servers for target in server.targets}
        targets = [target for server in servers for target in server.targets]
        for target in targets:
            prove(target)
        for turn in range(ROUNDS):
            for target in targets if turn % 2 else reversed(targets):
                found = measure(target, SECONDS)
                measured[target.name].rounds.append(found)
                progress(f"round {turn + 1}: {target.name} {found.rate:.0f}/s, p99 {found.p99_ms:.1f} ms")
        for each in measured.values():
            each.memory_mb = each.server.memory_mb
        grpc_rate = _grpc_rate(folder, home, pixels, expected)

    summaries = {name: each.summary() for name, each in measured.items()}
    summaries["json"]["cold_start_seconds"] = round(cold_start, 2)
    if chart := os.environ.get("BENCH_CHART"):
        _draw(summaries, Path(chart))
    return _figures(measured, summaries, cold_start, grpc_rate, heavy_vs_in_process(progress))


def _figures(
    measured: dict[str, _Measured],
    summaries: dict[str, dict[str, float]],
    cold_start: float,
    grpc_rate: float,
    heavy: float,
) -> list[Figure]:
    mine = measured["json"].rates

    def ratio(name: str, rates: list[float] = mine) -> float:
        return statistics.median(a / b for a, b in zip(rates, measured[name].rates, strict=True))

    figures = [Figure(key="requests_per_second", value=round(statistics.median(mine)), unit="1/s")]
    for peer in PEERS:
        key = "vs_bare_loop" if peer.name == "bare" else f"vs_{peer.name}"
        figures.append(Figure(key=key, value=round(ratio(peer.name), 2), unit="ratio", at_least=_LEAST.get(peer.name)))
    # The bare loop is no server that anybody could run.
    best = min(summaries[peer.name]["p99_ms"] for peer in PEERS if peer.name != "bare")
    figures += [
        Figure(key="batching_gain", value=round(ratio("json_alone"), 2), unit="ratio"),
        Figure(key="alone_vs_bare_loop", value=round(ratio("bare", measured["json_alone"].rates), 2), unit="ratio"),
        Figure(key="alone_vs_mosec", value=round(ratio("mosec", measured["json_alone"].rates), 2), unit="ratio"),
        Figure(key="alone_p99_ms", value=summaries["json_alone"]["p99_ms"], unit="ms"),
        Figure(key="binary_vs_json", value=round(1 / ratio("binary"), 2), unit="ratio"),
        Figure(key="grpc_requests_per_second", value=round(grpc_rate), unit="1/s"),
        Figure(key="p50_ms", value=summaries["json"]["p50_ms"], unit="ms"),
        Figure(key="p99_ms", value=summaries["json"]["p99_ms"], unit="ms", at_most=best),
        Figure(key="best_peer_p99_ms", value=best, unit="ms"),
        Figure(key="cold_start_seconds", value=round(cold_start, 3), unit="s", at_most=0.6),
        Figure(key="heavy_vs_in_process", value=round(heavy, 2), unit="ratio", at_least=0.9),
        Figure(key="memory_mb", value=summaries["json"]["memory_mb"], unit="MB"),
        Figure(key="installed_mb", value=summaries["json"]["installed_mb"], unit="MB"),
    ]
    units = {"p50_ms": "ms", "p99_ms": "ms", "cold_start_seconds": "s", "memory_mb": "MB", "installed_mb": "MB"}
    for peer in PEERS:
        theirs = summaries[peer.name]
        figures += [Figure(key=f"{peer.name}_{name}", value=theirs[name], unit=unit) for name, unit in units.items()]
        # What costs: the peer's by this server's, so that more than 1 is more than here.
        figures += [
            Figure(
                key=f"{peer.name}_{name}_ratio", value=round(theirs[name] / summaries["json"][name], 2), unit="ratio"
            )
            for name in units
        ]
    return figures


def _draw(summaries: dict[str, dict[str, float]], chart: Path) -> None:
    """Writes the chart, with a drawing library that has an environment of its own."""
    folder = Path(__file__).parent
    python = venv.ensure(folder / "requirements.txt")
    subprocess.run(
        [str(python), str(folder / "chart.py"), str(chart.absolute())],
        input=json.dumps(summaries),
        text=True,
        check=True,
    )


def _grpc_rate(folder: Path, home: Path, pixels: np.ndarray, expected: np.ndarray) -> float:
    """Requests per second over gRPC, with the load by grpcio in a process of its own."""
    port = free_port()
    server = start(folder, home / "grpc", MODEL_NAME="digits", THREADS=str(THREADS), GRPC_PORT=str(port))
    try:
        wait_until_ready(server)
        np.save(home / "pixels.npy", pixels)
        np.save(home / "expected.npy", expected)
        load = [sys.executable, "-m", "bench.serving.grpc_load", str(port), str(CONNECTIONS), str(SECONDS), str(home)]
        return float(subprocess.run(load, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    finally:
        server.end()


def _cold_start(
    folder: Path, home: Path, pixels: np.ndarray, expected: np.ndarray, progress: Callable[[str], None]
) -> float:
    """Seconds from the start of the process to its first right answer; median."""
    found: list[float] = []
    for _ in range(STARTS):
        with ours(folder, home, pixels, expected) as server:
            found.append(server.cold_start_seconds)
        progress(f"cold start: {found[-1]:.3f} s")
    return statistics.median(found)

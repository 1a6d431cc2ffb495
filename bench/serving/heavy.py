"""A model that takes its time: what the server adds to it, and how many threads it computes with."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import onnxruntime

from bench.serving.load import Target, measure
from bench.serving.models import IMAGE, mobilenet
from bench.serving.servers import THREADS, binary_request, compare
from tests.unit.server.running import start, wait_until_ready

ROUNDS = 5
SECONDS = 2.0


def in_process(path: Path) -> onnxruntime.InferenceSession:
    """The model in ONNX Runtime with the server's settings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def heavy_vs_in_process(progress: Callable[[str], None]) -> float:
    """Answers per second over HTTP by in-process calls per second, of MobileNetV2 with the same threads."""
    progress("making MobileNetV2")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        folder = mobilenet(home / "model")
        session = in_process(folder / "model.onnx")
        image = np.random.default_rng(3).standard_normal(IMAGE).astype(np.float32)
        expected = np.asarray(session.run(None, {"image": image})[0])
        server = start(folder, home / "run", MODEL_NAME="mobilenet", THREADS=str(THREADS))
        try:
            wait_until_ready(server)
            body, headers = binary_request("image", image)
            path = "/v2/models/mobilenet/infer"
            raw = httpx.post(f"{server.url}{path}", content=body, headers=headers).raise_for_status().content
            compare("mobilenet", np.frombuffer(raw[-expected.nbytes :], dtype=np.float32), expected)
            # Not the numbers: with several threads, sums may differ in their last bit.
            target = Target(
                name="mobilenet", port=server.port, path=path, body=body, headers=headers, answer=b'"probabilities"'
            )
            ratios: list[float] = []
            for turn in range(ROUNDS):
                began, calls = time.perf_counter(), 0
                while (elapsed := time.perf_counter() - began) < SECONDS:
                    session.run(None, {"image": image})
                    calls += 1
                ratios.append(measure(target, SECONDS, connections=THREADS).rate / (calls / elapsed))
                progress(f"round {turn + 1}: heavy model {calls / elapsed:.1f}/s in process, ratio {ratios[-1]:.2f}")
        finally:
            server.end()
    return statistics.median(ratios)

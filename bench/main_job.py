"""The main job with warm caches: how long `up` takes, what it makes, how it serves.

Runs `up` of stack dev in a copy of this checkout with a data folder of its own, so that the user's state, cluster and
registry are left alone. No local cluster may run meanwhile: two cannot share a machine's network.
"""

import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from bench.container import start
from bench.figure import Figure
from tests.support.cluster import exports
from tests.support.load import infer, label
from tests.support.registry import Image
from tests.support.workspace import copy_checkout

STARTS = 5


def run(progress: Callable[[str], None]) -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="bench-main-job-"))
    job = _Job(copy_checkout(home / "checkout"), home / "data", progress)
    try:
        return _measure(job, progress)
    finally:
        job.toolchain("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def _measure(job: "_Job", progress: Callable[[str], None]) -> list[Figure]:
    progress("first run: fills the caches")
    job.up()
    job.toolchain("down")
    warm, _ = job.up()
    noop, printed = job.up()
    served = job.served()
    progress("sending the held-out digits")
    accuracy = _held_out_accuracy(job.checkout, served["nodePort"])
    progress(f"{STARTS} starts of the image")
    starts = [start(served["image"], job.tools()) for _ in range(STARTS)]
    training = job.checkout / "model/digits/train.py"
    training.write_text(training.read_text().replace("set_random_seed(SEED)", "set_random_seed(SEED + 1)"))
    new_weights, _ = job.up()
    if job.served()["image"] == served["image"]:
        raise RuntimeError("another seed gave the same image: the training does not depend on it")
    return [
        Figure(key="up_warm_seconds", value=round(warm, 1), unit="s", at_most=90),
        Figure(key="up_noop_seconds", value=round(noop, 1), unit="s", at_most=10),
        Figure(key="up_noop_changes", value=_changes(printed), unit="resources", at_most=0),
        Figure(key="up_new_weights_seconds", value=round(new_weights, 1), unit="s"),
        Figure(
            key="image_compressed_mb",
            value=round(Image(served["image"]).compressed_bytes() / 1e6, 1),
            unit="MB",
            at_most=130,
        ),
        Figure(
            key="ready_seconds",
            value=round(statistics.median(s.ready_seconds for s in starts), 2),
            unit="s",
            at_most=1.5,
        ),
        Figure(key="rss_mb", value=round(statistics.median(s.rss_mb for s in starts), 1), unit="MB", at_most=150),
        Figure(key="heldout_accuracy", value=round(accuracy, 4), unit="of 1", at_least=0.97),
    ]


class _Job:
    """Stack dev of one checkout, driven by the toolchain as `make` drives it."""

    def __init__(self, checkout: Path, data: Path, progress: Callable[[str], None]) -> None:
        self.checkout = checkout
        self._progress = progress
        self._env = {**os.environ, "XDG_DATA_HOME": str(data)}

    def toolchain(self, command: str, *, check: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "toolchain", command, "--stack", "dev"],
            cwd=self.checkout,
            env=self._env,
            capture_output=True,
            text=True,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{command} of stack dev failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def up(self) -> tuple[float, str]:
        """Seconds from the command to the right answer that ends it, and what it printed."""
        began = time.monotonic()
        printed = self.toolchain("up")
        seconds = time.monotonic() - began
        self._progress(f"up: {seconds:.1f} s")
        return seconds, printed

    def tools(self) -> dict[str, str]:
        return exports(self.toolchain("env"))

    def served(self) -> dict[str, Any]:
        done = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--stack", "dev"],
            cwd=self.checkout,
            env=self._env | self.tools(),
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(done.stdout)["models"]["digits"]


def _changes(printed: str) -> int:
    """How many resources changed, from the summary of a `pulumi up` ("    ~ 1 updated")."""
    return sum(int(count) for count in re.findall(r"^\s+(?:\+|~|-|\+-) (\d+) \w+$", printed, re.MULTILINE))


def _held_out_accuracy(checkout: Path, node_port: int) -> float:
    """Share of the held-out digits that the Service answers right, one request a digit."""
    _, (rows, labels) = _load(checkout / "model/digits/data.py").load()
    with httpx.Client() as client:
        right = 0
        for row, expected in zip(rows, labels, strict=True):
            tensor = {
                "name": "pixels",
                "datatype": "FP32",
                "shape": [1, *row.shape],
                "data": row.reshape(-1).tolist(),
            }
            right += label(infer(node_port, "digits", {"inputs": [tensor]}, client=client)) == int(expected)
    return right / len(labels)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits_data", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

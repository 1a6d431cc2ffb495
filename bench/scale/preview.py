"""What a model more costs a preview, and what the program costs over a bare loop of the same resources.

Stacks of 1 to 100 models, deployed from images by digest so that nothing is built, are previewed before their first
update: every resource is checked by the provider, and none exists. Rounds in turn. Figures are of the fastest round: a
preview does the same work each time, and what else the machine does only adds to it, more than ten models do.
"""

import json
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figure import Figure
from tests.support.cluster import local_cluster
from tests.support.workspace import ROOT, Workspace
from tests.unit.components.recording import record

SIZES = (1, 10, 50, 100)
ROUNDS = 4
NAMESPACE = "bench-scale"
BARE = "bare"


def measure(progress: Callable[[str], None]) -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="bench-scale-"))
    seconds: dict[int | str, list[float]] = {key: [] for key in (*SIZES, BARE)}
    try:
        with local_cluster() as cluster:
            product = Workspace.create(home / "product", "dev", cluster.env, home / "state")
            progress("preparing the programs")
            product.pulumi("install")
            stacks: dict[int | str, Workspace] = {size: _stack(product, size) for size in SIZES}
            stacks[BARE] = _bare(product, home / BARE, SIZES[-1])
            _assert_same_resources(stacks[SIZES[-1]], stacks[BARE])
            for round_ in range(ROUNDS):
                for key, stack in stacks.items():
                    seconds[key].append(_seconds(stack))
                last = ", ".join(f"{key}: {times[-1]:.2f} s" for key, times in seconds.items())
                progress(f"round {round_ + 1} of {ROUNDS}: {last}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return figures({size: min(seconds[size]) for size in SIZES}, min(seconds[BARE]))


def figures(seconds: dict[int, float], bare: float) -> list[Figure]:
    """The figures of the fastest previews.

    `ms_per_model` is the slope of the line that is closest to all sizes. `growth` compares what a model costs beyond 50
    with what it costs up to there, from the tenth on: 1 is linear. The first ten hide behind the start of the engine
    and its plugins, which runs beside the program: what they add to a stack of one (`ms_per_model_of_ten`) is less.
    """

    def each(fewer: int, more: int) -> float:
        return (seconds[more] - seconds[fewer]) / (more - fewer)

    slope = statistics.linear_regression(list(seconds), list(seconds.values())).slope
    return [
        Figure(key="ms_per_model", value=round(slope * 1000, 1), unit="ms"),
        Figure(key="ms_per_model_of_ten", value=round(each(1, 10) * 1000, 1), unit="ms"),
        Figure(key="growth", value=round(each(50, 100) / each(10, 50), 3), unit="", at_most=1.1),
        Figure(key="vs_bare_resources", value=round(seconds[100] / bare, 3), unit="", at_most=1.3),
        *(Figure(key=f"preview_seconds_{size}", value=round(seconds[size], 2), unit="s") for size in seconds),
    ]


def _models(count: int) -> dict[str, Any]:
    return {
        f"m{index}": {"image": f"registry.example.com/models/m{index}@sha256:{index:064x}"} for index in range(count)
    }


def _stack(product: Workspace, size: int) -> Workspace:
    """A stack of so many models, in the folder that all of them share."""
    stack = Workspace(product.path, f"scale-{size}", product.env, product.backend)
    shutil.copyfile(product.config_file, stack.config_file)
    stack.set_config(namespace=NAMESPACE, registry=None, models=_models(size))
    stack.pulumi("stack", "init", stack.stack)
    return stack


def _bare(product: Workspace, folder: Path, size: int) -> Workspace:
    """A program that declares what ours does for so many models."""
    shutil.copytree(ROOT / "bench/scale/bare", folder)
    (folder / ".venv").symlink_to(product.path / ".venv")
    shutil.copyfile(product.path / "Pulumi.yaml", folder / "Pulumi.yaml")
    recorded = record({"cluster": "local", "namespace": NAMESPACE, "models": _models(size)}).resources
    resources = [
        {"type": resource.type, "name": resource.name, "inputs": resource.inputs}
        for resource in recorded
        if resource.type.startswith("kubernetes:")
    ]
    (folder / "resources.json").write_text(json.dumps(resources))
    stack = Workspace(folder, "dev", product.env, folder / "state")
    stack.backend.mkdir()
    stack.pulumi("stack", "init", "dev")
    return stack


def _assert_same_resources(product: Workspace, bare: Workspace) -> None:
    """Both are going to create the same kinds in the same numbers, or the comparison says nothing."""
    kinds = [_planned(stack) for stack in (product, bare)]
    if kinds[0] != kinds[1]:
        raise RuntimeError(f"the program declares {kinds[0]}, the bare loop {kinds[1]}")


def _planned(stack: Workspace) -> Counter[str]:
    steps = json.loads(stack.preview("--json").stdout)["steps"]
    kinds = (step["newState"]["type"] for step in steps)
    return Counter(kind for kind in kinds if kind.startswith("kubernetes:"))


def _seconds(stack: Workspace) -> float:
    """Seconds of one preview."""
    began = time.monotonic()
    stack.preview()
    return time.monotonic() - began

"""What the program costs over a flat one: `pulumi preview` of an unchanged stack dev, and of `bench/flat`.

`bench/flat` declares the same resources with literal values and idiomatic imports, by hand. Both stacks are brought
up once on the local cluster, then previewed in turn; the ratio is of medians.
"""

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.figure import Figure
from tests.support.cluster import local_cluster
from tests.support.workspace import ROOT, Workspace

ROUNDS = 9


def run(progress: Callable[[str], None]) -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="bench-preview-"))
    with local_cluster() as cluster:
        product = Workspace.create(home / "product", "dev", cluster.env, home / "state-product")
        product.set_config(namespace="bench-preview")
        flat = Workspace(home / "flat", "dev", cluster.env, home / "state-flat")
        stacks = (product, flat)
        try:
            progress("bringing both stacks up")
            product.pulumi("install")
            _up(product)
            shutil.copytree(ROOT / "bench/flat", flat.path)
            shutil.copytree(product.path / ".build/digits", flat.path / "context")
            (flat.path / ".venv").symlink_to(product.path / ".venv")
            flat.backend.mkdir()
            _up(flat)
            _assert_same_resources(product, flat)
            seconds: dict[str, list[float]] = {"product": [], "flat": []}
            for round_ in range(ROUNDS):
                for name, stack in zip(seconds, stacks, strict=True):
                    seconds[name].append(_preview(stack))
                progress(f"round {round_ + 1} of {ROUNDS}: {seconds['product'][-1]:.2f} s, {seconds['flat'][-1]:.2f} s")
        finally:
            for stack in stacks:
                if stack.path.exists():
                    stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)
            shutil.rmtree(home, ignore_errors=True)
    ours, bare = statistics.median(seconds["product"]), statistics.median(seconds["flat"])
    return [
        Figure(key="preview_ratio", value=round(ours / bare, 3), unit="", at_most=1.15),
        Figure(key="preview_overhead_ms", value=round((ours - bare) * 1000), unit="ms"),
        Figure(key="preview_seconds", value=round(ours, 2), unit="s"),
    ]


def _up(stack: Workspace) -> None:
    stack.pulumi("stack", "init", "dev")
    stack.up()


def _preview(stack: Workspace) -> float:
    """Seconds of one preview. Raises AssertionError when it is not clean."""
    began = time.monotonic()
    stack.preview("--expect-no-changes")
    return time.monotonic() - began


def _assert_same_resources(product: Workspace, flat: Workspace) -> None:
    """Both stacks hold the same kinds of resources in the same numbers, or the comparison says nothing."""
    kinds = [_kinds(stack) for stack in (product, flat)]
    if kinds[0] != kinds[1]:
        raise RuntimeError(f"bench/flat is out of date: the program declares {kinds[0]}, it declares {kinds[1]}")


def _kinds(stack: Workspace) -> list[str]:
    state = json.loads(stack.pulumi("stack", "export", "--stack", "dev").stdout)
    # Components exist only in the engine: the flat program has none, and their cost is part of what is measured.
    return sorted(
        resource["type"]
        for resource in state["deployment"]["resources"]
        if resource.get("custom") and not resource["type"].startswith("pulumi:")
    )

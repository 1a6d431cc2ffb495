"""What the policy pack adds to a preview: stack dev's, previewed in turn with the pack and without it.

The engine starts the pack as a process of its own, which imports what its rules need, and hands it every resource.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.figure import Figure
from tests.support.cluster import local_cluster
from tests.support.workspace import Workspace

ROUNDS = 7
DIGITS = f"registry.example.com/models/digits@sha256:{1:064x}"


def run(progress: Callable[[str], None]) -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="bench-policies-"))
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    options = {"without": (), "with": ("--policy-pack", "policy")}
    try:
        with local_cluster() as cluster:
            stack = Workspace.create(home / "product", "dev", cluster.env, home / "state")
            stack.set_config(namespace="bench-policies", registry=None, models={"digits": {"image": DIGITS}})
            progress("preparing the program and the pack")
            stack.pulumi("install")
            stack.pulumi("install", "--cwd", str(stack.path / "policy"))
            stack.pulumi("stack", "init", "dev")
            for round_ in range(ROUNDS):
                for name, arguments in options.items():
                    began = time.monotonic()
                    stack.preview(*arguments)
                    seconds[name].append(time.monotonic() - began)
                last = ", ".join(f"{name}: {times[-1]:.2f} s" for name, times in seconds.items())
                progress(f"round {round_ + 1} of {ROUNDS}: {last}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    without, held = statistics.median(seconds["without"]), statistics.median(seconds["with"])
    return [
        Figure(key="policy_seconds", value=round(held - without, 2), unit="s", at_most=1),
        Figure(key="preview_seconds", value=round(without, 2), unit="s"),
        Figure(key="preview_with_policies_seconds", value=round(held, 2), unit="s"),
    ]

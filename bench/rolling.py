"""Rolling restarts under a steady load: how many requests fail while every pod is replaced again and again.

The load goes through the Service's NodePort, each request over a connection of its own, every answer checked. First it
is unbounded, which gives the capacity of the machine that load and pods share; then it keeps 40 % of that for ten
minutes (BENCH_ROLLING_SECONDS for shorter trials), while one rolling restart follows the other.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.figure import Figure
from tests.support.cluster import local_cluster
from tests.support.load import Load
from tests.support.workspace import Workspace

NAMESPACE = "bench-rolling"
SECONDS = 600.0
CAPACITY_SECONDS = 15.0
SHARE = 0.4
THREADS = 4


def run(progress: Callable[[str], None]) -> list[Figure]:
    seconds = float(os.environ.get("BENCH_ROLLING_SECONDS", SECONDS))
    home = Path(tempfile.mkdtemp(prefix="bench-rolling-"))
    with local_cluster() as cluster:
        stack = Workspace.create(home / "checkout", "dev", cluster.env, home / "state")
        stack.set_config(namespace=NAMESPACE)
        digits = stack.read_config()["config"]["model-serving:models"]["digits"]
        stack.set_config(models={"digits": {**digits, "replicas": 2}})

        def kubectl(*arguments: str) -> None:
            cluster.kubectl(*arguments, namespace=NAMESPACE)

        try:
            progress("bringing the stack up")
            stack.pulumi("install")
            stack.pulumi("stack", "init", "dev")
            stack.up()
            port, folder = stack.outputs()["models"]["digits"]["nodePort"], stack.path / "model/digits"

            with Load(port, "digits", folder, threads=THREADS, pause=0) as load:
                time.sleep(CAPACITY_SECONDS)
            if load.failures:
                raise RuntimeError(f"requests failed before anything was restarted: {dict(load.failures)}")
            capacity = load.right / CAPACITY_SECONDS
            progress(f"capacity: {capacity:.0f} requests per second; {SHARE:.0%} of it for {seconds:.0f} s")

            restarts = 0
            began = time.monotonic()
            with Load(port, "digits", folder, threads=THREADS, rate=SHARE * capacity) as load:
                while time.monotonic() - began < seconds:
                    kubectl("rollout", "restart", "deployment")
                    kubectl("rollout", "status", "deployment", "--timeout=120s")
                    restarts += 1
                    progress(f"restart {restarts}: {load.right} right answers, {sum(load.failures.values())} failures")
            lasted = time.monotonic() - began
        finally:
            stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)
            shutil.rmtree(home, ignore_errors=True)
    for problem, count in load.failures.items():
        progress(f"{count} times: {problem}")
    failed = sum(load.failures.values())
    requests = load.right + failed
    return [
        Figure(key="requests", value=requests, unit="requests"),
        Figure(key="failed_requests", value=failed, unit="requests", at_most=0),
        Figure(key="rolling_restarts", value=restarts, unit="restarts", at_least=1),
        Figure(key="seconds", value=round(lasted), unit="s"),
        Figure(key="capacity", value=round(capacity), unit="1/s"),
        Figure(key="load_of_capacity", value=round(requests / lasted / capacity, 2), unit="ratio"),
    ]

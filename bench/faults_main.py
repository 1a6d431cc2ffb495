"""The main job under faults: requests lost, updates recovered, differences from the official plugin, leftovers.

The load goes through the Service's NodePort, each request over a connection of its own, while a model with two
replicas is rolled out, replaced by a broken one, loses pods and gets a new secret. The rest are the project's own
tests of faults and of the Kubernetes plugin, counted.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.figure import Figure
from tests.support.cluster import LocalCluster, local_cluster
from tests.support.leftovers import leftovers_after_down
from tests.support.load import Load
from tests.support.registry import Image
from tests.support.tampering import with_one_wrong_weight
from tests.support.workspace import ROOT, Workspace

NAMESPACE = "bench-faults"
REQUESTS = 10_000
FAULTS = (
    "tests/integration/test_faults.py",
    "tests/integration/test_interruption.py",
    "tests/integration/test_toolchain.py",
)
CONTRACT = ("tests/contract",)


def run(progress: Callable[[str], None]) -> list[Figure]:
    with local_cluster() as cluster:
        sent, failed = _under_load(cluster, progress)
        recovered, faults = _tests(FAULTS, progress)
        agreed, steps = _tests(CONTRACT, progress)
        with tempfile.TemporaryDirectory() as folder:
            left = leftovers_after_down(Path(folder), progress)
    for line in left:
        progress(f"left behind: {line}")
    return [
        Figure(key="requests", value=sent, unit="requests", at_least=REQUESTS),
        Figure(key="failed_requests", value=failed, unit="requests", at_most=0),
        Figure(key="leftovers_after_down", value=len(left), unit="things", at_most=0),
        Figure(key="faults", value=faults, unit="tests"),
        Figure(key="recovered", value=recovered, unit="tests", at_least=faults),
        Figure(key="contract_steps", value=steps, unit="tests"),
        Figure(key="contract_differences", value=steps - agreed, unit="tests", at_most=0),
    ]


def _under_load(cluster: LocalCluster, progress: Callable[[str], None]) -> tuple[int, int]:
    """Requests sent and failed."""
    home = Path(tempfile.mkdtemp(prefix="bench-faults-"))
    stack = Workspace.create(home / "checkout", "dev", cluster.env, home / "state")
    stack.set_config(namespace=NAMESPACE)
    digits = stack.read_config()["config"]["model-serving:models"]["digits"] | {"replicas": 2, "secrets": ["apiToken"]}
    folder = stack.path / "model/digits"

    def deploy(**fields: object) -> None:
        merged = {**digits, **fields}
        stack.set_config(models={"digits": {key: value for key, value in merged.items() if value is not None}})
        stack.up(check="image" not in fields)

    try:
        progress("bringing the stack up")
        stack.pulumi("install")
        stack.pulumi("stack", "init", "dev")
        stack.pulumi("config", "set", "--secret", "model-serving:apiToken", "--stack", "dev", stdin="first")
        deploy()
        served = stack.outputs()["models"]["digits"]
        bad = with_one_wrong_weight(Image(served["image"])).reference
        with Load(served["nodePort"], "digits", folder, pause=0.005) as load:
            turn = 0
            while load.right + sum(load.failures.values()) < REQUESTS:
                turn += 1
                progress(f"turn {turn}: rollout, broken model, lost pods, new secret ({load.right} right answers)")
                deploy(env={"LOG_LEVEL": "warning" if turn % 2 else "error"})
                deploy(image=bad, source=None, startupTimeoutSeconds=10)
                deploy()
                _delete_pods_one_by_one(cluster)
                stack.pulumi("config", "set", "--secret", "model-serving:apiToken", "--stack", "dev", stdin=f"{turn}")
                deploy()
        for problem, count in load.failures.items():
            progress(f"{count} times: {problem}")
        return load.right + sum(load.failures.values()), sum(load.failures.values())
    finally:
        stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)
        shutil.rmtree(home, ignore_errors=True)


def _delete_pods_one_by_one(cluster: LocalCluster) -> None:
    """Each is replaced and ready before the next one goes, as a drained node's would be under a budget."""

    def kubectl(*arguments: str) -> str:
        return cluster.kubectl(*arguments, namespace=NAMESPACE)

    for pod in json.loads(kubectl("get", "pods", "--output", "json"))["items"]:
        if "deletionTimestamp" in pod["metadata"]:
            continue  # of the model before, and leaving
        kubectl("delete", "pod", "--ignore-not-found", pod["metadata"]["name"])
        deadline = time.monotonic() + 60
        while _ready_replicas(json.loads(kubectl("get", "deployments", "--output", "json"))) < 2:
            if time.monotonic() > deadline:
                raise RuntimeError("a deleted pod was not replaced within 60 s")
            time.sleep(0.2)


def _ready_replicas(listed: dict[str, Any]) -> int:
    [deployment] = listed["items"]
    return int(deployment["status"].get("readyReplicas", 0))


def _tests(paths: tuple[str, ...], progress: Callable[[str], None]) -> tuple[int, int]:
    """How many tests of these files passed, and how many ran."""
    progress(f"running {', '.join(paths)}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *paths], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        [suite] = ElementTree.parse(report).getroot()
    ran = int(suite.attrib["tests"]) - int(suite.attrib["skipped"])
    return ran - int(suite.attrib["failures"]) - int(suite.attrib["errors"]), ran

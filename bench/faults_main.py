"""The main job under faults: requests lost, updates recovered, differences from the official plugin, leftovers.

The load goes through the Service's NodePort, each request over a connection of its own, while a model with two
replicas is rolled out, replaced by a broken one, loses pods and gets a new secret. The rest are the project's own
tests of faults and of the Kubernetes plugin, counted.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from bench.deployed import deployed
from bench.figure import Figure
from tests.support.cluster import LocalCluster, local_cluster
from tests.support.leftovers import leftovers_after_down
from tests.support.load import Load
from tests.support.registry import Image
from tests.support.tampering import with_one_wrong_weight
from tests.support.workspace import ROOT

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
    with deployed(cluster, "bench-faults-main", progress) as running:
        source = running.model["source"]
        bad = with_one_wrong_weight(Image(running.served["image"])).reference
        with Load(running.served["nodePort"], "digits", running.folder, pause=0.005) as load:
            turn = 0
            while load.right + sum(load.failures.values()) < REQUESTS:
                turn += 1
                progress(f"turn {turn}: rollout, broken model, lost pods, new secret ({load.right} right answers)")
                running.deploy(env={"LOG_LEVEL": "warning" if turn % 2 else "error"})
                running.deploy(check=False, image=bad, source=None, startupTimeoutSeconds=10)
                running.deploy(image=None, source=source, startupTimeoutSeconds=None)
                running.delete_pods_one_by_one()
                running.set_secret(str(turn))
                running.deploy()
        for problem, count in load.failures.items():
            progress(f"{count} times: {problem}")
        return load.right + sum(load.failures.values()), sum(load.failures.values())


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

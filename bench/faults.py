"""What clients notice of a running model's changes and losses: requests that failed, for each kind apart.

The load goes through the Service's NodePort, each request over a connection of its own, to two replicas on one node.
A drained node is not measured: that takes a second kubelet. A process that is killed takes the requests that it holds
with it, and Kubernetes needs a moment to notice, so for that the share that succeeds is measured.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bench.deployed import Deployed, deployed
from bench.figure import Figure
from tests.support.cluster import local_cluster
from tests.support.load import Load
from tests.support.registry import Image

REQUESTS = 10_000
# Between two kills, so that the one before is over.
KILL_EVERY_SECONDS = 20.0
# Kubernetes' back-off of restarts doubles from 10 s.
RESTART_SECONDS = 120.0
LEAST_AFTER_KILLS = 0.9


def run(progress: Callable[[str], None]) -> list[Figure]:
    with local_cluster() as cluster, deployed(cluster, "bench-faults", progress) as running:
        images = [running.served["image"], _another(Image(running.served["image"])).reference]
        kinds: dict[str, Callable[[int], None]] = {
            "rollout": lambda turn: running.deploy(image=images[turn % 2], source=None),
            "pod_deletion": lambda turn: running.delete_pods_one_by_one(),
            "secret_rotation": lambda turn: _rotate_secret(running, turn),
            "config_rotation": lambda turn: running.deploy(env={"LOG_LEVEL": "warning" if turn % 2 else "error"}),
        }
        figures: list[Figure] = []
        failed = 0
        for kind, change in kinds.items():
            load, turns = _under_load(running, kind, change, progress)
            failures = sum(load.failures.values())
            failed += failures
            figures += [
                Figure(key=f"{kind}_requests", value=load.right + failures, unit="requests", at_least=REQUESTS),
                Figure(key=f"{kind}_failed", value=failures, unit="requests", at_most=0),
                Figure(key=f"{kind}_turns", value=turns, unit="turns"),
            ]
        load, kills = _under_load(running, "sigkill", lambda turn: _kill_one(running, turn), progress)
        sent = load.right + sum(load.failures.values())
    return [
        Figure(key="failed_requests", value=failed, unit="requests", at_most=0),
        *figures,
        Figure(key="sigkill_requests", value=sent, unit="requests", at_least=REQUESTS),
        Figure(key="sigkill_success", value=round(load.right / sent, 4), unit="share", at_least=LEAST_AFTER_KILLS),
        Figure(key="sigkill_kills", value=kills, unit="kills"),
    ]


def _under_load(
    running: Deployed, kind: str, change: Callable[[int], None], progress: Callable[[str], None]
) -> tuple[Load, int]:
    """Change again and again until enough requests were sent. Returns the load and how often it was changed."""
    running.wait_until_ready()
    with Load(running.served["nodePort"], "digits", running.folder, pause=0.005) as load:
        turn = 0
        while load.right + sum(load.failures.values()) < REQUESTS:
            turn += 1
            change(turn)
            failed = sum(load.failures.values())
            progress(f"{kind}: turn {turn}, {load.right + failed} requests, {failed} failed")
    for problem, count in load.failures.items():
        progress(f"{kind}: {count} times: {problem}")
    return load, turn


def _another(image: Image) -> Image:
    """The same model as another image: a contract that states one more figure."""

    def change(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith("contract.json"))
        contract = json.loads(files[name])
        contract["metrics"]["copies"] = 1
        files[name] = json.dumps(contract).encode()

    return image.with_last_layer(change)


def _rotate_secret(running: Deployed, turn: int) -> None:
    running.set_secret(f"value-{turn}")
    running.deploy()


def _kill_one(running: Deployed, turn: int) -> None:
    """Kill one pod's server as the kernel would, short of memory: no warning and no last answer."""
    began = time.monotonic()
    # In turn: a container that dies again and again is restarted ever later.
    pods = running.pods()
    victims = _processes(pods[turn % len(pods)])
    if not victims:
        raise RuntimeError("the pod's process is not on this machine: run this benchmark with a local cluster")
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    while not _processes(pods[turn % len(pods)]):
        if time.monotonic() > began + RESTART_SECONDS:
            raise RuntimeError(f"the killed server was not started again within {RESTART_SECONDS:g} s")
        time.sleep(0.2)
    running.wait_until_ready()
    time.sleep(max(0.0, began + KILL_EVERY_SECONDS - time.monotonic()))


def _processes(pod: str) -> list[int]:
    marker = f"HOSTNAME={pod}".encode()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _has(entry, marker)]


def _has(process: Path, marker: bytes) -> bool:
    try:
        return marker in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False  # it ended while we looked

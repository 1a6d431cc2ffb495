"""Sequences of objects that a real cluster went through, and how to play them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from toolchain.kubernetes_plugin.awaits import Tracker

SEQUENCES = Path(__file__).parent


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sequence(name: str) -> dict[str, Any]:
    return json.loads((SEQUENCES / f"{name}.json").read_text())


def play(tracker: Tracker, events: list[Any]) -> Iterator[Any]:
    """Feed the events in; yields after each, so that a test can look."""
    for source, event, obj in events:
        tracker.observe(source, event, obj)
        yield source, event, obj


def ready_after(make: Callable[[dict[str, Any]], Tracker], name: str) -> int | None:
    """The number of the event after which the tracker first is ready."""
    recorded = sequence(name)
    tracker = make(recorded["applied"])
    assert not tracker.ready()
    for number, _ in enumerate(play(tracker, recorded["events"])):
        if tracker.ready():
            return number
    return None


def deployment_status(number: int, name: str) -> dict[str, Any]:
    source, _, obj = sequence(name)["events"][number]
    assert source == "self"
    return obj["status"]


def deployment(replicas: int = 1, claim: str = "", **status: Any) -> dict[str, Any]:
    volumes = (
        [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}] if claim else [{"name": "t", "emptyDir": {}}]
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": 1, "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {"replicas": replicas, "template": {"spec": {"volumes": volumes}}},
        "status": status,
    }


def complete() -> list[dict[str, str]]:
    return [
        {"type": "Available", "status": "True"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ]


def claim(name: str, phase: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"storageClassName": "slow"}, "status": {"phase": phase}}

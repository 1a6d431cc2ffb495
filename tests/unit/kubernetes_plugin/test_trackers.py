"""The state machines of the waits, on sequences of objects that a real cluster went through."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from toolchain.kubernetes_plugin.awaits import GoneTracker, Tracker, timeout, tracker_for, waits_to_be_gone
from toolchain.kubernetes_plugin.awaits.base import label_selector
from toolchain.kubernetes_plugin.awaits.deployment import DeploymentTracker
from toolchain.kubernetes_plugin.awaits.others import ClaimTracker, JobTracker, PodTracker
from toolchain.kubernetes_plugin.awaits.service import ServiceTracker

SEQUENCES = Path(__file__).parent / "sequences"


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


class TestDeployment:
    def test_created(self) -> None:
        number = ready_after(DeploymentTracker, "deployment-created")
        assert number is not None
        assert deployment_status(number, "deployment-created")["readyReplicas"] == 1

    def test_scaled(self) -> None:
        number = ready_after(DeploymentTracker, "deployment-scaled")
        assert number is not None
        assert deployment_status(number, "deployment-scaled")["readyReplicas"] == 2

    def test_a_rollout_that_never_comes(self) -> None:
        assert ready_after(DeploymentTracker, "deployment-bad-image") is None

    def test_why_it_never_comes(self) -> None:
        recorded = sequence("deployment-bad-image")
        tracker = DeploymentTracker(recorded["applied"])
        told = {message.text for _ in play(tracker, recorded["events"]) for message in tracker.troubles()}
        assert any("[web][ErrImagePull]" in text for text in told)
        minimum, pod = tracker.reasons()
        assert minimum == "Minimum number of Pods to consider the application live was not attained"
        assert pod.startswith("[Pod recording/web-")
        assert "containers with unready status: [web][" in pod
        assert tracker.unexplained_pods() == []

    def test_pods_of_the_old_revision_are_not_blamed(self) -> None:
        recorded = sequence("deployment-crashing")
        tracker = DeploymentTracker(recorded["applied"])
        assert list(play(tracker, recorded["events"]))
        blamed = [text for text in tracker.reasons() if text.startswith("[Pod")]
        assert any("exit code 3" in text for text in blamed)
        assert all(text.startswith("[Pod recording/web-ff5d9d4b9-") for text in blamed)
        assert any(
            event[0] == "pods" and "645d8f8d4c" in event[2].get("metadata", {}).get("name", "")
            for event in recorded["events"]
        )

    def test_unavailability_is_told_while_it_lasts(self) -> None:
        recorded = sequence("deployment-created")
        tracker = DeploymentTracker(recorded["applied"])
        told = [message for _ in play(tracker, recorded["events"]) for message in tracker.messages()]
        text = "[MinimumReplicasUnavailable] Deployment does not have minimum availability."
        assert ("warning", text) in told
        assert told[-1].severity != "warning"

    def test_a_status_about_an_older_spec_does_not_count(self) -> None:
        recorded = sequence("deployment-created")
        tracker = DeploymentTracker(
            {**recorded["applied"], "metadata": {**recorded["applied"]["metadata"], "generation": 2}}
        )
        assert all(not tracker.ready() for _ in play(tracker, recorded["events"]))

    def test_scaled_to_nothing(self) -> None:
        tracker = DeploymentTracker(deployment(replicas=0))
        tracker.observe("self", "MODIFIED", deployment(replicas=0, observedGeneration=1, conditions=complete()))
        assert tracker.ready()
        assert ("warning", 'Replicas scaled to 0 for Deployment "web"') in tracker.messages()

    def test_without_a_progress_deadline_the_numbers_decide(self) -> None:
        tracker = DeploymentTracker(deployment())
        available = [{"type": "Available", "status": "True"}]
        tracker.observe("self", "MODIFIED", deployment(observedGeneration=1, updatedReplicas=1, conditions=available))
        assert not tracker.ready()
        counts: dict[str, Any] = {"observedGeneration": 1, "updatedReplicas": 1, "readyReplicas": 1}
        tracker.observe("self", "MODIFIED", deployment(**counts, conditions=available))
        assert tracker.ready()

    def test_volume_claims_must_be_bound(self) -> None:
        applied = deployment(claim="models")
        tracker = DeploymentTracker(applied)
        done = deployment(
            claim="models", observedGeneration=1, updatedReplicas=1, readyReplicas=1, conditions=complete()
        )
        tracker.observe("self", "MODIFIED", done)
        tracker.observe("claims", "ADDED", claim("models", "Pending"))
        tracker.observe("claims", "ADDED", claim("other", "Pending"))
        assert not tracker.ready()
        assert "Failed to bind PersistentVolumeClaim(s): models" in tracker.reasons()
        tracker.observe("claims", "MODIFIED", claim("models", "Bound"))
        assert tracker.ready()

    def test_pods_that_cannot_be_created(self) -> None:
        tracker = DeploymentTracker(deployment())
        failure = {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": "violates PodSecurity",
        }
        tracker.observe("self", "MODIFIED", deployment(observedGeneration=1, conditions=[failure]))
        assert "[FailedCreate] violates PodSecurity" in tracker.reasons()


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


class TestService:
    def service(self, **spec: Any) -> dict[str, Any]:
        return {**sequence("service")["applied"], "spec": {**sequence("service")["applied"]["spec"], **spec}}

    def slice(self, *ready: bool) -> dict[str, Any]:
        return {"metadata": {"name": "s"}, "endpoints": [{"conditions": {"ready": state}} for state in ready]}

    def test_settles_soon_once_a_pod_is_ready(self) -> None:
        recorded, clock = sequence("service"), Clock()
        tracker = ServiceTracker(recorded["applied"], clock)
        for _ in play(tracker, recorded["events"]):
            assert not tracker.ready()
        clock.now = tracker.wake_at() or 0.0
        assert 0 < clock.now <= 2
        assert tracker.ready()

    def test_without_pods_it_takes_longer(self) -> None:
        clock = Clock()
        tracker = ServiceTracker(self.service(), clock)
        tracker.observe("endpoint slices", "ADDED", {"metadata": {"name": "s"}, "endpoints": None})
        clock.now = 5
        assert not tracker.ready()
        assert any("does not target any Pods" in reason for reason in tracker.reasons())
        clock.now = tracker.wake_at() or 0.0
        assert tracker.ready()

    def test_every_change_starts_the_patience_again(self) -> None:
        clock = Clock()
        tracker = ServiceTracker(self.service(), clock)
        clock.now = 9
        tracker.observe("endpoint slices", "ADDED", self.slice(False))
        clock.now = 30
        assert not tracker.ready()
        assert not tracker.good_enough()
        tracker.observe("endpoint slices", "MODIFIED", self.slice(True))
        assert tracker.wake_at() == 31

    def test_a_pod_that_is_not_ready_holds_it_up_but_does_not_make_it_ill(self) -> None:
        clock = Clock()
        tracker = ServiceTracker(self.service(), clock)
        tracker.observe("endpoint slices", "ADDED", self.slice(True, False))
        clock.now = 100
        assert not tracker.ready()
        assert tracker.healthy()

    def test_only_pods_that_are_not_ready_make_it_ill(self) -> None:
        tracker = ServiceTracker(self.service(), Clock())
        tracker.observe("endpoint slices", "ADDED", self.slice(False))
        assert not tracker.healthy()

    @pytest.mark.parametrize("spec", [{"selector": {}}, {"clusterIP": "None"}, {"type": "ExternalName"}])
    def test_services_that_wait_for_no_pods(self, spec: dict[str, Any]) -> None:
        tracker = ServiceTracker(self.service(**spec), Clock())
        assert [source.name for source in tracker.sources()] == ["self"]
        assert tracker.ready()

    def test_a_load_balancer_needs_an_address(self) -> None:
        clock = Clock()
        applied = self.service(type="LoadBalancer")
        tracker = ServiceTracker(applied, clock)
        tracker.observe("endpoint slices", "ADDED", self.slice(True))
        clock.now = 100
        assert not tracker.ready()
        assert any("IP address" in reason for reason in tracker.reasons())
        balanced = {**applied, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        tracker.observe("self", "MODIFIED", balanced)
        assert tracker.ready()


class TestJob:
    def test_complete(self) -> None:
        assert ready_after(JobTracker, "job-complete") is not None

    def test_failed(self) -> None:
        recorded = sequence("job-failed")
        tracker = JobTracker(recorded["applied"])
        failures = [tracker.failure() for _ in play(tracker, recorded["events"])]
        assert not tracker.ready()
        assert failures[0] is None
        assert (failures[-1] or "").startswith("[BackoffLimitExceeded]")
        assert any("exit code 1" in reason for reason in tracker.reasons())


class TestPod:
    def pod(self, phase: str = "Running", **conditions: str) -> dict[str, Any]:
        found = [
            {"type": type_, "status": status, "reason": "r", "message": "m"} for type_, status in conditions.items()
        ]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n"},
            "status": {"phase": phase, "conditions": found},
        }

    def test_steps(self) -> None:
        tracker = PodTracker(self.pod())
        assert [m.text for m in tracker.messages()] == ['Waiting for Pod "n/p" to be scheduled']
        tracker.observe("self", "MODIFIED", self.pod(PodScheduled="True"))
        assert [m.text for m in tracker.messages()] == ['Waiting for Pod "n/p" to be initialized']
        tracker.observe("self", "MODIFIED", self.pod(PodScheduled="True", Initialized="True"))
        assert not tracker.ready()
        tracker.observe("self", "MODIFIED", self.pod(PodScheduled="True", Initialized="True", Ready="True"))
        assert tracker.ready()

    def test_a_pod_that_has_done_its_work(self) -> None:
        tracker = PodTracker(self.pod())
        tracker.observe(
            "self", "MODIFIED", self.pod("Succeeded", PodScheduled="True", Initialized="True", Ready="False")
        )
        assert tracker.ready()

    def test_no_node(self) -> None:
        assert PodTracker(self.pod(PodScheduled="False")).reasons() == ["[Pod n/p]: m"]

    def test_events_are_asked_for_only_when_the_status_is_silent(self) -> None:
        silent = self.pod(PodScheduled="True", Initialized="True", Ready="False")
        assert PodTracker(silent).unexplained_pods() == [silent]
        explained = copy.deepcopy(silent)
        explained["status"]["containerStatuses"] = [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
        assert PodTracker(explained).unexplained_pods() == []


class TestClaim:
    def test_bound(self) -> None:
        tracker = ClaimTracker(claim("a", "Pending"))
        assert not tracker.ready()
        tracker.observe("self", "MODIFIED", claim("a", "Bound"))
        assert tracker.ready()

    def test_bound_by_its_first_consumer(self) -> None:
        tracker = ClaimTracker(claim("a", "Pending"))
        tracker.observe("class", "ADDED", {"metadata": {"name": "other"}, "volumeBindingMode": "WaitForFirstConsumer"})
        assert not tracker.ready()
        tracker.observe("class", "ADDED", {"metadata": {"name": "slow"}, "volumeBindingMode": "WaitForFirstConsumer"})
        assert tracker.ready()


class TestGone:
    applied: ClassVar[dict[str, Any]] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "1"}}

    def test_gone_before_the_first_look(self) -> None:
        tracker = GoneTracker(self.applied)
        assert not tracker.ready()
        tracker.observe("self", "SYNCED", {})
        assert tracker.ready()

    def test_gone_later(self) -> None:
        tracker = GoneTracker(self.applied)
        held = {**self.applied, "metadata": {**self.applied["metadata"], "finalizers": ["keep"]}}
        tracker.observe("self", "ADDED", held)
        tracker.observe("self", "SYNCED", {})
        assert not tracker.ready()
        assert tracker.reasons() == ["finalizers might be preventing deletion (keep)"]
        tracker.observe("self", "DELETED", held)
        assert tracker.ready()

    def test_another_object_of_the_same_name(self) -> None:
        tracker = GoneTracker(self.applied)
        tracker.observe("self", "ADDED", {**self.applied, "metadata": {"name": "p", "uid": "2"}})
        assert tracker.ready()


def test_which_objects_are_waited_for() -> None:
    skipped = {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}
    assert isinstance(tracker_for({}, deployment()), DeploymentTracker)
    assert tracker_for(skipped, deployment()) is None
    assert tracker_for({}, {"apiVersion": "v1", "kind": "ConfigMap"}) is None
    assert tracker_for({}, {"apiVersion": "example.test/v1", "kind": "Service"}) is None


def test_which_deletions_may_skip_the_wait() -> None:
    skipped = {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}
    assert not waits_to_be_gone({"apiVersion": "v1", "kind": "Namespace", **skipped})
    assert waits_to_be_gone({"apiVersion": "v1", "kind": "Namespace"})
    assert waits_to_be_gone({"apiVersion": "v1", "kind": "Service", **skipped})


def test_patience() -> None:
    annotated = {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "60"}}}
    assert timeout(0, {}) == 600
    assert timeout(0, annotated) == 60
    assert timeout(5, annotated) == 5


def test_label_selectors() -> None:
    rules = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "new", "operator": "Exists"},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": rules}
    assert label_selector(selector) == {"labelSelector": "app=web,tier in (a,b),!old,new"}
    assert label_selector(None) == {}

"""The state machines of the other waits."""

import copy
from typing import Any, ClassVar

import pytest

from tests.unit.kubernetes_plugin.sequences import Clock, claim, deployment, play, ready_after, sequence
from toolchain.kubernetes_plugin.awaits import GoneTracker, timeout, tracker_for, waits_to_be_gone
from toolchain.kubernetes_plugin.awaits.base import label_selector
from toolchain.kubernetes_plugin.awaits.deployment import DeploymentTracker
from toolchain.kubernetes_plugin.awaits.others import ClaimTracker, JobTracker, PodTracker
from toolchain.kubernetes_plugin.awaits.service import ServiceTracker


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

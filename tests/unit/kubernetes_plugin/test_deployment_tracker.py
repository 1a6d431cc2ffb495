"""The state machine of a Deployment's wait, on sequences of objects that a real cluster went through."""

from typing import Any

from tests.unit.kubernetes_plugin.sequences import (
    claim,
    complete,
    deployment,
    deployment_status,
    play,
    ready_after,
    sequence,
)
from toolchain.kubernetes_plugin.awaits.deployment import DeploymentTracker


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

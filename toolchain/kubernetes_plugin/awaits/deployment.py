"""Waiting for a Deployment: all replicas of the current revision are ready."""

import time
from collections.abc import Callable
from typing import Final

from toolchain.plugin_base.values import Object

from ..naming import Kind
from ..objects import metadata, name_of, pluck
from . import pods
from .base import Message, Source, Tracker, condition, label_selector, observed, owned_by

_REVISION: Final = "deployment.kubernetes.io/revision"
_REPLICA_SETS: Final = "replica sets"
_PODS: Final = "pods"
_CLAIMS: Final = "claims"


class DeploymentTracker(Tracker):
    """Ready when the controller has seen this generation and finished rolling it out.

    The rollout's own verdict, condition Progressing with reason NewReplicaSetAvailable, is required where it exists
    (it does not with progressDeadlineSeconds at its maximum), together with the numbers: the condition alone stays
    true from before when only the scale changes.
    """

    def __init__(self, applied: Object, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(applied, clock)
        self._replica_sets: dict[str, Object] = {}
        self._pods: dict[str, Object] = {}
        self._claims: dict[str, Object] = {}
        self._said: list[Message] = []
        self._claim_names = {
            pluck(volume, "persistentVolumeClaim", "claimName")
            for volume in pluck(applied, "spec", "template", "spec", "volumes", default=[])
        } - {None}

    def sources(self) -> list[Source]:
        selectors = label_selector(pluck(self.applied, "spec", "selector"))
        found = [
            *super().sources(),
            Source(_REPLICA_SETS, Kind("apps", "v1", "ReplicaSet"), selectors),
            Source(_PODS, Kind("", "v1", "Pod"), selectors),
        ]
        if self._claim_names:
            found.append(Source(_CLAIMS, Kind("", "v1", "PersistentVolumeClaim")))
        return found

    def observe(self, source: str, event: str, obj: Object) -> None:
        super().observe(source, event, obj)
        if source == self.own and event in ("ADDED", "MODIFIED"):
            self._listen(obj)
        group = {_REPLICA_SETS: self._replica_sets, _PODS: self._pods, _CLAIMS: self._claims}.get(source)
        if group is None or event == "SYNCED":
            return
        if event == "DELETED":
            group.pop(name_of(obj), None)
        else:
            group[name_of(obj)] = obj

    def _listen(self, deployment: Object) -> None:
        # Conditions come and go between two messages; each is told when it is seen.
        if self._current():
            self._said += [Message("warning", text) for text in _unmet_conditions(deployment)]

    def _current(self) -> bool:
        same = metadata(self.latest).get("generation", 0) >= metadata(self.applied).get("generation", 0)
        return same and observed(self.latest) and bool(self._revision())

    def _revision(self) -> str:
        return (metadata(self.latest).get("annotations") or {}).get(_REVISION, "")

    def _wanted(self) -> int:
        return pluck(self.latest, "spec", "replicas", default=1)

    def _available(self) -> bool:
        return (condition(self.latest, "Available") or {}).get("status") == "True"

    def _rolled_out(self) -> bool:
        progressing = condition(self.latest, "Progressing")
        return progressing is None or (
            progressing.get("status") == "True" and progressing.get("reason") == "NewReplicaSetAvailable"
        )

    def _all_ready(self) -> bool:
        status = self.latest.get("status") or {}
        return all(status.get(count, 0) >= self._wanted() for count in ("updatedReplicas", "readyReplicas"))

    def _unbound(self) -> list[str]:
        return [
            name
            for name, claim in self._claims.items()
            if name in self._claim_names and pluck(claim, "status", "phase") != "Bound"
        ]

    def ready(self) -> bool:
        done = self._current() and self._available() and self._rolled_out() and self._all_ready()
        return done and not self._unbound()

    def messages(self) -> list[Message]:
        said, self._said = self._said, []
        if self.ready():
            if self._wanted() == 0:
                said.append(Message("warning", f'Replicas scaled to 0 for Deployment "{name_of(self.latest)}"'))
            return said
        ready = pluck(self.latest, "status", "readyReplicas", default=0)
        said.append(
            Message("info", f"Waiting for app ReplicaSet to be available ({ready}/{self._wanted()} Pods available)")
        )
        return said

    def troubles(self) -> list[Message]:
        return [Message("warning", text) for pod in self._current_pods() if (text := pods.trouble(pod))]

    def _current_pods(self) -> list[Object]:
        for replica_set in self._replica_sets.values():
            revision = (metadata(replica_set).get("annotations") or {}).get(_REVISION)
            if revision == self._revision() and owned_by(replica_set, self.applied):
                return [pod for pod in self._pods.values() if owned_by(pod, replica_set)]
        return []

    def reasons(self) -> list[str]:
        found = _unmet_conditions(self.latest)
        failed = condition(self.latest, "ReplicaFailure")
        if failed and failed.get("status") == "True":
            found.append(f"[{failed.get('reason')}] {failed.get('message')}")
        if self._unbound():
            found.append(f"Failed to bind PersistentVolumeClaim(s): {', '.join(sorted(self._unbound()))}")
        if not self._available():
            found.append("Minimum number of live Pods was not attained")
        elif not self._rolled_out():
            found.append("Minimum number of Pods to consider the application live was not attained")
        elif not self._all_ready():
            found.append("Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not become live")
        for pod in self._current_pods():
            if text := pods.trouble(pod) or pods.unscheduled(pod):
                found.append(text)
        return found

    def unexplained_pods(self) -> list[Object]:
        return [pod for pod in self._current_pods() if pods.unexplained(pod)]


def _unmet_conditions(deployment: Object) -> list[str]:
    found: list[str] = []
    for type_ in ("Progressing", "Available"):
        unmet = condition(deployment, type_)
        if unmet and unmet.get("status") != "True" and unmet.get("reason") and unmet.get("message"):
            found.append(f"[{unmet['reason']}] {unmet['message']}")
    return found

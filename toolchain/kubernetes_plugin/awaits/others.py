"""Waiting for pods, jobs and volume claims, and for any object to be gone."""

import time
from collections.abc import Callable
from typing import Final

from toolchain.plugin_base.values import Object

from ..naming import Kind
from ..objects import metadata, name_of, pluck
from . import pods
from .base import Message, Source, Tracker, condition, owned_by

_PODS: Final = "pods"


class PodTracker(Tracker):
    """Ready when the pod is, or has succeeded."""

    def ready(self) -> bool:
        return pods.is_ready(self.latest)

    def messages(self) -> list[Message]:
        return [] if self.ready() else [Message("info", pods.waiting_for(self.latest))]

    def reasons(self) -> list[str]:
        return [text for text in [pods.trouble(self.latest) or pods.unscheduled(self.latest)] if text]

    def unexplained_pods(self) -> list[Object]:
        return [self.latest] if pods.unexplained(self.latest) else []


class JobTracker(Tracker):
    """Ready when the job is complete; a failed one never will be."""

    def __init__(self, applied: Object, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(applied, clock)
        self._pods: dict[str, Object] = {}
        # Kept in order of appearance: a failed pod may be gone when the job gives up.
        self._seen: dict[str, None] = {}

    def sources(self) -> list[Source]:
        label = f"batch.kubernetes.io/job-name={name_of(self.applied)}"
        return [*super().sources(), Source(_PODS, Kind("", "v1", "Pod"), {"labelSelector": label})]

    def observe(self, source: str, event: str, obj: Object) -> None:
        super().observe(source, event, obj)
        if source != _PODS or event == "SYNCED" or not owned_by(obj, self.applied):
            return
        if event == "DELETED":
            self._pods.pop(name_of(obj), None)
            return
        self._pods[name_of(obj)] = obj
        if text := pods.trouble(obj):
            self._seen[text] = None

    def ready(self) -> bool:
        return (condition(self.latest, "Complete") or {}).get("status") == "True"

    def failure(self) -> str | None:
        failed = condition(self.latest, "Failed")
        if failed and failed.get("status") == "True":
            return f"[{failed.get('reason')}] {failed.get('message')}"
        return None

    def messages(self) -> list[Message]:
        # Not being ready is a job's pods' normal state, so it is told only if the job fails.
        found = [Message("warning", text) for text in self._seen if "containers with unready status" not in text]
        if not self.ready():
            status = self.latest.get("status") or {}
            counts = " | ".join(f"{key.title()}: {status.get(key, 0)}" for key in ("active", "succeeded", "failed"))
            found.append(Message("info", f'Waiting for Job "{pods.qualified_name(self.latest)}" to succeed ({counts})'))
        return found

    def reasons(self) -> list[str]:
        failure = self.failure()
        return [*([failure] if failure else []), *self._seen]

    def unexplained_pods(self) -> list[Object]:
        return [pod for pod in self._pods.values() if pods.unexplained(pod)]


class ClaimTracker(Tracker):
    """Ready when the volume claim is bound, or when it will be only once a pod uses it.

    The latter depends on the storage class, which is looked at with the claim.
    """

    def sources(self) -> list[Source]:
        selectors: dict[str, str] = {}
        if name := pluck(self.applied, "spec", "storageClassName"):
            selectors["fieldSelector"] = f"metadata.name={name}"
        return [*super().sources(), Source("class", Kind("storage.k8s.io", "v1", "StorageClass"), selectors)]

    _waits_for_consumer = False

    def observe(self, source: str, event: str, obj: Object) -> None:
        super().observe(source, event, obj)
        if source == "class" and name_of(obj) and name_of(obj) == pluck(self.latest, "spec", "storageClassName"):
            self._waits_for_consumer = obj.get("volumeBindingMode") == "WaitForFirstConsumer"

    def ready(self) -> bool:
        phase = pluck(self.latest, "status", "phase")
        return phase == "Bound" or (self._waits_for_consumer and phase == "Pending")

    def reasons(self) -> list[str]:
        return [f"PersistentVolumeClaim is {pluck(self.latest, 'status', 'phase', default='Pending')}, not Bound"]


class GoneTracker(Tracker):
    """Ready when the object is gone, or another one has taken its name."""

    # What it lacked while it lived is no news when it goes.
    warned_by_events = False

    def __init__(self, applied: Object, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(applied, clock)
        self._exists = True
        self._told = False

    def observe(self, source: str, event: str, obj: Object) -> None:
        super().observe(source, event, obj)
        if source != self.own:
            return
        uid = metadata(self.applied).get("uid")
        if event == "SYNCED":
            self._exists = self._exists and self._told
        elif event == "DELETED" or (uid and metadata(obj).get("uid") != uid):
            self._exists = False
        else:
            self._told = True

    def ready(self) -> bool:
        return not self._exists

    def reasons(self) -> list[str]:
        finalizers = metadata(self.latest).get("finalizers") or []
        found = [f"finalizers might be preventing deletion ({', '.join(finalizers)})"] if finalizers else []
        for unmet in (self.latest.get("status") or {}).get("conditions") or []:
            # A namespace says here what keeps it.
            if unmet.get("status") == "True" and unmet.get("message") and unmet.get("type", "").endswith("Remaining"):
                found.append(str(unmet["message"]))
        return found

"""Waiting for a Service: it has an address, and the pods behind it are settled."""

import time
from collections.abc import Callable
from typing import Final

from toolchain.plugin_base.values import Object

from ..naming import Kind
from ..objects import name_of, pluck
from .base import Message, Source, Tracker

_SLICES: Final = "endpoint slices"
_SETTLED_SECONDS: Final = 1.0
_PODLESS_SECONDS: Final = 10.0
_NO_PODS: Final = (
    "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match "
    "labels on any Pods"
)


class ServiceTracker(Tracker):
    """Ready when no selected pod is still becoming ready.

    Endpoints need a moment to follow a change, and pods a longer one to appear at all, so the state counts only
    after nothing has changed for a while. A Service that selects no pods is ready then: it may be ahead of them.
    """

    def __init__(self, applied: Object, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(applied, clock)
        self._slices: dict[str, Object] = {}
        self._changed = clock()

    def sources(self) -> list[Source]:
        found = super().sources()
        if self._selects_pods():
            label = f"kubernetes.io/service-name={name_of(self.applied)}"
            found.append(
                Source(_SLICES, Kind("discovery.k8s.io", "v1", "EndpointSlice"), {"labelSelector": label}, True)
            )
        return found

    def observe(self, source: str, event: str, obj: Object) -> None:
        super().observe(source, event, obj)
        if source != _SLICES:
            return
        self._changed = self.clock()
        if event == "DELETED":
            self._slices.pop(name_of(obj), None)
        elif event != "SYNCED":
            self._slices[name_of(obj)] = obj

    def _selects_pods(self) -> bool:
        spec = self.latest.get("spec") or {}
        special = spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None"
        return not special and bool(spec.get("selector"))

    def _is_load_balancer(self) -> bool:
        return pluck(self.latest, "spec", "type") == "LoadBalancer"

    def _has_address(self) -> bool:
        return not self._is_load_balancer() or bool(pluck(self.latest, "status", "loadBalancer", "ingress"))

    def _endpoints(self, ready: bool) -> bool:
        """Whether there is any endpoint that is ready, or any that is not."""
        # An absent condition means ready: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
        return any(
            (pluck(endpoint, "conditions", "ready") is not False) == ready
            for found in self._slices.values()
            for endpoint in found.get("endpoints") or []
            if not pluck(endpoint, "conditions", "terminating")
        )

    def _settles_at(self) -> float:
        return self._changed + (_SETTLED_SECONDS if self._endpoints(ready=True) else _PODLESS_SECONDS)

    def ready(self) -> bool:
        if not self._has_address():
            return False
        return not self._selects_pods() or (not self._endpoints(ready=False) and self.clock() >= self._settles_at())

    def good_enough(self) -> bool:
        return self._has_address() and not self._endpoints(ready=False)

    def healthy(self) -> bool:
        # In the middle of a rollout some pods are not ready, and the others do the work.
        return self.good_enough() or (self._has_address() and self._endpoints(ready=True))

    def wake_at(self) -> float | None:
        settles_at = self._settles_at()
        return settles_at if settles_at > self.clock() else None

    def messages(self) -> list[Message]:
        if self.ready():
            return []
        if self._endpoints(ready=True) and not self._endpoints(ready=False):
            return [Message("info", "[2/3] Waiting for the endpoints to settle")]
        return [Message("info", "[1/3] Finding Pods to direct traffic to")]

    def reasons(self) -> list[str]:
        found: list[str] = []
        if self._selects_pods() and not self._endpoints(ready=True):
            found.append(_NO_PODS)
        if not self._has_address():
            found.append("Service was not allocated an IP address; does your cloud provider support this?")
        return found

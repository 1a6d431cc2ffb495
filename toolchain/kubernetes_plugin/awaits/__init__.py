"""Waiting until objects are what they were meant to be.

Kinds that are not listed here are ready once the API server has accepted them.
"""

from collections.abc import Callable
from typing import Final

from toolchain.plugin_base.values import Object

from ..naming import Kind
from ..objects import annotation
from .base import Tracker
from .deployment import DeploymentTracker
from .others import ClaimTracker, GoneTracker, JobTracker, PodTracker
from .service import ServiceTracker
from .waiting import DEFAULT_TIMEOUT, look, wait

__all__ = ["DEFAULT_TIMEOUT", "GoneTracker", "Tracker", "look", "timeout", "tracker_for", "wait", "waits_to_be_gone"]

_TRACKERS: Final[dict[tuple[str, str], Callable[[Object], Tracker]]] = {
    ("", "PersistentVolumeClaim"): ClaimTracker,
    ("", "Pod"): PodTracker,
    ("", "Service"): ServiceTracker,
    ("apps", "Deployment"): DeploymentTracker,
    ("batch", "Job"): JobTracker,
}
_SLOW_TO_GO: Final = {
    ("", "Namespace"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
}


def tracker_for(inputs: Object, live: Object) -> Tracker | None:
    """What to wait for after `live` was applied; None if nothing, or if the program says not to wait."""
    kind = Kind.of(live)
    make = _TRACKERS.get((kind.group, kind.kind))
    return make(live) if make and annotation(inputs, "skipAwait") != "true" else None


def waits_to_be_gone(inputs: Object) -> bool:
    """Whether a deletion is to be waited for. Only kinds that take long may skip it: a name must be free again."""
    kind = Kind.of(inputs)
    return annotation(inputs, "skipAwait") != "true" or (kind.group, kind.kind) not in _SLOW_TO_GO


def timeout(requested: float, inputs: Object) -> float:
    """Patience in seconds: the resource's custom timeout, else its annotation, else the default."""
    if requested:
        return requested
    text = annotation(inputs, "timeoutSeconds")
    return float(text) if text.isdigit() else DEFAULT_TIMEOUT

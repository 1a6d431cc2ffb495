"""What it takes to wait for an object: which objects to look at, and when the wait is over."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from toolchain.plugin_base.engine import Severity
from toolchain.plugin_base.values import Object

from ..naming import Kind
from ..objects import metadata, name_of


class Message(NamedTuple):
    """Something worth telling while waiting."""

    severity: Severity
    text: str


@dataclass(frozen=True)
class Source:
    """Objects to watch.

    Attributes:
        name: how the tracker calls them.
        kind: their kind.
        selectors: `labelSelector` or `fieldSelector`, as the API takes them.
        essential: whether the wait cannot do without; others are left out where rights are missing.
    """

    name: str
    kind: Kind
    selectors: dict[str, str] = field(default_factory=dict)
    essential: bool = False


class Tracker:
    """Follows one object, and whatever shows its progress, until it is ready.

    Subclasses are plain state machines: events go in by `observe`, and the clock is a parameter, so that recorded
    sequences of objects test them.
    """

    own = "self"
    """Name of the source that is the object itself."""

    warned_by_events = True
    """Whether the cluster's warning events about the object are told while it is waited for."""

    def __init__(self, applied: Object, clock: Callable[[], float] = time.monotonic) -> None:
        self.applied = applied
        self.latest = applied
        self.clock = clock

    def sources(self) -> list[Source]:
        """What to watch; the object itself by default."""
        return [
            Source(self.own, Kind.of(self.applied), {"fieldSelector": f"metadata.name={name_of(self.applied)}"}, True)
        ]

    def observe(self, source: str, event: str, obj: Object) -> None:
        """Take in one event of one source."""
        if source == self.own and event in ("ADDED", "MODIFIED"):
            self.latest = obj

    def ready(self) -> bool:
        """Whether the wait is over, well."""
        raise NotImplementedError

    def failure(self) -> str | None:
        """Why waiting longer is of no use, if it is."""
        return None

    def good_enough(self) -> bool:
        """Whether the state at the end of the patience may pass as ready."""
        return False

    def healthy(self) -> bool:
        """Whether a single look, with no time to wait, finds nothing wrong."""
        return self.ready() or self.good_enough()

    def wake_at(self) -> float | None:
        """When `ready` may change though nothing happens, on the tracker's clock."""
        return None

    def messages(self) -> list[Message]:
        """What is to be told after the latest event."""
        return []

    def troubles(self) -> list[Message]:
        """What is to be told now and then: problems that often pass by themselves."""
        return []

    def reasons(self) -> list[str]:
        """Why the object is not ready, most general first."""
        return []

    def unexplained_pods(self) -> list[Object]:
        """Pods that are not ready and whose own status does not say why; their events may."""
        return []


def observed(obj: Object) -> bool:
    """Whether the controller's status is about the object's current spec."""
    status = obj.get("status") or {}
    return status.get("observedGeneration", 0) >= metadata(obj).get("generation", 0)


def condition(obj: Object, type_: str) -> Object | None:
    """The status condition of a type, if the object has it."""
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found.get("type") == type_:
            return found
    return None


def owned_by(obj: Object, owner: Object) -> bool:
    """Whether `owner` is an owner of the object."""
    uid = metadata(owner).get("uid")
    return any(reference.get("uid") == uid for reference in metadata(obj).get("ownerReferences") or [])


def label_selector(selector: Object | None) -> dict[str, str]:
    """A spec's label selector in the API's query language."""
    selector = selector or {}
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or []:
        key, values = rule.get("key"), ",".join(rule.get("values") or [])
        operator = rule.get("operator")
        if operator in ("In", "NotIn"):
            parts.append(f"{key} {operator.lower()} ({values})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return {"labelSelector": ",".join(parts)} if parts else {}

"""The wait itself: patience, cancellation, missing rights, and what is said meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from toolchain.kubernetes_plugin.awaits import GoneTracker, Tracker, look, wait
from toolchain.kubernetes_plugin.awaits.base import Message, Source
from toolchain.kubernetes_plugin.cluster import Event
from toolchain.kubernetes_plugin.errors import ApiError, NotReady
from toolchain.kubernetes_plugin.naming import Kind
from toolchain.plugin_base.engine import Engine, Reporter

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "1"}}


class Log(Engine):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []

    async def log(self, severity: str, message: str, urn: str, *, passing: bool) -> None:
        self.said.append((severity, message))


class Scripted:
    """A cluster whose watches say what they are told to; then nothing more comes."""

    def __init__(self, **events: list[Event] | Exception) -> None:
        self.events = events

    async def watch(self, kind: Kind, namespace: str, selectors: Mapping[str, str]) -> AsyncIterator[Event]:
        events = self.events.get(kind.kind, [])
        if isinstance(events, Exception):
            raise events
        for event in events:
            yield event
        await asyncio.Event().wait()

    async def list(self, kind: Kind, namespace: str, selectors: Mapping[str, str]) -> tuple[list[Any], str]:
        events = self.events.get(kind.kind, [])
        if isinstance(events, Exception):
            raise events
        return [event.object for event in events if event.object], ""


class Phase(Tracker):
    """Ready when the pod's phase says so."""

    def sources(self) -> list[Source]:
        return [*super().sources(), Source("extra", Kind("apps", "v1", "ReplicaSet"))]

    def phase(self) -> str:
        return (self.latest.get("status") or {}).get("phase", "")

    def ready(self) -> bool:
        return self.phase() == "Running"

    def failure(self) -> str | None:
        return "broken" if self.phase() == "Failed" else None

    def messages(self) -> list[Message]:
        return [Message("info", f"phase {self.phase()}")]

    def reasons(self) -> list[str]:
        return [f"it is {self.phase() or 'nothing'}"]


def pod(phase: str) -> Event:
    return Event("MODIFIED", {**POD, "status": {"phase": phase}})


def run(
    cluster: Scripted,
    tracker: Tracker | None = None,
    patience: float = 5.0,
    cancel: Callable[[asyncio.Event], None] = lambda event: None,
    log: Log | None = None,
) -> tuple[Any, list[tuple[str, str]]]:
    log = log or Log()

    async def work() -> tuple[Any, list[tuple[str, str]]]:
        cancelled = asyncio.Event()
        cancel(cancelled)
        reporter = Reporter(log, "urn")
        found = await wait(cluster, tracker or Phase(POD), reporter, cancelled, patience)  # type: ignore[arg-type]
        return found, log.said

    return asyncio.run(work())


def test_ready() -> None:
    found, said = run(Scripted(Pod=[pod("Pending"), pod("Pending"), pod("Running")]))
    assert found["status"]["phase"] == "Running"
    # Each state is told once, and the last status is taken off the screen.
    assert said == [("info", "phase "), ("info", "phase Pending"), ("info", "phase Running"), ("info", "")]


def test_warnings_about_the_object_are_told() -> None:
    warning, log = Event("ADDED", {"reason": "FailedMount", "message": "no volume"}), Log()
    with pytest.raises(NotReady):
        run(Scripted(Event=[warning, warning], Pod=[pod("Pending")]), patience=0.2, log=log)
    assert log.said.count(("warning", "FailedMount: no volume")) == 1


def test_warnings_about_what_is_being_deleted_are_not() -> None:
    warning, log = Event("ADDED", {"reason": "FailedMount", "message": "no volume"}), Log()
    with pytest.raises(NotReady):
        run(Scripted(Event=[warning], Pod=[pod("Running")]), GoneTracker(POD), patience=0.2, log=log)
    assert [said for said in log.said if said[0] == "warning"] == []


def test_patience_runs_out() -> None:
    started = time.monotonic()
    with pytest.raises(NotReady, match="'p' timed out waiting to be Ready") as error:
        run(Scripted(Pod=[pod("Pending")]), patience=0.2)
    assert 0.2 <= time.monotonic() - started < 2
    assert error.value.reasons == ["it is Pending"]


def test_good_enough_when_patience_runs_out() -> None:
    class Lenient(Phase):
        def good_enough(self) -> bool:
            return True

    found, _ = run(Scripted(Pod=[pod("Pending")]), Lenient(POD), patience=0.1)
    assert found["status"]["phase"] == "Pending"


def test_failure_ends_the_wait() -> None:
    with pytest.raises(NotReady, match="Resource 'p' was created but failed to initialize"):
        run(Scripted(Pod=[pod("Failed")]), patience=60)


def test_cancellation_ends_the_wait() -> None:
    def soon(event: asyncio.Event) -> None:
        asyncio.get_running_loop().call_later(0.1, event.set)

    with pytest.raises(NotReady, match='Resource operation was cancelled for "p"') as error:
        run(Scripted(Pod=[pod("Pending")]), patience=60, cancel=soon)
    assert error.value.reasons == ["it is Pending"]


def test_time_alone_may_make_it_ready() -> None:
    class Settling(Phase):
        until = time.monotonic() + 0.2

        def ready(self) -> bool:
            return self.clock() >= self.until

        def wake_at(self) -> float | None:
            return self.until

    started = time.monotonic()
    run(Scripted(Pod=[pod("Pending")]), Settling(POD), patience=60)
    assert time.monotonic() - started < 2


def test_without_rights_to_what_only_explains() -> None:
    refused = ApiError(403, {"reason": "Forbidden", "message": "no"})
    found, _ = run(Scripted(ReplicaSet=refused, Event=refused, Pod=[pod("Running")]))
    assert found["status"]["phase"] == "Running"


def test_without_rights_to_the_object_itself() -> None:
    with pytest.raises(ApiError, match="may not watch"):
        run(Scripted(Pod=ApiError(403, {"message": "may not watch"})), patience=60)


def test_a_bug_does_not_wait_for_the_end_of_the_patience() -> None:
    with pytest.raises(ZeroDivisionError):
        run(Scripted(Pod=ZeroDivisionError()), patience=60)


def test_events_explain_pods_that_say_nothing() -> None:
    class Silent(Phase):
        def unexplained_pods(self) -> list[Any]:
            return [self.latest]

    events = [
        Event("ADDED", {"reason": "FailedMount", "message": f"try {n}", "lastTimestamp": str(n)}) for n in (3, 1, 2, 4)
    ]
    with pytest.raises(NotReady) as error:
        run(Scripted(Event=events, Pod=[pod("Pending")]), Silent(POD), patience=0.1)
    latest = [f"[Pod p]: FailedMount: try {n}" for n in (2, 3, 4)]
    assert error.value.reasons == ["it is Pending", *latest]


def test_one_look() -> None:
    def looked(cluster: Scripted) -> None:
        asyncio.run(look(cluster, Phase(POD)))  # type: ignore[arg-type]

    looked(Scripted(Pod=[pod("Running")], ReplicaSet=ApiError(403, {})))
    with pytest.raises(NotReady, match="failed to initialize"):
        looked(Scripted(Pod=[pod("Pending")]))
    with pytest.raises(ApiError):
        looked(Scripted(Pod=ApiError(500, {})))

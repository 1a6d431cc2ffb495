"""Running a tracker: feeding it what happens in the cluster until it is ready, fails, or patience runs out."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Final

from toolchain.plugin_base.engine import Reporter
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Object

from ..cluster import Cluster, Event
from ..errors import ApiError, NoSuchKind, NotReady
from ..naming import Kind
from ..objects import metadata, name_of, pluck
from .base import Source, Tracker

DEFAULT_TIMEOUT: Final = 600.0
"""Seconds to wait for an object, as long as a Deployment's own default patience (progressDeadlineSeconds)."""

_TROUBLE_SECONDS: Final = 10.0
_EVENT: Final = Kind("", "v1", "Event")
_EVENTS_SHOWN: Final = 3

_Item = tuple[str, Event] | Exception
_Queue = asyncio.Queue[_Item]


async def wait(
    cluster: Cluster,
    tracker: Tracker,
    reporter: Reporter,
    cancelled: asyncio.Event,
    timeout: float = DEFAULT_TIMEOUT,
    aim: str = "to be Ready",
) -> Object:
    """Wait until the tracker is ready and return its object as it last was.

    Args:
        cluster: where to look.
        tracker: what to wait for.
        reporter: told how it goes.
        cancelled: ends the wait when set.
        timeout: patience in seconds.
        aim: what is waited for, for the message when it does not come.

    Raises:
        NotReady: it failed, took too long, or was cancelled.
    """
    loop = asyncio.get_running_loop()
    queue: _Queue = asyncio.Queue()
    deadline = loop.time() + timeout
    tick = loop.time() + _TROUBLE_SECONDS
    async with AsyncExitStack() as stack:
        events = [_warnings_about(tracker.applied)] if tracker.warned_by_events else []
        for source in [*tracker.sources(), *events]:
            stack.push_async_callback(_stop, asyncio.create_task(_pump(cluster, tracker, source, queue)))
        stop = asyncio.create_task(cancelled.wait())
        stack.push_async_callback(_stop, stop)
        while True:
            for message in tracker.messages():
                await reporter.status(message.severity, message.text)
            if tracker.ready():
                await reporter.clear()
                return tracker.latest
            if tracker.failure():
                raise await _not_ready(cluster, tracker, _failed_to_start(tracker))
            now = loop.time()
            if now >= deadline:
                if tracker.good_enough():
                    return tracker.latest
                raise await _not_ready(cluster, tracker, f"'{name_of(tracker.latest)}' timed out waiting {aim}")
            if now >= tick:
                tick = now + _TROUBLE_SECONDS
                for message in tracker.troubles():
                    await reporter.status(message.severity, message.text)
            wake_at = tracker.wake_at()
            patience = min(deadline, tick) - now
            if wake_at is not None:
                patience = min(patience, max(0.0, wake_at - tracker.clock()))
            item = await _next(queue, stop, patience)
            if stop.done():
                name = name_of(tracker.latest)
                raise await _not_ready(cluster, tracker, f'Resource operation was cancelled for "{name}"')
            if isinstance(item, Exception):
                raise item
            if item is not None:
                await _take(tracker, reporter, *item)


async def look(cluster: Cluster, tracker: Tracker) -> None:
    """Look once, without waiting.

    Raises:
        NotReady: the object is not ready.
    """
    for source in tracker.sources():
        namespace = metadata(tracker.applied).get("namespace") or ""
        try:
            items, _ = await cluster.list(source.kind, namespace, source.selectors)
        except (ApiError, NoSuchKind):
            if source.essential:
                raise
            continue
        for item in items:
            tracker.observe(source.name, "ADDED", item)
        tracker.observe(source.name, "SYNCED", {})
    if not tracker.healthy():
        raise await _not_ready(cluster, tracker, _failed_to_start(tracker))


def _failed_to_start(tracker: Tracker) -> str:
    return f"Resource '{name_of(tracker.latest)}' was created but failed to initialize"


async def _next(queue: _Queue, stop: asyncio.Task[bool], patience: float) -> _Item | None:
    """The next item, or None when patience runs out or the wait is to stop."""
    with suppress(asyncio.QueueEmpty):
        return queue.get_nowait()
    getting = asyncio.create_task(queue.get())
    await asyncio.wait({getting, stop}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    if getting.done():
        return getting.result()
    await _stop(getting)
    return None


async def _stop(task: asyncio.Task[object]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _warnings_about(obj: Object) -> Source:
    return Source("events", _EVENT, {"fieldSelector": f"involvedObject.uid={metadata(obj).get('uid')},type=Warning"})


async def _pump(cluster: Cluster, tracker: Tracker, source: Source, queue: _Queue) -> None:
    namespace = metadata(tracker.applied).get("namespace") or ""
    try:
        async for event in cluster.watch(source.kind, namespace, source.selectors):
            queue.put_nowait((source.name, event))
    except (ApiError, NoSuchKind) as error:
        # Without the rights to see pods or events, the wait goes on with what can be seen.
        if source.essential:
            queue.put_nowait(error)
    except Exception as error:
        queue.put_nowait(error)


async def _take(tracker: Tracker, reporter: Reporter, source: str, event: Event) -> None:
    if source == "events":
        if event.type in ("ADDED", "MODIFIED"):
            await reporter.status("warning", f"{event.object.get('reason')}: {event.object.get('message')}")
        return
    tracker.observe(source, event.type, event.object)


async def _not_ready(cluster: Cluster, tracker: Tracker, message: str) -> NotReady:
    return NotReady(message, [*tracker.reasons(), *await _pod_events(cluster, tracker)])


async def _pod_events(cluster: Cluster, tracker: Tracker) -> list[str]:
    """Warnings about pods whose status does not say what is wrong, as with a volume that cannot be mounted."""
    found: dict[str, None] = {}
    for pod in tracker.unexplained_pods():
        try:
            selector = _warnings_about(pod).selectors
            events, _ = await cluster.list(_EVENT, metadata(pod).get("namespace") or "", selector)
        except PluginError:
            return []
        events.sort(key=lambda event: str(event.get("lastTimestamp") or pluck(event, "metadata", "creationTimestamp")))
        for event in events[-_EVENTS_SHOWN:]:
            found[f"[Pod {name_of(pod)}]: {event.get('reason')}: {event.get('message')}"] = None
    return list(found)

"""Creating, updating, reading and deleting objects: what the engine's operations mean in a cluster."""

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from . import awaits, ownership, state
from .cluster import Cluster
from .engine import Reporter
from .errors import (
    ApiError,
    NoSuchKind,
    NotReady,
    Partial,
    PluginError,
    explain_already_exists,
    explain_conflict,
)
from .naming import Kind, object_id, split_id
from .objects import adopted, annotation, drifted, metadata, name_of, normalised
from .state import Stored
from .values import Object, has_unknown, plain

_RETRIES_AFTER: Final = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between attempts to create an object whose namespace or CRD another program may be about to create."""
_CRD: Final = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
_PROPAGATION: Final = {"orphan": "Orphan", "background": "Background"}


@dataclass(frozen=True)
class Operation:
    """What all operations need.

    Attributes:
        urn: the resource.
        cluster: where it lives.
        reporter: told about progress.
        cancelled: set when the user wants the operation to end.
        timeout: patience in seconds for readiness or deletion; 0 for the object's own or the default.
        preview: whether to compute only.
        force: whether to take fields from other managers.
    """

    urn: str
    cluster: Cluster
    reporter: Reporter
    cancelled: asyncio.Event
    timeout: float = 0.0
    preview: bool = False
    force: bool = False


async def create(op: Operation, program: Object) -> tuple[str, Object]:
    """Create an object and wait until it is ready.

    Args:
        op: the operation.
        program: checked inputs, with secret marks.

    Returns:
        Its id and what to store. In a preview the id is empty, and what cannot be computed is the inputs.

    Raises:
        Partial: it was created, but is not ready.
        PluginError: it was not created.
    """
    inputs = plain(program)
    if op.preview and (has_unknown(inputs) or not await op.cluster.serves(Kind.of(inputs))):
        return "", program
    manager = state.new_manager(inputs)
    try:
        live = await _create(op, inputs)
    except ApiError as error:
        if op.preview and (error.forbidden or error.already_exists or error.namespace_missing or error.no_dry_run):
            return "", program
        reason = explain_already_exists(error) if error.already_exists else error
        raise PluginError(
            f'resource "{op.urn}" was not successfully created by the Kubernetes API server: {reason}'
        ) from error
    except NoSuchKind as error:
        raise PluginError(
            f'creation of resource "{op.urn}" with kind {Kind.from_urn(op.urn).api_version}/{Kind.of(inputs).kind} '
            "failed because the Kubernetes API server reported that the apiVersion for this resource does not exist. "
            f"Verify that any required CRDs have been created: {error}"
        ) from error

    def stored(obj: Object) -> Object:
        return state.outputs(obj, inputs, program, inputs["apiVersion"], manager)

    if op.preview:
        live.pop("status", None)  # it is empty now, and a program that reads it must wait for the real one
        return "", stored(live)
    if Kind.of(inputs) == _CRD:
        op.cluster.forget(inputs)
    try:
        live = await _ready(op, inputs, live)
    except PluginError as error:
        live = await _latest(op, live)
        prefix = (
            f'resource "{op.urn}" was successfully created, but the Kubernetes API server reported that it failed to '
            "fully initialize or become live: "
        )
        raise Partial(object_id(live), stored(live), error, prefix) from error
    return object_id(live), stored(live)


async def _create(op: Operation, inputs: Object) -> Object:
    for attempt, pause in enumerate((*_RETRIES_AFTER, None)):
        try:
            return await op.cluster.create(inputs, ownership.CREATOR, dry_run=op.preview)
        except (ApiError, NoSuchKind) as error:
            lacking = isinstance(error, NoSuchKind) or error.not_found
            if op.preview or pause is None or not lacking or op.cancelled.is_set():
                raise
            await op.reporter.status("info", f"Retry #{attempt}; creation failed: {error}")
            await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


async def update(op: Operation, stored: Stored, program: Object, ignored: Sequence[str]) -> Object:
    """Make an object what the program says now, and wait until it is.

    Args:
        op: the operation.
        stored: the object's stored state.
        program: checked inputs, with secret marks.
        ignored: dotted paths of fields whose changes the program ignores.

    Returns:
        What to store.

    Raises:
        Partial: the update failed; what to store says how far it came.
    """
    inputs = normalised(plain(program))
    if op.preview and (has_unknown(inputs) or not await op.cluster.serves(Kind.of(inputs))):
        return program
    manager = stored.manager_for(inputs)
    told, source = stored.inputs, stored.marked_inputs
    live: Object | None = None
    try:
        live = await op.cluster.get({**inputs, "metadata": {**metadata(inputs), "name": name_of(stored.live)}})
        live = await _apply(op, inputs, live, manager, list(ignored))
        told, source = inputs, program
        if not op.preview:
            live = await _ready(op, inputs, live)
    except NoSuchKind as error:
        raise PluginError(
            f'update of resource "{op.urn}" failed because the Kubernetes API server reported that the apiVersion for '
            f"this resource does not exist. Verify that any required CRDs have been created: {error}"
        ) from error
    except PluginError as error:
        if op.preview and isinstance(error, ApiError) and (error.forbidden or error.no_dry_run):
            return program
        if live is None:
            raise PluginError(f'update of resource "{op.urn}" failed: {error}') from error
        live = await _latest(op, live)
        prefix = (
            f'the Kubernetes API server reported that "{object_id(live)}" failed to fully initialize or become live: '
        )
        # The old inputs and the new ones: what is secret in either must not be stored in the clear.
        outputs = state.outputs(state.marked(live, source), told, program, stored.api_version, manager)
        raise Partial(object_id(live), outputs, error, prefix) from error
    return state.outputs(live, inputs, program, stored.api_version, manager)


async def _apply(op: Operation, inputs: Object, live: Object, manager: str, ignored: list[str]) -> Object:
    if Kind.of(inputs) == _CRD:
        # Apply merges; a CRD's versions and schemas are meant as a whole.
        version = metadata(live).get("resourceVersion")
        whole = {**inputs, "metadata": {**metadata(inputs), "resourceVersion": version}}
        return await op.cluster.replace(whole, manager, dry_run=op.preview)
    if not op.preview:
        live = await _take_over(op, live, manager)
    wanted = ownership.without_ignored(inputs, live, ignored, manager) if ignored else inputs
    force = ownership.may_force(inputs, live, op.force, op.preview)
    try:
        return await op.cluster.apply(wanted, manager, force=force, dry_run=op.preview)
    except ApiError as error:
        raise explain_conflict(error, manager) if error.conflict else error from error


async def _take_over(op: Operation, live: Object, manager: str) -> Object:
    for _ in range(3):
        patch = ownership.takeover(live, manager)
        if not patch:
            break
        try:
            return await op.cluster.patch(live, patch)
        except ApiError as error:
            if not error.conflict:
                raise
            live = await op.cluster.get(live)  # a controller wrote its status in between
    return live


async def _ready(op: Operation, inputs: Object, live: Object) -> Object:
    tracker = awaits.tracker_for(inputs, live)
    if tracker is None:
        return live
    try:
        return await awaits.wait(op.cluster, tracker, op.reporter, op.cancelled, awaits.timeout(op.timeout, inputs))
    except PluginError:
        raise
    except Exception as error:
        traceback.print_exc()
        # Even then the object exists, and the state has to know it.
        raise PluginError(f"bug in the Kubernetes plugin ({type(error).__name__}: {error})") from error


async def _latest(op: Operation, live: Object) -> Object:
    try:
        return await op.cluster.get(live)
    except PluginError:
        return live  # the error that brought us here is the one to tell


async def read(op: Operation, id_: str, stored: Stored, program: Object) -> tuple[Object, Object] | None:
    """Look at an object as it is now.

    Args:
        op: the operation.
        id_: Pulumi's id of the object.
        stored: its stored state; empty when it is to be imported.
        program: its stored inputs, with secret marks.

    Returns:
        What to store and the inputs that would make the object so; None if it does not exist.

    Raises:
        Partial: it exists, but is not ready.
    """
    namespace, name = split_id(id_)
    kind = Kind.of(stored.live) if stored.live.get("kind") else Kind.from_urn(op.urn)
    wanted = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": namespace},
    }
    try:
        live = await op.cluster.get(wanted)
    except NoSuchKind:
        return None  # its CRD is gone, and its objects with it
    except ApiError as error:
        if error.not_found:
            return None
        raise
    known = stored.inputs or normalised(plain(program))
    inputs = drifted(known, stored.live, live) if known else adopted(live)
    manager = stored.manager_for(inputs)

    def result(obj: Object) -> tuple[Object, Object]:
        outputs = state.outputs(obj, inputs, program, stored.api_version or kind.api_version, manager)
        return outputs, state.marked(inputs, program)

    tracker = awaits.tracker_for(inputs, live) if known else None
    if tracker is not None:
        try:
            await awaits.look(op.cluster, tracker)
        except NotReady as error:
            outputs, inputs = result(live)
            raise Partial(id_, outputs, error, inputs=inputs) from error
    return result(live)


async def delete(op: Operation, id_: str, stored: Stored) -> None:
    """Delete an object and wait until it is gone.

    Raises:
        Partial: it is being deleted, but is still there.
        PluginError: it was not deleted.
    """
    live = stored.live
    namespace, name = split_id(id_)
    live = {**live, "metadata": {**metadata(live), "name": name, **({"namespace": namespace} if namespace else {})}}
    propagation = annotation(stored.inputs, "deletionPropagationPolicy").lower()
    try:
        await op.cluster.delete(live, _PROPAGATION.get(propagation, "Foreground"))
    except NoSuchKind:
        return
    except ApiError as error:
        if error.not_found:
            return
        raise
    if Kind.of(live) == _CRD:
        op.cluster.forget(live)
    if not awaits.waits_to_be_gone(stored.inputs):
        return
    tracker = awaits.GoneTracker(live)
    patience = awaits.timeout(op.timeout, stored.inputs)
    try:
        await awaits.wait(op.cluster, tracker, op.reporter, op.cancelled, patience, aim="to be deleted")
    except NotReady as error:
        outputs = state.outputs(tracker.latest, stored.inputs, stored.marked_inputs, stored.api_version, stored.manager)
        raise Partial(id_, outputs, error) from error

"""Creating objects."""

import asyncio
from typing import Final

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Object, has_unknown, plain

from .. import ownership, state
from ..errors import ApiError, NoSuchKind, Partial, explain_already_exists
from ..naming import Kind, object_id
from .base import CRD, VERIFY_CRDS, Operation

_RETRIES_AFTER: Final = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between attempts to create an object whose namespace or CRD something else may be about to create."""


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
    kind = Kind.of(inputs)
    if op.preview and (has_unknown(inputs) or not await op.cluster.serves(kind)):
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
        named = f"{kind.api_version}/{kind.kind}"
        raise PluginError(f'creation of resource "{op.urn}" with kind {named} {VERIFY_CRDS}: {error}') from error

    def stored(obj: Object) -> Object:
        return state.outputs(obj, inputs, program, kind.api_version, manager)

    if op.preview:
        live.pop("status", None)  # it is empty now, and a program that reads it must wait for the real one
        return "", stored(live)
    if kind == CRD:
        op.cluster.forget(inputs)
    try:
        live = await op.ready(inputs, live)
    except PluginError as error:
        live = await op.latest(live)
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
            await _pause(op, pause)
    raise AssertionError("the last attempt returns or raises")


async def _pause(op: Operation, seconds: float) -> None:
    """Wait, or until the user has had enough."""
    stop = asyncio.create_task(op.cancelled.wait())
    await asyncio.wait({stop}, timeout=seconds)
    stop.cancel()

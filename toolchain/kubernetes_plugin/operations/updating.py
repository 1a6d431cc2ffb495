"""Updating objects by server-side apply."""

from collections.abc import Sequence

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Object, has_unknown, plain

from .. import ownership, state
from ..cluster import Cluster
from ..errors import ApiError, NoSuchKind, Partial, explain_conflict
from ..naming import Kind, object_id
from ..objects import metadata, name_of, normalised
from ..state import Stored
from .base import CRD, VERIFY_CRDS, Operation


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
        PluginError: it failed, and the object cannot be seen.
    """
    inputs = normalised(plain(program))
    if op.preview and (has_unknown(inputs) or not await op.cluster.serves(Kind.of(inputs))):
        return program
    manager = stored.manager_for(inputs)
    told = stored.inputs
    live: Object | None = None
    try:
        live = await op.cluster.get({**inputs, "metadata": {**metadata(inputs), "name": name_of(stored.live)}})
        live = await _apply(op, inputs, live, manager, list(ignored))
        told = inputs
        if not op.preview:
            live = await op.ready(inputs, live)
    except NoSuchKind as error:
        raise PluginError(f'update of resource "{op.urn}" {VERIFY_CRDS}: {error}') from error
    except PluginError as error:
        if op.preview and isinstance(error, ApiError) and (error.forbidden or error.no_dry_run):
            return program
        if live is None:
            raise PluginError(f'update of resource "{op.urn}" failed: {error}') from error
        live = await op.latest(live)
        prefix = (
            f'the Kubernetes API server reported that "{object_id(live)}" failed to fully initialize or become live: '
        )
        # Old inputs or new ones may be in the live object: what is secret in either must not be stored in the clear.
        either = state.marked(live, stored.marked_inputs), state.marked(told, stored.marked_inputs)
        raise Partial(
            object_id(live), state.outputs(*either, program, stored.api_version, manager), error, prefix
        ) from error
    return state.outputs(live, inputs, program, stored.api_version, manager)


async def _apply(op: Operation, inputs: Object, live: Object, manager: str, ignored: list[str]) -> Object:
    if Kind.of(inputs) == CRD:
        # Apply merges; a CRD's versions and schemas are meant as a whole.
        version = metadata(live).get("resourceVersion")
        whole = {**inputs, "metadata": {**metadata(inputs), "resourceVersion": version}}
        op.cluster.forget(inputs)
        return await op.cluster.replace(whole, manager, dry_run=op.preview)
    if not op.preview:
        live = await _take_over(op.cluster, live, manager)
    wanted = ownership.without_ignored(inputs, live, ignored, manager) if ignored else inputs
    force = ownership.may_force(inputs, live, op.force, op.preview)
    try:
        return await op.cluster.apply(wanted, manager, force=force, dry_run=op.preview)
    except ApiError as error:
        if error.conflict:
            raise explain_conflict(error, manager) from error
        raise


async def _take_over(cluster: Cluster, live: Object, manager: str) -> Object:
    for _ in range(3):
        patch = ownership.takeover(live, manager)
        if not patch:
            break
        try:
            return await cluster.patch(live, patch)
        except ApiError as error:
            if not error.conflict:
                raise
            live = await cluster.get(live)  # a controller wrote its status in between
    return live

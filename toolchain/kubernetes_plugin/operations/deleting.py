"""Deleting objects."""

from typing import Final

from .. import awaits, state
from ..errors import ApiError, NoSuchKind, NotReady, Partial
from ..naming import Kind, split_id
from ..objects import annotation, metadata
from ..state import Stored
from .base import CRD, Operation

_PROPAGATION: Final = {"orphan": "Orphan", "background": "Background"}


async def delete(op: Operation, id_: str, stored: Stored) -> None:
    """Delete an object and wait until it is gone, by default with all that it owns.

    Raises:
        Partial: it is being deleted, but is still there.
        PluginError: it was not deleted.
    """
    namespace, name = split_id(id_)
    place = {"name": name, **({"namespace": namespace} if namespace else {})}
    live = {**stored.live, "metadata": {**metadata(stored.live), **place}}
    propagation = annotation(stored.inputs, "deletionPropagationPolicy").lower()
    try:
        await op.cluster.delete(live, _PROPAGATION.get(propagation, "Foreground"))
    except NoSuchKind:
        return
    except ApiError as error:
        if error.not_found:
            return
        raise
    if Kind.of(live) == CRD:
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

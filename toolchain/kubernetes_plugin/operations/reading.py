"""Reading objects: refreshing what the stack has, and importing what it has not."""

from toolchain.plugin_base.values import Object, plain

from .. import awaits, state
from ..errors import ApiError, NoSuchKind, NotReady, Partial
from ..naming import Kind, split_id
from ..objects import adopted, drifted, normalised
from ..state import Stored
from .base import Operation


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
    outputs = state.outputs(live, inputs, program, stored.api_version or kind.api_version, manager)
    found = state.marked(inputs, program)
    tracker = awaits.tracker_for(inputs, live) if known else None
    if tracker is not None:
        try:
            await awaits.look(op.cluster, tracker)
        except NotReady as error:
            raise Partial(id_, outputs, error, inputs=found) from error
    return outputs, found

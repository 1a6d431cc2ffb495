"""Components: resources made of other resources, which the plugin registers with the engine itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2

from toolchain.plugin_base.engine import Engine
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import UNKNOWN, Reference, has_unknown, read

from ..session import Session
from .chart import chart
from .construction import Construction
from .monitor import Monitor
from .yaml_v2 import config_file, config_group

Builder = Callable[[Construction], Awaitable[list[Reference]]]

_BUILDERS: Final[dict[str, Builder]] = {
    "kubernetes:helm.sh/v4:Chart": chart,
    "kubernetes:yaml/v2:ConfigFile": config_file,
    "kubernetes:yaml/v2:ConfigGroup": config_group,
}


def builder(type_: str) -> Builder:
    """What builds components of a type.

    Raises:
        PluginError: nothing does.
    """
    found = _BUILDERS.get(type_)
    if found is None:
        raise PluginError(f"{type_} is not supported by this Kubernetes plugin, which has {', '.join(_BUILDERS)}")
    return found


async def construct(
    request: provider_pb2.ConstructRequest, build: Builder, session: Session, engine: Engine, cancelled: asyncio.Event
) -> tuple[str, list[Reference] | Any]:
    """Build a component.

    Args:
        request: the engine's.
        build: of the component's type.
        session: the cluster.
        engine: shows messages.
        cancelled: set when the user wants the operation to end.

    Returns:
        The component's URN and its children, `UNKNOWN` in a preview in which its inputs are not known yet.

    Raises:
        PluginError: the cluster is unreachable, or the component or a child failed.
    """
    if problem := await session.problem():
        raise problem
    inputs = read(request.inputs, assets=True)
    monitor = Monitor(request)
    try:
        urn = await monitor.register_component()
        component = Construction(request.name, urn, inputs, session, monitor, engine, cancelled)
        if has_unknown(inputs):
            await _warn_incomplete(component, request.type)
            return urn, UNKNOWN
        return urn, await build(component)
    finally:
        await monitor.close()


async def _warn_incomplete(component: Construction, type_: str) -> None:
    """Say what a preview does not show, in the official plugin's two ways."""
    if _BUILDERS.get(type_) is chart:
        await component.warn("Input properties have unknown values. Preview is incomplete.")
        return
    message = "Required input properties have unknown values. Preview is incomplete."
    await component.engine.log("warning", f"{type_}:{component.name} -- {message}", "", passing=False)


__all__ = ["builder", "construct"]

"""Registering the objects of a manifest as children of a component, with the official plugin's names and order."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from toolchain.plugin_base.values import Object, Reference

from ..naming import PACKAGE, Kind
from ..objects import annotate, metadata, name_of
from ..state import marked
from .construction import Construction
from .manifests import Manifest, complete, expand
from .ordering import ObjectKey, dependencies


async def register(
    component: Construction,
    manifests: Iterable[Manifest],
    namespace: str,
    retains: Callable[[Object], bool] = lambda obj: False,
) -> list[Reference]:
    """Register objects, each after those that it depends on, and wait for all.

    Args:
        component: their parent; its inputs say how they are named and whether they are waited for.
        manifests: the objects, lists among them.
        namespace: of objects that name none.
        retains: whether an object stays in the cluster when the program drops it.

    Raises:
        PluginError: an object is not one, or a child failed. What was begun by then was waited for.
    """
    found, unknown = await complete(expand(manifests), namespace, component.scope)
    if unknown:
        await component.warn(_unknown_scope(unknown))
    by_key: dict[ObjectKey, Manifest] = {}
    for manifest in found:
        key = ObjectKey.of(manifest.plain)
        if key in by_key:
            await component.warn(f"{key} is there twice; the last one counts")
        by_key[key] = manifest
    tasks: dict[ObjectKey, asyncio.Task[Reference]] = {}
    for key, needed in dependencies({key: manifest.plain for key, manifest in by_key.items()}).items():
        earlier = [tasks[other] for other in needed]
        retain = retains(by_key[key].plain)
        tasks[key] = asyncio.create_task(_register(component, by_key[key], earlier, retain))
    results = await asyncio.gather(*tasks.values(), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [task.result() for task in tasks.values()]


async def _register(
    component: Construction, manifest: Manifest, earlier: Sequence[asyncio.Task[Reference]], retain: bool
) -> Reference:
    depends_on = [(await task).urn for task in earlier]
    obj = manifest.plain
    if component.flag("skipAwait"):
        annotate(obj, "skipAwait", "true")
    inputs = marked(obj, manifest.source)
    name = _name(component.prefix, obj)
    return await component.monitor.register(_type(obj), name, inputs, component.urn, depends_on, retain)


def _type(obj: Object) -> str:
    kind = Kind.of(obj)
    return f"{PACKAGE}:{kind.group or 'core'}/{kind.version}:{kind.kind}"


def _name(prefix: str, obj: Object) -> str:
    namespace = metadata(obj).get("namespace")
    name = f"{namespace}/{name_of(obj)}" if namespace else name_of(obj)
    return f"{prefix}:{name}" if prefix else name


def _unknown_scope(kinds: Sequence[Kind]) -> str:
    named = ", ".join(f"{kind.api_version} {kind.kind}" for kind in kinds)
    return (
        "Unable to determine whether the following kinds are namespaced without a matching CustomResourceDefinition, "
        f"so they are registered without a namespace: {named}. Set .metadata.namespace explicitly, or include the "
        "CustomResourceDefinition, to control the namespace."
    )

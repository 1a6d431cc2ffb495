"""Which objects of a manifest have to be there before which: namespaces, definitions, and what annotations ask for.

The annotation is that of kubectl's companion tools: https://github.com/kubernetes-sigs/cli-utils
"""

import graphlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Object

from ..naming import Kind
from ..objects import metadata, name_of, pluck
from .manifests import is_definition

_DEPENDS_ON: Final = "config.kubernetes.io/depends-on"


class ObjectKey(NamedTuple):
    """What tells one object of a cluster from all others; its version is not part of that."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> "ObjectKey":
        """The key of an object with `apiVersion`, `kind` and `metadata.name`."""
        kind = Kind.of(obj)
        return cls(kind.group, kind.kind, str(metadata(obj).get("namespace") or ""), name_of(obj))

    @classmethod
    def parse(cls, text: str) -> "ObjectKey":
        """The key that a reference stands for: `group/namespaces/namespace/kind/name` or `group/kind/name`.

        Raises:
            ValueError: it is neither.
        """
        parts = text.strip().split("/")
        if len(parts) == 5 and parts[1] == "namespaces":
            group, _, namespace, kind, name = parts
        elif len(parts) == 3:
            (group, kind, name), namespace = parts, ""
        else:
            raise ValueError(text)
        if not kind or not name:
            raise ValueError(text)
        return cls(group, kind, namespace, name)

    def __str__(self) -> str:
        place = f"namespaces/{self.namespace}/" if self.namespace else ""
        return f"{self.group}/{place}{self.kind}/{self.name}"


def dependencies(objects: Mapping[ObjectKey, Object]) -> dict[ObjectKey, list[ObjectKey]]:
    """The objects in an order in which each comes after all that it depends on, with those.

    Raises:
        PluginError: an annotation cannot be read or names an object that is not here, or there is a circle.
    """
    definitions = {
        (pluck(obj, "spec", "group"), pluck(obj, "spec", "names", "kind")): key
        for key, obj in objects.items()
        if is_definition(obj)
    }
    graph: dict[ObjectKey, list[ObjectKey]] = {}
    for key, obj in objects.items():
        needed = [
            definitions.get((key.group, key.kind)),
            ObjectKey("", "Namespace", "", key.namespace) if key.namespace else None,
            *_annotated(key, obj, objects),
        ]
        graph[key] = list(dict.fromkeys(other for other in needed if other in objects and other is not None))
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle: Sequence[ObjectKey] = error.args[1]
        raise PluginError(f"{_DEPENDS_ON} goes round in a circle: {' -> '.join(map(str, circle))}") from None
    return {key: graph[key] for key in order}


def _annotated(key: ObjectKey, obj: Object, objects: Mapping[ObjectKey, Object]) -> list[ObjectKey]:
    text = pluck(obj, "metadata", "annotations", _DEPENDS_ON)
    if not text:
        return []
    found: list[ObjectKey] = []
    for part in str(text).split(","):
        try:
            other = ObjectKey.parse(part)
        except ValueError:
            raise PluginError(
                f'{key}: {_DEPENDS_ON} has "{part.strip()}"; it takes group/kind/name or '
                "group/namespaces/namespace/kind/name, with nothing for the core group"
            ) from None
        if other not in objects:
            raise PluginError(f"{key}: {_DEPENDS_ON} names {other}, which is not in this manifest")
        found.append(other)
    return found

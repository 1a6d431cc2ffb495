"""What changes between the inputs the cluster was told and the program's new ones, field by field.

The old inputs are those of the last successful apply (and of the last refresh, which writes other people's changes
into them), so what only the server sets or spells differently is never a difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from toolchain.plugin_base.values import UNKNOWN, Object

from .naming import Kind
from .objects import MISSING, built_in_scope, is_autonamed, metadata, name_of
from .replacement import Path, Pattern, touches


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        path: place in the object, keys and list indices.
        kind: what happens there.
        replace: whether it takes a new object.
    """

    path: Path
    kind: Literal["add", "delete", "update"]
    replace: bool

    @property
    def dotted(self) -> str:
        """The path in Pulumi's notation, as in `spec.containers[0].env` or `metadata.labels["a.b/c"]`."""
        text = ""
        for step in self.path:
            if isinstance(step, int):
                text += f"[{step}]"
            elif any(letter in step for letter in '."[]'):
                quoted = step.replace('"', '\\"')
                text += f'["{quoted}"]'
            else:
                text += f".{step}" if text else step
        return text


def compare(old: Object, new: Object, immutable: Sequence[Pattern] = ()) -> list[Change]:
    """The changes from `old` to `new`; a whole object or element that appears or goes is one change.

    A value that is not known yet counts as changed. Lists are compared element by element in their order.
    """
    return [Change(path, kind, touches(path, value, immutable)) for path, kind, value in _compare((), old, new)]


def _compare(path: Path, old: Any, new: Any) -> Iterator[tuple[Path, Literal["add", "delete", "update"], Any]]:
    if new is MISSING:
        yield path, "delete", MISSING
    elif old is MISSING:
        yield path, "add", new
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _compare((*path, key), old.get(key, MISSING), new.get(key, MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            yield from _compare((*path, i), old[i] if i < len(old) else MISSING, new[i] if i < len(new) else MISSING)
    elif new is UNKNOWN or old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, "update", new


def with_default_namespace(inputs: Object) -> Object:
    """Inputs that name the namespace `default` where they name none, so that naming it is no difference.

    A namespace given to a built-in kind that has none is dropped, as the API server does.
    """
    kind = Kind.of(inputs)
    found = metadata(inputs)
    if built_in_scope(kind.group, kind.kind) is False:
        return {**inputs, "metadata": {k: v for k, v in found.items() if k != "namespace"}}
    if "metadata" in inputs and inputs["metadata"] is UNKNOWN:
        return inputs
    return {**inputs, "metadata": {**found, "namespace": found.get("namespace") or "default"}}


def delete_first(old: Object, new: Object) -> bool:
    """Whether a replacement must wait for the old object to go, because both have the same given name."""
    same_place = metadata(old).get("namespace") == metadata(new).get("namespace")
    return not is_autonamed(new) and bool(name_of(new)) and name_of(old) == name_of(new) and same_place

"""What the engine stores for an object: the live object, and beside it what the plugin needs to remember.

The three extra keys are those of the official plugin, so that a stack can go from one to the other.
"""

from dataclasses import dataclass
from typing import Any, Final

from toolchain.plugin_base.naming import unique_name
from toolchain.plugin_base.values import Object, Secret, mark_secrets, plain

from .objects import annotation, is_core

_INPUTS: Final = "__inputs"
_API_VERSION: Final = "__initialApiVersion"
_MANAGER: Final = "__fieldManager"


@dataclass(frozen=True)
class Stored:
    """An object's stored state, read back.

    Attributes:
        inputs: what the cluster was last told, without secret marks.
        marked_inputs: the same with secret marks.
        live: the object as it last was.
        api_version: the version it was first created with.
        manager: the field manager that applies it; empty if none was stored.
    """

    inputs: Object
    marked_inputs: Object
    live: Object
    api_version: str
    manager: str

    @classmethod
    def of(cls, outputs: Object) -> "Stored":
        live = plain({key: value for key, value in outputs.items() if key not in (_INPUTS, _API_VERSION, _MANAGER)})
        marked = outputs.get(_INPUTS)
        marked = marked.value if isinstance(marked, Secret) else marked
        marked = marked if isinstance(marked, dict) else {}
        return cls(
            inputs=plain(marked),
            marked_inputs=marked,
            live=live,
            api_version=str(outputs.get(_API_VERSION) or live.get("apiVersion") or ""),
            manager=str(outputs.get(_MANAGER) or ""),
        )

    def manager_for(self, inputs: Object) -> str:
        """The field manager to apply `inputs` with: an annotation's, else the stored one, else a new one."""
        return annotation(inputs, "patchFieldManager") or self.manager or new_manager(inputs)


def new_manager(inputs: Object) -> str:
    """A field manager for a new object. Each object has its own, so that two stacks never share one."""
    return annotation(inputs, "patchFieldManager") or unique_name("pulumi-kubernetes-", b"")


def outputs(live: Object, inputs: Object, source: Object, api_version: str, manager: str) -> dict[str, Any]:
    """What to store, with everything secret marked.

    Args:
        live: the object as the API server returned it.
        inputs: what the cluster was told.
        source: inputs with secret marks; what is secret there is secret in the result.
        api_version: version the object was first created with.
        manager: its field manager.
    """
    return {
        **marked(live, source),
        _INPUTS: marked(inputs, source),
        _API_VERSION: api_version,
        _MANAGER: manager,
    }


def marked(obj: Object, source: Object) -> Object:
    """The object with secret marks: as in `source`, and always on a Secret's contents."""
    if not is_core(obj, "Secret"):
        return mark_secrets(obj, source)
    result = mark_secrets(obj, {k: v for k, v in source.items() if k not in ("data", "stringData")})
    for key in ("data", "stringData"):
        if key in result and not isinstance(result[key], Secret):
            result[key] = Secret(result[key])
    return result

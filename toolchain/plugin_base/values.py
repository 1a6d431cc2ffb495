"""Pulumi's wire values (protobuf `Struct`) as plain Python values, and back.

Numbers that are whole become `int`, because Kubernetes tells 1 from 1.0. Secrets and values that are not known yet
at preview travel as marked objects and marked strings; here they are `Secret` and `UNKNOWN`. The markers are part of
Pulumi's protocol: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/sig/sig.go and plugin/rpc.go.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from google.protobuf.struct_pb2 import NULL_VALUE, Struct
from google.protobuf.struct_pb2 import Value as WireValue

Object = dict[str, Any]

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
_ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
_REFERENCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS: Final = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


class Unknown(enum.Enum):
    """The type of `UNKNOWN`, so that it can be named in annotations."""

    UNKNOWN = "unknown"


UNKNOWN: Literal[Unknown.UNKNOWN] = Unknown.UNKNOWN
"""Stands for a value that only the update will know."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the state must hold encrypted and no output may show."""

    value: Any


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that the program hands over: its text, its path, or its URL; the other two are empty."""

    text: str = ""
    path: str = ""
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource as a value; in a preview its id may be `UNKNOWN`."""

    urn: str
    id: Any


def read(struct: Struct, *, assets: bool = False) -> Object:
    """Turn a message's properties into Python values.

    Args:
        struct: the properties.
        assets: whether `Asset`s may be among them, as in the inputs of a component.

    Raises:
        ValueError: a value of a type that a Kubernetes object cannot hold (asset, archive, resource reference).
    """
    return {_from_wire_key(key): _read(value, assets) for key, value in struct.fields.items()}


def write(value: Mapping[str, Any]) -> Struct:
    """Turn Python values into a message's properties; the reverse of `read`."""
    struct = Struct()
    _fill(struct, value)
    return struct


# The SDKs spell the schema extensions of a CustomResourceDefinition with underscores, Kubernetes with dashes.
def _from_wire_key(key: str) -> str:
    return key.replace("_", "-") if key.startswith("x_kubernetes_") else key


def _to_wire_key(key: str) -> str:
    return key.replace("-", "_") if key.startswith("x-kubernetes-") else key


def _read(value: WireValue, assets: bool) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE not in fields:
            return read(value.struct_value, assets=assets)
        signature = fields[_SIGNATURE].string_value
        if signature == _SECRET:
            return Secret(_read(fields["value"], assets))
        if signature == _ASSET and assets:
            return Asset(*(fields[name].string_value if name in fields else "" for name in ("text", "path", "uri")))
        raise ValueError("assets, archives and resource references cannot be part of a Kubernetes object")
    if kind == "list_value":
        return [_read(item, assets) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    return None


def _fill(struct: Struct, value: Mapping[str, Any]) -> None:
    for key, item in value.items():
        _write(struct.fields[_to_wire_key(key)], item)


def _write(target: WireValue, value: Any) -> None:
    if value is None:
        target.null_value = NULL_VALUE
    elif value is UNKNOWN:
        target.string_value = _UNKNOWN_STRING
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, Secret):
        fields = target.struct_value.fields
        fields[_SIGNATURE].string_value = _SECRET
        _write(fields["value"], value.value)
    elif isinstance(value, Reference):
        fields = target.struct_value.fields
        fields[_SIGNATURE].string_value = _REFERENCE
        fields["urn"].string_value = value.urn
        _write(fields["id"], value.id)
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()  # keeps an empty object an object
        _fill(target.struct_value, value)
    else:
        target.list_value.SetInParent()
        for item in value:
            _write(target.list_value.values.add(), item)


def plain(value: Any) -> Any:
    """A copy without secret marks, for comparing values and for sending them to the cluster."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether any part of the value will be known only during the update."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def has_secret(value: Any) -> bool:
    """Whether any part of the value is secret."""
    if isinstance(value, Mapping):
        return any(has_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(has_secret(item) for item in value)
    return isinstance(value, Secret)


def mark_secrets(value: Object, source: Mapping[str, Any]) -> Object:
    """Copy `value`, making secret what is secret at the same place in `source`.

    A list that holds any secret becomes secret as a whole: the API server may have reordered it.
    """
    marked = dict(value)
    for key, origin in source.items():
        item = marked.get(key)
        if item is None or isinstance(item, Secret):
            continue
        if isinstance(item, dict) and isinstance(origin, Mapping):
            marked[key] = mark_secrets(item, origin)
        elif has_secret(origin):
            marked[key] = Secret(item)
    return marked

"""Which values may be told to whoever reads, and which may not: a Secret's place is never read out."""

import re
from collections.abc import Mapping
from typing import Any

from toolchain.review.images import UNKNOWN, shortened
from toolchain.review.preview import Change

_LONGEST = 100
# What may stand in these is for the cluster, not for a discussion: only the name of the property is told.
_UNTOLD_KINDS = frozenset({"ConfigMap", "Secret", "image build"})
_UNTOLD_PATHS = re.compile(r"\.(env|envFrom|args|command)\b|annotations|stringData|^data\b")
_TOLD_PATHS = re.compile(r"spec\b|metadata\.(labels|namespace|name)\b")


def told(change: Change, path: str) -> tuple[str | None, str | None] | None:
    """Old and new value of a property, each None where there is none.

    None where one is long or no single value, or this is a place for what somebody wants to hide.
    """
    if change.kind in _UNTOLD_KINDS or _UNTOLD_PATHS.search(path) or not _TOLD_PATHS.match(path):
        return None
    old, new = at(change.old, path), at(change.new, path)
    if any(isinstance(value, (dict, list)) or len(str(value)) > _LONGEST for value in (old, new)):
        return None
    return _text(old), _text(new)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return "known after the build" if UNKNOWN in str(value) else shortened(str(value))


def at(inputs: Mapping[str, Any], path: str) -> Any:
    """The value at a path as the engine writes it: spec.containers[0].image, labels["a/b"]."""
    value: Any = inputs
    for quoted, index, name in re.findall(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)', path):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
        else:
            value = value.get(quoted or name) if isinstance(value, dict) else None
    return value

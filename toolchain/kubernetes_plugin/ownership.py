"""Field ownership in server-side apply: whose a field is, and taking over what was written without apply.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import copy
from typing import Any, Final

from toolchain.plugin_base.values import Object

from .objects import MISSING, annotation, metadata

CREATOR: Final = "pulumi-kubernetes"
"""Field manager of a creation, which is a plain POST: apply would silently take over an object that exists."""

_CREATORS: Final = {CREATOR, "pulumi-kubernetes.exe", "pulumi-resource-kubernetes"}

_PREDECESSORS: Final = (
    *(("Update", name) for name in sorted(_CREATORS)),
    ("Update", "before-first-apply"),
    ("Update", "kubectl"),
    ("Apply", "kubectl"),
)
"""Operation, and how the manager's name begins: kubectl has one for each of its commands (`kubectl-set`), and the
official plugin takes them over by this prefix (PatchReplaceFieldsManagers of github.com/fluxcd/pkg/ssa)."""


def _entries(live: Object) -> list[dict[str, Any]]:
    return metadata(live).get("managedFields") or []


def _is_predecessor(entry: dict[str, Any]) -> bool:
    operation, name = entry.get("operation"), entry.get("manager") or ""
    return not entry.get("subresource") and any(
        operation == wanted and name.startswith(prefix) for wanted, prefix in _PREDECESSORS
    )


def takeover(live: Object, manager: str) -> list[dict[str, Any]]:
    """A JSON patch that makes the fields of this plugin's creation (or of kubectl) the manager's.

    Without it, a field that the program drops would stay: its creator would still own it. Empty if nothing is to do.
    """
    entries = _entries(live)
    inherited = [entry for entry in entries if _is_predecessor(entry)]
    if not inherited:
        return []
    own = next((e for e in entries if e.get("manager") == manager and e.get("operation") == "Apply"), None)
    fields: dict[str, Any] = copy.deepcopy(own.get("fieldsV1") or {}) if own else {}
    for entry in inherited:
        _unite(fields, entry.get("fieldsV1") or {})
    merged = {
        **inherited[-1],
        "manager": manager,
        "operation": "Apply",
        "fieldsV1": fields,
    }
    rest = [entry for entry in entries if entry not in inherited and entry is not own]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*rest, merged]},
        # Refused by the API server if somebody else wrote in between.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata(live).get("resourceVersion")},
    ]


def _unite(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        _unite(into.setdefault(key, {}), value)


def may_force(inputs: Object, live: Object | None, always: bool, dry_run: bool) -> bool:
    """Whether an apply may take fields from other managers.

    The user says so with an annotation or a provider setting. Besides, a dry run forces where the real run will
    have taken the creation's fields over before, and objects from before server-side apply record no owners to respect.
    """
    if always or annotation(inputs, "patchForce") == "true" or live is None:
        return True
    entries = _entries(live)
    created = any(e.get("operation") == "Update" and e.get("manager") in _CREATORS for e in entries)
    return not entries or (dry_run and created)


def without_ignored(inputs: Object, live: Object, ignored: list[str], manager: str) -> Object:
    """Inputs to apply when the program ignores changes of some fields, such as replicas under an autoscaler.

    A field that another manager owns is left to it. A field of ours keeps its live value: leaving it out would
    reset it.

    Args:
        inputs: the object to apply.
        live: the object in the cluster.
        ignored: dotted paths from the program's `ignore_changes`; paths into lists are the engine's business.
        manager: our field manager.
    """
    result = copy.deepcopy(inputs)
    for path in ignored:
        steps = path.split(".")
        if any(letter in path for letter in '[]"*'):
            continue
        ours = any(_owns(e, steps) for e in _entries(live) if e.get("manager") == manager or _is_predecessor(e))
        theirs = any(_owns(e, steps) for e in _entries(live) if e.get("manager") != manager and not _is_predecessor(e))
        value = _at(live, steps)
        if theirs and not ours:
            _remove(result, steps)
        elif value is not MISSING:
            _put(result, steps, value)
    return result


def _owns(entry: dict[str, Any], steps: list[str]) -> bool:
    fields = entry.get("fieldsV1") or {}
    for step in steps:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


def _at(obj: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(obj, dict) or step not in obj:
            return MISSING
        obj = obj[step]
    return obj


def _remove(obj: Object, steps: list[str]) -> None:
    parent = _at(obj, steps[:-1])
    if isinstance(parent, dict):
        parent.pop(steps[-1], None)


def _put(obj: Object, steps: list[str], value: Any) -> None:
    for step in steps[:-1]:
        obj = obj.setdefault(step, {})
        if not isinstance(obj, dict):
            return
    obj[steps[-1]] = copy.deepcopy(value)

"""Checking a program's inputs and finding what a change of them means. Neither needs the cluster."""

from dataclasses import dataclass

from toolchain.plugin_base.naming import Autonaming
from toolchain.plugin_base.values import UNKNOWN, Object, plain

from . import diff, replacement, state
from .config import Settings
from .diff import Change
from .naming import Kind, assign_name
from .objects import annotation, built_in_scope, metadata, normalised
from .state import Stored


def check(
    urn: str, program: Object, old: Object, namespace: str, namespaced: bool, seed: bytes, autonaming: Autonaming | None
) -> tuple[Object, list[tuple[str, str]]]:
    """Complete the program's inputs: type, name, namespace.

    Args:
        urn: the resource.
        program: its inputs, with secret marks.
        old: its inputs of the last update; empty if it is new or being replaced.
        namespace: namespace of objects that name none.
        namespaced: whether the kind has namespaces at all.
        seed: for made-up names.
        autonaming: the engine's wishes about them.

    Returns:
        The inputs with secret marks, and what is wrong with them as pairs of property and reason.
    """
    kind = Kind.from_urn(urn)
    inputs = plain(program)
    inputs = normalised({"apiVersion": kind.api_version, "kind": kind.kind, **inputs})
    assign_name(inputs, plain(old), urn, seed, autonaming)
    place = inputs["metadata"]
    if place is not UNKNOWN and namespaced and not place.get("namespace"):
        place["namespace"] = namespace
    failures: list[tuple[str, str]] = []
    if annotation(inputs, "waitFor"):
        failures.append(("metadata.annotations", "pulumi.com/waitFor is not supported by this Kubernetes plugin"))
    return state.marked(inputs, program), failures


def has_namespaces(kind: Kind, served: bool | None) -> bool:
    """Whether a kind has namespaces: known for Kubernetes' own, else what the API server says, else assumed."""
    known = built_in_scope(kind.group, kind.kind)
    return known if known is not None else served is not False


@dataclass(frozen=True)
class Plan:
    """What a change of inputs means.

    Attributes:
        changes: what differs.
        delete_first: whether a replacement has to wait for the old object to go.
    """

    changes: list[Change]
    delete_first: bool

    @property
    def replaces(self) -> list[str]:
        """The paths whose change takes a new object."""
        return [change.dotted for change in self.changes if change.replace]


def plan(stored: Stored, program: Object, settings: Settings) -> Plan:
    """Compare the program's checked inputs with what the cluster was told."""
    new = diff.with_default_namespace(normalised(plain(program)))
    old = diff.with_default_namespace(normalised(stored.inputs))
    if metadata(new).get("name"):
        # The live name counts: an imported object, or one that Kubernetes named, may have had none in its inputs.
        live_name = metadata(stored.live).get("name")
        old = {**old, "metadata": {**metadata(old), **({"name": live_name} if live_name else {})}}
    immutable = replacement.immutable_fields(
        new, configmap_mutable=settings.configmap_mutable, secret_mutable=settings.secret_mutable
    )
    changes = diff.compare(old, new, immutable)
    replace = any(change.replace for change in changes)
    return Plan(changes, replace and diff.delete_first(old, new))

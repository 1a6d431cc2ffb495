"""What `pulumi preview --json` printed, read into the few things that a reviewer asks about.

Pulumi has two forms of it: one document at the end, and, with PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true, the engine's
events, a line each. Only the events tell of stack outputs and policies.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolchain.errors import ToolchainError

_STACK = "pulumi:pulumi:Stack"
# The operations that touch nothing. A read looks at what is another's.
_QUIET = frozenset({"same", "read", "refresh"})
# The engine tells a replacement in up to three steps, of which this one names the properties that force it.
_REPLACING = frozenset({"replace", "create-replacement", "delete-replaced"})
_NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
# Components that have their model's name.
_OF_MODEL = tuple(
    f"$model-serving:{kind}" for kind in ("model:ServedModel", "model:ModelImage", "docker:DockerService")
)
# What people call resources whose type is named after the way they are made.
_KINDS = {"docker-build:index:Image": "image build", "pulumi:index:Stash": "image attachments"}


@dataclass(frozen=True)
class Change:
    """What happens to one resource: create, update, replace, delete or import."""

    urn: str
    operation: str
    type: str
    model: str | None
    """The model that it belongs to; None for what a stack has once."""
    old: Mapping[str, Any]
    """Its inputs before, and ``new`` after; empty where there is no such side."""
    new: Mapping[str, Any]
    paths: tuple[str, ...]
    """The properties that differ, as in spec.template.spec.containers[0].image."""
    forcing: tuple[str, ...] = ()
    """Those that cannot be changed in place, and so replace it."""
    deleted_first: bool = False

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]

    @property
    def kind(self) -> str:
        return _KINDS.get(self.type) or self.type.rpartition(":")[2]


@dataclass(frozen=True)
class Violation:
    """What a policy said about a resource."""

    rule: str
    level: str
    message: str


@dataclass(frozen=True)
class Message:
    """A warning or an error of the program, a provider or the engine."""

    severity: str
    text: str


@dataclass(frozen=True)
class Preview:
    """One preview. ``complete`` says that its form tells of outputs and policies; ``failed`` that it has no plan."""

    changes: tuple[Change, ...] = ()
    violations: tuple[Violation, ...] = ()
    messages: tuple[Message, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The stack's outputs as they are, and ``after`` as they will be."""
    after: Mapping[str, Any] = field(default_factory=dict[str, Any])
    complete: bool = True
    failed: bool = False


def read(text: str) -> Preview:
    """Read either form. Raises ToolchainError for anything else."""
    try:
        document = json.loads(text)
        if isinstance(document, dict) and "changeSummary" in document:
            return _of_document(document)
    except json.JSONDecodeError:
        document = None
    events = list(_events(text))
    if not any("summaryEvent" in event or "resourcePreEvent" in event or "cancelEvent" in event for event in events):
        raise ToolchainError(
            "read the preview",
            "this is not what `pulumi preview --json` prints",
            "Make it with: PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json",
        )
    return _of_events(events)


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        # A wrapper's own words may stand between the lines.
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def _of_events(events: list[dict[str, Any]]) -> Preview:
    steps = [
        {**data, "old": data.get("old") or {}, "new": data.get("new") or {}}
        for event in events
        if (data := event.get("resourcePreEvent", {}).get("metadata"))
    ]
    outputs: dict[str, Any] = next(
        (
            event["resOutputsEvent"]["metadata"]
            for event in reversed(events)
            if event.get("resOutputsEvent", {}).get("metadata", {}).get("type") == _STACK
        ),
        {},
    )
    summary: dict[str, Any] = next((event["summaryEvent"] for event in events if "summaryEvent" in event), {})
    messages = _messages(event["diagnosticEvent"] for event in events if "diagnosticEvent" in event)
    violations = tuple(
        Violation(rule=said["policyName"], level=said["enforcementLevel"], message=said["message"].strip())
        for event in events
        if (said := event.get("policyEvent"))
    )
    stopped = any(violation.level == "mandatory" for violation in violations)
    return Preview(
        changes=_changes(steps),
        violations=violations,
        messages=messages,
        before=(outputs.get("old") or {}).get("outputs") or {},
        after=(outputs.get("new") or {}).get("outputs") or {},
        failed=summary.get("result", "failed") != "succeeded" and not stopped,
    )


def read_refresh(text: str) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """What `pulumi refresh` found to differ, from state to cluster, and the errors that kept it from looking."""
    events = list(_events(text))
    # What a refresh found out is told with the outputs; before them it only says that it looks.
    steps = [
        {**data, "old": data.get("old") or {}, "new": data.get("new") or {}}
        for event in events
        if (data := event.get("resOutputsEvent", {}).get("metadata"))
    ]
    messages = _messages(event["diagnosticEvent"] for event in events if "diagnosticEvent" in event)
    return _changes(steps), tuple(message.text for message in messages if message.severity == "error")


def _of_document(document: dict[str, Any]) -> Preview:
    steps = [
        {
            **step,
            "type": (step.get("newState") or step.get("oldState") or {}).get("type", ""),
            "old": step.get("oldState") or {},
            "new": step.get("newState") or {},
            "keys": step.get("replaceReasons"),
        }
        for step in document.get("steps") or ()
    ]
    messages = _messages(document.get("diagnostics") or ())
    failed = any(message.severity == "error" for message in messages)
    return Preview(changes=_changes(steps), messages=messages, complete=False, failed=failed)


def _messages(diagnostics: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    said = [
        Message(severity=entry["severity"], text=str(entry.get("message", "")).strip())
        for entry in diagnostics
        if entry.get("severity") in ("warning", "error")
    ]
    return tuple(dict.fromkeys(message for message in said if message.text))


def _changes(steps: list[dict[str, Any]]) -> tuple[Change, ...]:
    parents = {step["urn"]: str((step["new"] or step["old"]).get("parent", "")) for step in steps}
    by_urn: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        if step["op"] not in _QUIET and not _holds_no_object(step["type"]):
            by_urn.setdefault(step["urn"], []).append(step)
    return tuple(_change(urn, found, _model(urn, parents) or _guarded(found)) for urn, found in by_urn.items())


def _holds_no_object(kind: str) -> bool:
    """Whether a type is a component, whose children are what changes, or a connection."""
    return kind == _STACK or kind.startswith(("model-serving:", "pulumi:providers:"))


def _model(urn: str, parents: Mapping[str, str]) -> str | None:
    """The model that a resource is below of: its image's or its service's component has the model's name."""
    while urn:
        kind, _, name = urn.rpartition("::")
        if kind.endswith(_OF_MODEL):
            return name.partition(".")[0]  # digits.init is a container that prepares digits
        parent = parents.get(urn, "")
        urn = parent if parent != urn else ""
    return None


def _guarded(steps: list[dict[str, Any]]) -> str | None:
    """The model whose pods a network policy is for, which is declared beside the model and not below it."""
    for side in ("new", "old"):
        inputs = steps[-1][side].get("inputs") or {}
        if steps[-1]["type"] == _NETWORK_POLICY and inputs:
            pods = (inputs.get("spec") or {}).get("podSelector") or {}
            return (pods.get("matchLabels") or {}).get("app.kubernetes.io/name")
    return None


def _change(urn: str, steps: list[dict[str, Any]], model: str | None) -> Change:
    operations = [step["op"] for step in steps]
    replaced = bool(_REPLACING & set(operations))
    main = next((step for step in steps if step["op"] in ("replace", "create-replacement")), steps[-1])
    detailed = {path: told for step in steps for path, told in (step.get("detailedDiff") or {}).items()}
    forcing = [path for path, told in detailed.items() if str(_kind_of(told)).endswith("-replace")]
    if not forcing and replaced:
        forcing = [str(key) for step in steps for key in step.get("keys") or ()]
    return Change(
        urn=urn,
        # What is imported may be changed at once.
        operation="replace" if replaced else "import" if "import" in operations else operations[-1],
        type=main["type"],
        model=model,
        old=next((step["old"].get("inputs") for step in steps if step["old"].get("inputs")), {}),
        new=main["new"].get("inputs") or {},
        paths=tuple(detailed),
        forcing=tuple(dict.fromkeys(forcing)),
        deleted_first=replaced and operations[0] == "delete-replaced",
    )


def _kind_of(told: Mapping[str, Any]) -> Any:
    return told.get("diffKind") or told.get("kind")

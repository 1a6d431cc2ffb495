"""What a rule is, and what it looks at."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Properties = Mapping[str, Any]
"""Of a resource or of a rule. To read a value that a preview cannot know raises, and ends the rule for this preview."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A declared resource: its Pulumi type ("kubernetes:apps/v1:Deployment"), name and inputs."""

    type: str
    name: str
    properties: Properties

    @property
    def kind(self) -> str:
        """The last part of the type: Deployment."""
        return self.type.rpartition(":")[2]


Check = Callable[[Resource, Properties], Iterator[str]]
StackCheck = Callable[[Sequence[Resource], Properties], Iterator[str]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        check: yields what is wrong with one resource, given the rule's settings; for rules of a whole stack, with all.
        fix: what to do about it; ends every message.
        level: what a violation does where a stack's file says nothing else.
        settings: JSON schema of each setting, with its default.
    """

    name: str
    description: str
    fix: str
    check: Check | StackCheck
    of_stack: bool = False
    level: Literal["advisory", "mandatory"] = "mandatory"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def violations(self, looked_at: Any, settings: Properties) -> Iterator[str]:
        """Messages, each with the fix. `looked_at` is a resource, or all of them for a rule of the stack."""
        chosen = {name: settings.get(name, schema.get("default")) for name, schema in self.settings.items()}
        for message in self.check(looked_at, chosen):
            yield f"{message} -> {self.fix}"


def at(properties: Properties, *path: str, default: Any = None) -> Any:
    """The value at a path of keys, or the default where a part of it is missing."""
    value: Any = properties
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
        if value is None:
            return default
    return value


_TEMPLATE = ("spec", "template", "spec")
WORKLOADS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "Job"), _TEMPLATE),
    "CronJob": ("spec", "jobTemplate", *_TEMPLATE),
    "Pod": ("spec",),
}
"""Kinds that make pods, and where they describe them."""


def pod_spec(resource: Resource) -> Properties | None:
    """The specification of the pods that a workload makes, None for what makes none."""
    if not resource.type.startswith("kubernetes:"):
        return None
    path = WORKLOADS.get(resource.kind)
    return at(resource.properties, *path) if path else None


def containers(spec: Properties, *, with_init: bool = True) -> Iterator[Properties]:
    kinds: Iterable[str] = ("initContainers", "containers") if with_init else ("containers",)
    for kind in kinds:
        yield from at(spec, kind, default=())


def images(resource: Resource) -> Iterator[tuple[str, str]]:
    """Name and image of each container that a workload makes, or that is one of Docker's."""
    if resource.type == "docker:index/container:Container":
        yield at(resource.properties, "name", default=resource.name), resource.properties["image"]
    for container in containers(pod_spec(resource) or {}):
        yield container["name"], container["image"]

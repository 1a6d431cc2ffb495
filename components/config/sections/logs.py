"""Where the lines of the models' containers go."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from components.config.logs_types import LogsEndpoint, LokiTenant
from components.config.sections.base import Section
from components.config.sections.resources import ComputeResources, ResourcesConfig
from components.config.types import ContainerPath, ImageRef, MemoryQuantity, NamespaceName, SecretKey

# What each key means something for; the others hold for every collector.
_REMOTE = ("otlp", "loki")
_TARGETS_OF = {
    "endpoint": _REMOTE,
    "authorization": _REMOTE,
    "buffer": _REMOTE,
    "tenant": ("loki",),
    "folder": ("file",),
    "max_size": ("file",),
}
_COLLECTOR = ("stdout", "otlp", "loki", "file")


class LogsConfig(Section):
    """One collector on every node reads the models' logs and brings them to `target`; `off`: there is none.

    `stdout` is the collector's own, for whoever collects from nodes already. `file` are files on each node, at most
    `maxSize` together. `authorization` is the key of a secret: the value of the HTTP header of that name. `buffer` is
    what a node keeps on its disk while the endpoint does not answer; beyond it, the pods' own logs wait.
    """

    target: Literal["off", "stdout", "otlp", "loki", "file"] = "off"
    endpoint: Annotated[LogsEndpoint | None, Field(validate_default=True)] = None
    authorization: SecretKey | None = None
    tenant: LokiTenant | None = None
    folder: ContainerPath | None = None
    max_size: MemoryQuantity | None = None
    buffer: MemoryQuantity | None = None
    image: ImageRef | None = None
    namespace: NamespaceName | None = None
    resources: ResourcesConfig | None = None

    @field_validator("endpoint")
    @classmethod
    def _needed(cls, value: str | None, info: ValidationInfo) -> str | None:
        target = info.data.get("target")
        if value is None and target in _REMOTE:
            raise PydanticCustomError(
                "needed_by_target", "is required and missing with target {target}", {"target": target}
            )
        return value

    @field_validator(
        "endpoint", "authorization", "tenant", "folder", "max_size", "buffer", "image", "namespace", "resources"
    )
    @classmethod
    def _of_target(cls, value: Any, info: ValidationInfo) -> Any:
        allowed, target = _TARGETS_OF.get(info.field_name or "", _COLLECTOR), info.data.get("target")
        if value is not None and target is not None and target not in allowed:
            raise PydanticCustomError(
                "not_of_target",
                "would do nothing with target {target}; allowed with: {allowed}",
                {"target": target, "allowed": ", ".join(allowed)},
            )
        return value

    @property
    def on(self) -> bool:
        """Whether there is a collector."""
        return self.target != "off"

    @property
    def filled_resources(self) -> ResourcesConfig:
        """What the collector's pod asks for. Reading, joining and sending lines takes little."""
        given = self.resources or ResourcesConfig()
        cpu = given.requests.cpu or "50m"
        requests = ComputeResources(cpu=cpu, memory=given.requests.memory)
        return ResourcesConfig(requests=requests, limits=given.limits).filled("128Mi")

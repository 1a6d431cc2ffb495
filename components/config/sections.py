"""The sections of a stack file, as pydantic models. Every default lives here, once.

Keys are camelCase in the file and snake_case in Python. Unknown keys are errors. The validation context may carry
`root` (pathlib.Path, the project's folder): with it, folders named by the configuration must exist.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from components.config.types import (
    CpuQuantity,
    EnvName,
    EnvValue,
    ImageRef,
    ImageRepository,
    MemoryQuantity,
    ModelName,
    ObjectName,
    Port,
    ProjectPath,
    Replicas,
    Seconds,
    SecretKey,
    quantity_value,
)

# Set by the program for every container (components/planning/settings.py), so a model's `env` may not hold them.
RESERVED_ENV = frozenset({"MODEL_NAME", "MODEL_DIR", "PORT", "TERMINATION_LOG", "DRAIN_SECONDS"})


class Section(BaseModel):
    """Base of every section: frozen, camelCase keys, nothing unknown, and errors that never quote their input."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)


class RegistryConfig(Section):
    """Where built images are pushed. Credentials come from the machine's Docker configuration, never from here."""

    repository: ImageRepository
    pull_secret: ObjectName | None = None


class ImageConfig(Section):
    """How images are built. Without platforms, the builder's own platform is built."""

    platforms: tuple[Literal["linux/amd64", "linux/arm64"], ...] = ()


class SourceConfig(Section):
    """A model that this stack builds from its training code."""

    framework: Annotated[Literal["keras"], Field(examples=["keras"])]
    path: ProjectPath

    @field_validator("path")
    @classmethod
    def _folder_exists(cls, path: str, info: ValidationInfo) -> str:
        root = (info.context or {}).get("root")
        if root is not None and not (root / path / "train.py").is_file():
            what = "has no train.py" if (root / path).is_dir() else "does not exist"
            raise PydanticCustomError(
                "model_folder",
                "folder {path} {what}; it must hold the model's training code with train.py in it",
                {"path": path, "what": what},
            )
        return path


class ComputeResources(Section):
    """Amounts of one kind (requests or limits), under Kubernetes' names."""

    cpu: CpuQuantity | None = None
    memory: MemoryQuantity | None = None


class ResourcesConfig(Section):
    """Requests and limits as Kubernetes writes them. What is absent is filled in by `filled`."""

    requests: ComputeResources = ComputeResources()
    limits: ComputeResources = ComputeResources()

    @model_validator(mode="after")
    def _requests_fit_limits(self) -> Self:
        for name in ("cpu", "memory"):
            request, limit = getattr(self.requests, name), getattr(self.limits, name)
            if request and limit and quantity_value(request) > quantity_value(limit):
                raise PydanticCustomError(
                    "request_above_limit",
                    "requests.{name} ({request}) is above limits.{name} ({limit})",
                    {"name": name, "request": request, "limit": limit},
                )
        return self

    def filled(self) -> Self:
        """The same with every request set, and a memory limit.

        A pod without requests is scheduled as if it needed nothing, and one without a memory limit can take its node
        down. There is no default CPU limit: it would throttle inference while cores idle.
        """
        memory = self.requests.memory or self.limits.memory or "256Mi"
        # A limit that the program chooses is twice the request: loading a model needs more than serving it.
        twice = f"{(quantity_value(memory) * 2 / 2**20).to_integral_value(rounding='ROUND_CEILING')}Mi"
        cpu = self.requests.cpu or "250m"
        if self.limits.cpu and not self.requests.cpu:
            cpu = min(cpu, self.limits.cpu, key=quantity_value)
        return type(self)(
            requests=ComputeResources(cpu=cpu, memory=memory),
            limits=ComputeResources(cpu=self.limits.cpu, memory=self.limits.memory or twice),
        )


class PortsConfig(Section):
    """Ports of the container."""

    http: Port = 8080


class ServiceConfig(Section):
    """How the model is reached: a Service named like the model, port 80."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"


class ModelConfig(Section):
    """One served model: built here from `source`, or deployed from an `image` that was built elsewhere."""

    source: SourceConfig | None = None
    image: ImageRef | None = Field(None, validate_default=True)
    replicas: Replicas = 1
    resources: ResourcesConfig = ResourcesConfig()
    env: dict[EnvName, EnvValue] = {}
    secrets: tuple[SecretKey, ...] = ()
    ports: PortsConfig = PortsConfig()
    service: ServiceConfig = ServiceConfig()
    startup_timeout_seconds: Annotated[
        Seconds,
        Field(
            description="a whole number of seconds from 1 to 3600 in which a new pod must be ready, its image pulled",
            examples=[120],
        ),
    ] = 120
    request_timeout_seconds: Annotated[
        Seconds,
        Field(
            description="a whole number of seconds from 1 to 3600: the longest request, which a leaving pod finishes",
            examples=[30],
        ),
    ] = 30

    @field_validator("image", mode="before")
    @classmethod
    def _exactly_one_of_source_and_image(cls, image: Any, info: ValidationInfo) -> Any:
        # A source that did not validate is missing from `data`, but it was given.
        has_source = "source" not in info.data or info.data["source"] is not None
        if has_source and image is not None:
            raise PydanticCustomError("source_and_image", "both source and image are given; a model has exactly one")
        if not has_source and image is None:
            raise PydanticCustomError(
                "neither_source_nor_image",
                "neither source (build it here) nor image (deploy repository@sha256:...) is given; "
                "a model has exactly one",
            )
        return image

    @field_validator("env")
    @classmethod
    def _env_leaves_our_names_alone(cls, env: dict[str, str]) -> dict[str, str]:
        if taken := sorted(RESERVED_ENV & env.keys()):
            raise PydanticCustomError(
                "reserved_env", "{names} cannot be set here: the program sets it", {"names": ", ".join(taken)}
            )
        return env

    @field_validator("secrets")
    @classmethod
    def _secrets_are_named_once(cls, secrets: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({key for key in secrets if secrets.count(key) > 1}):
            raise PydanticCustomError("repeated", "{names} is listed more than once", {"names": ", ".join(twice)})
        return secrets


Models = Annotated[dict[ModelName, ModelConfig], Field(min_length=1, description="a map of models by name")]

"""The sections of a stack file, as pydantic models. Every default lives here, once.

Keys are camelCase in the file and snake_case in Python. Unknown keys are errors. The validation context may carry
`root` (pathlib.Path, the project's folder): with it, folders named by the configuration must exist.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from components.config.types import (
    Argument,
    Artifact,
    ContainerPath,
    CpuQuantity,
    EnvName,
    EnvValue,
    HttpPath,
    ImageRef,
    ImageRepository,
    MemoryQuantity,
    ModelName,
    ObjectName,
    Port,
    ProjectPath,
    PublicKey,
    QualityLoss,
    Replicas,
    Seconds,
    SecretKey,
    quantity_value,
)

# Set by the program for its own server (components/planning/runtimes.py), so a model's `env` may not hold them.
RESERVED_ENV = frozenset(
    {
        "MODEL_NAME",
        "MODEL_DIR",
        "MODEL_SIGNATURE",
        "SIGNATURE_PUBLIC_KEY",
        "PORT",
        "GRPC_PORT",
        "TERMINATION_LOG",
        "DRAIN_SECONDS",
    }
)


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


class SigningConfig(Section):
    """Who may have built the models: each server refuses a model that is not signed with this key.

    `private_key` is the key of the secret that holds the other half; only a stack that builds models needs it.
    """

    public_key: PublicKey
    private_key: SecretKey | None = None


class QuantizationConfig(Section):
    """Weights as int8, if that costs no more than `max_loss` of the quality on the held-out data."""

    type: Annotated[Literal["int8"], Field(examples=["int8"])]
    max_loss: QualityLoss


class SourceConfig(Section):
    """A model that this stack builds: from its training code, or from the artifact that training left elsewhere."""

    framework: Annotated[Literal["keras", "tensorflow", "pytorch", "sklearn", "onnx"], Field(examples=["keras"])]
    path: ProjectPath
    artifact: Artifact | None = None
    quantization: QuantizationConfig | None = None

    @field_validator("artifact")
    @classmethod
    def _artifact_exists(cls, artifact: str | None, info: ValidationInfo) -> str | None:
        root = (info.context or {}).get("root")
        if root is not None and artifact is not None and "://" not in artifact and not (root / artifact).is_dir():
            raise PydanticCustomError(
                "model_folder",
                "folder {path} does not exist; it must hold the finished model",
                {"path": artifact},
            )
        return artifact

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
    """Ports of the container. What is absent is the runtime's own (components/planning/runtimes.py), if it has one."""

    http: Port | None = None
    grpc: Port | None = None
    metrics: Port | None = None


class CsiConfig(Section):
    """A volume of a CSI driver inside the pod, such as one that mounts a bucket."""

    driver: ObjectName
    attributes: dict[str, str] = {}


class ModelFilesConfig(Section):
    """Where the files of a model come from, for a server whose image holds none. Exactly one of image, claim, csi.

    `path` is the folder there (if absent, /model in an image, the root of a volume), `mountPath` where it is mounted.
    """

    image: ImageRef | None = None
    path: ContainerPath | None = None
    mount: Literal["initContainer", "imageVolume"] = "initContainer"
    claim: ObjectName | None = None
    csi: CsiConfig | None = None
    mount_path: ContainerPath | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("image", "claim", "csi") if getattr(self, name) is not None]
        if not given:
            raise PydanticCustomError(
                "model_files",
                "none of image, claim (of a persistent volume) and csi (a volume's driver) is given; "
                "the files of a model come from exactly one",
            )
        if len(given) > 1:
            raise PydanticCustomError(
                "keep_one",
                "{given} are given; the files of a model come from exactly one",
                {"given": " and ".join(given)},
            )
        return self


class ProbesConfig(Section):
    """Paths that answer 200: readiness when the model can answer, liveness while the server need not be restarted."""

    readiness: HttpPath
    liveness: HttpPath | None = None


class ContainerConfig(Section):
    """How a server that this program does not know is run and asked."""

    command: tuple[Argument, ...] = ()
    args: tuple[Argument, ...] = ()
    probes: ProbesConfig
    metrics_path: HttpPath = "/metrics"


class ServiceConfig(Section):
    """How the model is reached: a Service named like the model, port 80."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"


# Servers that teams have standardised on: their image is the server's own, the model comes from `files`.
OTHER_SERVERS = ("tf-serving", "triton", "vllm")
_PORTS = {
    "onnx": ("http", "grpc"),
    "tf-serving": ("http", "grpc"),
    "triton": ("http", "grpc", "metrics"),
    "vllm": ("http",),
    "image": ("http", "grpc", "metrics"),
}


class ModelConfig(Section):
    """One served model: built here from `source`, or deployed from an `image` that was built elsewhere.

    With a `runtime` other than this project's own, `image` is another server, and `files` say where its model is.
    """

    source: SourceConfig | None = None
    image: ImageRef | None = Field(None, validate_default=True)
    runtime: Literal["onnx", "tf-serving", "triton", "vllm", "image"] = "onnx"
    files: ModelFilesConfig | None = Field(None, validate_default=True)
    container: ContainerConfig | None = Field(None, validate_default=True)
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

    @field_validator("runtime")
    @classmethod
    def _only_our_runtime_is_built(cls, runtime: str, info: ValidationInfo) -> str:
        if runtime != "onnx" and info.data.get("source") is not None:
            raise PydanticCustomError(
                "runtime_with_source",
                "{runtime} runs the server of an image as it is, and builds nothing from a source; "
                "give image (the server) and files (where its model comes from)",
                {"runtime": runtime},
            )
        return runtime

    @field_validator("files")
    @classmethod
    def _files_are_for_other_servers(
        cls, files: ModelFilesConfig | None, info: ValidationInfo
    ) -> ModelFilesConfig | None:
        runtime = info.data.get("runtime")
        if files is None and runtime in OTHER_SERVERS:
            raise PydanticCustomError(
                "needed_by_runtime",
                "is required and missing; the image of {runtime} holds a server and no model",
                {"runtime": runtime},
            )
        if files is not None and runtime == "onnx":
            raise PydanticCustomError(
                "not_of_runtime",
                "is not possible with runtime onnx, whose image holds the model; allowed with: {others}",
                {"others": ", ".join((*OTHER_SERVERS, "image"))},
            )
        return files

    @field_validator("container")
    @classmethod
    def _container_is_for_runtime_image(
        cls, container: ContainerConfig | None, info: ValidationInfo
    ) -> ContainerConfig | None:
        runtime = info.data.get("runtime")
        if container is None and runtime == "image":
            raise PydanticCustomError(
                "needed_by_runtime",
                "is required and missing; with runtime {runtime} it says how the server is run and when it is ready",
                {"runtime": runtime},
            )
        if container is not None and runtime not in ("image", None):
            raise PydanticCustomError(
                "not_of_runtime",
                "is not possible with runtime {runtime}, which is run as it should be; allowed with: image",
                {"runtime": runtime},
            )
        return container

    @field_validator("ports")
    @classmethod
    def _ports_are_the_runtimes(cls, ports: PortsConfig, info: ValidationInfo) -> PortsConfig:
        runtime = info.data.get("runtime", "image")
        given = ports.model_dump(exclude_none=True)
        if strange := sorted(given.keys() - set(_PORTS[runtime])):
            raise PydanticCustomError(
                "not_of_runtime",
                "the runtime {runtime} has no port {names}; allowed: {allowed}",
                {"runtime": runtime, "names": " and ".join(strange), "allowed": ", ".join(_PORTS[runtime])},
            )
        if len(set(given.values())) < len(given):
            raise PydanticCustomError("ports_differ", "two ports have the same number; each needs its own")
        return ports

    @field_validator("env")
    @classmethod
    def _env_leaves_our_names_alone(cls, env: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if info.data.get("runtime") != "onnx":
            return env
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

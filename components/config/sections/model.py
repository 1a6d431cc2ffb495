"""One model of a stack."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from components.config.pool_types import PodGpus, PoolName
from components.config.sections.base import Section
from components.config.sections.build import SourceConfig
from components.config.sections.capacity import RolloutConfig
from components.config.sections.network import (
    CanaryConfig,
    IngressConfig,
    ModelNetworkConfig,
    RouteConfig,
    ServiceConfig,
)
from components.config.sections.resources import ResourcesConfig
from components.config.sections.runtime import (
    OTHER_SERVERS,
    OWN_RUNTIMES,
    PORTS_OF_RUNTIME,
    TENSORFLOW_FRAMEWORKS,
    ContainerConfig,
    ModelFilesConfig,
    PortsConfig,
)
from components.config.sections.scaling import DisruptionBudgetConfig, ReplicasConfig, ReplicasSetting, SpreadConfig
from components.config.sections.settings import (
    RESERVED_ENV,
    ConfigFiles,
    Database,
    IdentityConfig,
    Secrets,
)
from components.config.sections.slo import SloConfig
from components.config.types import EnvName, EnvValue, ImageRef, ModelName, ObjectName, Seconds
from components.planning.names import GRPC_PORT_NAME
from components.planning.runtimes import runtime_of
from components.planning.server_metrics import metrics_of
from components.planning.triggers import IN_FLIGHT, QUEUE, measures

# The default of startup_timeout_seconds, by what the image is of: the larger ones are pulled and unpacked for longer,
# and TensorFlow takes seconds to import.
_STARTUP_SECONDS, _STARTUP_SECONDS_TENSORFLOW, _STARTUP_SECONDS_CUDA = 120, 300, 600


def _startup_timeout(data: dict[str, Any]) -> int:
    if data.get("accelerator") == "cuda":
        return _STARTUP_SECONDS_CUDA
    return _STARTUP_SECONDS_TENSORFLOW if data.get("runtime") == "tensorflow" else _STARTUP_SECONDS


class ModelConfig(Section):
    """One served model: built here from `source`, or deployed from an `image` that was built elsewhere.

    `runtime` onnx and tensorflow are this project's own server; tensorflow is for graphs that ONNX cannot express. With
    another one, `image` is another server, and `files` say where its model is. `accelerator` is what computes beside
    the processor. `renamedFrom` is what a model that was renamed is still called in requests and in the cluster.
    """

    source: SourceConfig | None = None
    image: ImageRef | None = Field(None, validate_default=True)
    runtime: Literal["onnx", "tensorflow", "tf-serving", "triton", "vllm", "image"] = "onnx"
    accelerator: Literal["none", "cuda"] = "none"
    files: ModelFilesConfig | None = Field(None, validate_default=True)
    container: ContainerConfig | None = Field(None, validate_default=True)
    replicas: ReplicasSetting = ReplicasConfig(min=1, max=1)
    resources: ResourcesConfig = ResourcesConfig()
    env: dict[EnvName, EnvValue] = {}
    secrets: Secrets = ()
    ports: PortsConfig = PortsConfig()
    service: ServiceConfig = ServiceConfig()
    startup_timeout_seconds: Annotated[
        Seconds,
        Field(
            description="a whole number of seconds from 1 to 3600 in which a new pod must be ready, its image pulled",
            examples=[120],
            default_factory=_startup_timeout,
        ),
    ]
    request_timeout_seconds: Annotated[
        Seconds,
        Field(
            description="a whole number of seconds from 1 to 3600: the longest request, which a leaving pod finishes",
            examples=[30],
        ),
    ] = 30
    spread: SpreadConfig = SpreadConfig()
    disruption_budget: DisruptionBudgetConfig | None = None
    priority_class: Annotated[ObjectName, Field(examples=["online"])] | None = None
    rollout: RolloutConfig = RolloutConfig()
    node_pool: PoolName | None = None
    gpus: PodGpus | None = None
    ingress: IngressConfig | None = None
    route: RouteConfig | None = None
    canary: CanaryConfig | None = None
    network: ModelNetworkConfig = ModelNetworkConfig()
    config_files: ConfigFiles = {}
    database: Database | None = None
    identity: IdentityConfig | None = None
    slo: SloConfig | None = None
    renamed_from: ModelName | None = None

    def served_name(self, name: str) -> str:
        """What the model of this `name` in the stack file is called in requests, in the cluster and in Pulumi's state.

        A rename keeps all of that: it is in addresses that clients have, and in a Deployment's selector.
        """
        return self.renamed_from or name

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
        source = info.data.get("source")
        if source is None:
            return runtime
        if runtime not in OWN_RUNTIMES:
            raise PydanticCustomError(
                "runtime_with_source",
                "{runtime} runs the server of an image as it is, and builds nothing from a source; "
                "give image (the server) and files (where its model comes from)",
                {"runtime": runtime},
            )
        if runtime == "tensorflow" and source.framework not in TENSORFLOW_FRAMEWORKS:
            raise PydanticCustomError(
                "runtime_of_source",
                "tensorflow serves a SavedModel, which {framework} does not make; allowed with frameworks: {allowed}",
                {"framework": source.framework, "allowed": ", ".join(TENSORFLOW_FRAMEWORKS)},
            )
        if runtime == "tensorflow" and source.quantization is not None:
            raise PydanticCustomError(
                "runtime_of_source", "tensorflow serves weights as they are; int8 weights are possible with onnx only"
            )
        return runtime

    @field_validator("accelerator")
    @classmethod
    def _accelerator_is_of_onnx(cls, accelerator: str, info: ValidationInfo) -> str:
        runtime = info.data.get("runtime", "onnx")
        if accelerator != "none" and runtime != "onnx":
            raise PydanticCustomError(
                "not_of_runtime",
                "is not possible with runtime {runtime}, {why}; allowed with: onnx",
                {
                    "runtime": runtime,
                    "why": "whose image computes on the processor"
                    if runtime in OWN_RUNTIMES
                    else "whose image says by itself what it computes with",
                },
            )
        return accelerator

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
        if files is not None and runtime in OWN_RUNTIMES:
            raise PydanticCustomError(
                "not_of_runtime",
                "is not possible with runtime {runtime}, whose image holds the model; allowed with: {others}",
                {"runtime": runtime, "others": ", ".join((*OTHER_SERVERS, "image"))},
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
        if strange := sorted(given.keys() - set(PORTS_OF_RUNTIME[runtime])):
            raise PydanticCustomError(
                "not_of_runtime",
                "the runtime {runtime} has no port {names}; allowed: {allowed}",
                {"runtime": runtime, "names": " and ".join(strange), "allowed": ", ".join(PORTS_OF_RUNTIME[runtime])},
            )
        if len(set(given.values())) < len(given):
            raise PydanticCustomError("ports_differ", "two ports have the same number; each needs its own")
        return ports

    @field_validator("replicas")
    @classmethod
    def _targets_are_measured(cls, replicas: ReplicasConfig, info: ValidationInfo) -> ReplicasConfig:
        runtime = info.data.get("runtime")
        given = (
            ("targetInFlight", replicas.target_in_flight, IN_FLIGHT),
            ("targetQueueTime", replicas.target_queue_time, QUEUE),
        )
        for key, value, metric in given:
            if runtime is not None and value is not None and not measures(metrics_of(runtime), metric):
                raise PydanticCustomError(
                    "target_not_measured",
                    "is not possible with runtime {runtime}, of whose server this program knows no such metric; "
                    "allowed: targetCPUUtilization",
                    {"runtime": runtime, "key": key},
                )
        return replicas

    @field_validator("env")
    @classmethod
    def _env_leaves_our_names_alone(cls, env: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if info.data.get("runtime") not in OWN_RUNTIMES:
            return env
        if taken := sorted(RESERVED_ENV & env.keys()):
            raise PydanticCustomError(
                "reserved_env", "{names} cannot be set here: the program sets it", {"names": ", ".join(taken)}
            )
        return env

    @field_validator("disruption_budget")
    @classmethod
    def _nodes_can_be_drained(
        cls, budget: DisruptionBudgetConfig | None, info: ValidationInfo
    ) -> DisruptionBudgetConfig | None:
        replicas = info.data.get("replicas")
        if budget is not None and replicas is not None and budget.blocks(replicas.min):
            raise PydanticCustomError(
                "budget_blocks",
                "minAvailable {amount} of {least} replicas lets no pod leave: its node could never be drained",
                {"amount": budget.min_available, "least": replicas.min},
            )
        return budget

    @field_validator("route")
    @classmethod
    def _one_way_from_outside(cls, route: RouteConfig | None, info: ValidationInfo) -> RouteConfig | None:
        if route is not None and info.data.get("ingress") is not None:
            raise PydanticCustomError("keep_one", "ingress and route are given; a model has one way from outside")
        return route

    @field_validator("canary")
    @classmethod
    def _something_divides_the_traffic(cls, canary: CanaryConfig | None, info: ValidationInfo) -> CanaryConfig | None:
        # A route that did not validate is missing from `data`, but it was given.
        if canary is not None and "route" in info.data and info.data["route"] is None:
            raise PydanticCustomError(
                "canary_needs_route",
                "needs a route: only the Gateway API divides requests by weight; a Service divides them by pods, and "
                "an Ingress in a way of its controller's own",
            )
        return canary

    @field_validator("slo")
    @classmethod
    def _what_is_promised_is_measured(cls, slo: SloConfig | None, info: ValidationInfo) -> SloConfig | None:
        runtime = info.data.get("runtime")
        if slo is None or runtime is None:
            return slo
        metrics = metrics_of(runtime)
        if metrics is None:
            raise PydanticCustomError(
                "not_of_runtime",
                "is not possible with runtime {runtime}, of whose server this program knows no metrics; write rules of "
                "your own for it",
                {"runtime": runtime},
            )
        if slo.latency_seconds is None:
            return slo
        if not metrics.bounds:
            raise PydanticCustomError(
                "latency_not_measured",
                "is not possible with runtime {runtime}, which has no histogram of latencies; allowed: availability",
                {"runtime": runtime},
            )
        if metrics.bound(slo.latency_seconds) is None:
            raise PydanticCustomError(
                "latency_not_counted",
                "{latency} is between two bounds of the histogram of {runtime}, so nobody can count the requests "
                "within it; allowed: {allowed}",
                {
                    "latency": slo.latency_p99,
                    "runtime": runtime,
                    "allowed": ", ".join(metrics.latencies()),
                    "nearest": metrics.nearest(slo.latency_seconds),
                },
            )
        return slo

    @model_validator(mode="after")
    def _the_services_ports_differ(self) -> Self:
        grpc = runtime_of("", self).ports.get("grpc")
        if self.service.port == grpc:
            raise PydanticCustomError(
                "ports_differ", "service.port is {port}, which is the port for gRPC too", {"port": grpc}
            )
        if grpc is not None and self.service.port_name in ("", GRPC_PORT_NAME):
            raise PydanticCustomError(
                "ports_differ",
                "service.portName has to tell the port from that for gRPC, which is named {name}",
                {"name": GRPC_PORT_NAME},
            )
        return self


Models = Annotated[dict[ModelName, ModelConfig], Field(description="a map of models by name")]

"""The server that runs a model: its ports, and for other servers than this project's, their files and commands."""

from typing import Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from components.config.sections.base import Section
from components.config.types import Argument, ContainerPath, HttpPath, ImageRef, ObjectName, Port

# This project's own server (model/server), in ONNX Runtime or TensorFlow: what is built here, and proves itself.
OWN_RUNTIMES = ("onnx", "tensorflow")
# Whose models have the form that TensorFlow serves.
TENSORFLOW_FRAMEWORKS = ("keras", "tensorflow")
# Servers that teams have standardised on: their image is the server's own, the model comes from `files`.
OTHER_SERVERS = ("tf-serving", "triton", "vllm")
PORTS_OF_RUNTIME = {
    "onnx": ("http", "grpc"),
    "tensorflow": ("http", "grpc"),
    "tf-serving": ("http", "grpc"),
    "triton": ("http", "grpc", "metrics"),
    "vllm": ("http",),
    "image": ("http", "grpc", "metrics"),
}


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

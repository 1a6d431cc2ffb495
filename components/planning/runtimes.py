"""The servers that can run a model, as a pod needs to know them: how they start, listen, are asked and find the model.

`onnx` and `tensorflow` are this project's own (model/server). The others are presets for servers that a team has
standardised on, by their documentation: TensorFlow Serving 2, Triton 2 and vLLM; `image` is any other, as the stack
file describes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.config import ContainerConfig, ModelConfig

# Where files of settings that a server wants are mounted.
SETTINGS_FOLDER = "/etc/model-serving"


# What our own server takes with a small model. TensorFlow is half a gigabyte before it has loaded anything.
_OWN_MEMORY = {"onnx": "256Mi", "tensorflow": "768Mi", "cuda": "2Gi"}


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How one server runs one model.

    Attributes:
        ports: container ports by name, "http" among them.
        readiness: path on "http" that answers 200 only while this model can answer.
        liveness: path on "http" that answers 200 while a restart would not help; without one, the port must be open.
        metrics_port: name of the port that has the metrics.
        command: instead of the image's entry point; empty: the image's own.
        environment: variables that the server needs under this program's security settings.
        settings_files: files in SETTINGS_FOLDER, by name.
        model_folder: where the server looks for the model's files; None for an image that holds them.
        scratch: size of /tmp, the only place to write to.
        memory: what the server requests where the stack file says nothing.
        shared_memory: size of /dev/shm, None for the container runtime's own 64 MiB.
    """

    ports: Mapping[str, int]
    readiness: str
    liveness: str | None
    metrics_port: str = "http"
    metrics_path: str = "/metrics"
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    settings_files: Mapping[str, str] = field(default_factory=dict[str, str])
    model_folder: str | None = None
    scratch: str = "64Mi"
    memory: str = "256Mi"
    shared_memory: str | None = None


def runtime_of(model: str, config: "ModelConfig", public_key: str | None = None) -> Runtime:
    """The runtime that the configuration of a model names. Our own demands a signature of `public_key`."""
    match config.runtime:
        case "onnx" | "tensorflow":
            return _own(model, config, public_key)
        case "tf-serving":
            return _tf_serving(model, config)
        case "triton":
            return _triton(model, config)
        case "vllm":
            return _vllm(model, config)
        case "image":
            if config.container is None:
                raise ValueError("the configuration is checked: this runtime comes with a container")
            return _image(config, config.container)


def _own(model: str, config: "ModelConfig", public_key: str | None) -> Runtime:
    ports = _ports(config, http=8080)
    return Runtime(
        ports=ports,
        readiness="/v2/health/ready",
        liveness="/v2/health/live",
        environment={
            "MODEL_NAME": model,
            "PORT": str(ports["http"]),
            # An image for a GPU says so itself; one that is not, refuses.
            **({"ACCELERATOR": config.accelerator} if config.accelerator != "none" else {}),
            # A leaving server finishes the longest request; the pod's grace period allows for it (rollout.py).
            "DRAIN_SECONDS": str(config.request_timeout_seconds),
            **({"SIGNATURE_PUBLIC_KEY": public_key} if public_key else {}),
            # Another server in the process costs memory: only where it is asked for.
            **({"GRPC_PORT": str(ports["grpc"])} if "grpc" in ports else {}),
        },
        memory=_OWN_MEMORY["cuda" if config.accelerator == "cuda" else config.runtime],
    )


def _tf_serving(model: str, config: "ModelConfig") -> Runtime:
    ports = _ports(config, http=8501, grpc=8500)
    metrics = "/monitoring/prometheus/metrics"
    return Runtime(
        ports=ports,
        # The status of a model answers 200 for a version that is still loading; its metadata only for one that serves.
        readiness=f"/v1/models/{model}/metadata",
        liveness=None,
        metrics_path=metrics,
        # Not the image's script, which would add options of its own.
        command=("tensorflow_model_server",),
        args=(
            f"--rest_api_port={ports['http']}",
            f"--port={ports['grpc']}",
            f"--model_name={model}",
            f"--model_base_path=/models/{model}",
            f"--rest_api_timeout_in_ms={config.request_timeout_seconds * 1000}",
            f"--monitoring_config_file={SETTINGS_FOLDER}/monitoring.config",
        ),
        settings_files={"monitoring.config": f'prometheus_config {{ enable: true, path: "{metrics}" }}\n'},
        # It serves the highest of the versions that it finds: there is one, since another model is another pod.
        model_folder=_folder(config, f"/models/{model}/1"),
    )


def _triton(model: str, config: "ModelConfig") -> Runtime:
    ports = _ports(config, http=8000, grpc=8001, metrics=8002)
    return Runtime(
        ports=ports,
        readiness=f"/v2/models/{model}/ready",
        liveness="/v2/health/live",
        metrics_port="metrics",
        command=("tritonserver",),
        args=(
            "--model-repository=/models",
            "--model-control-mode=explicit",
            f"--load-model={model}",
            f"--http-port={ports['http']}",
            f"--grpc-port={ports['grpc']}",
            f"--metrics-port={ports['metrics']}",
            f"--exit-timeout-secs={config.request_timeout_seconds}",
        ),
        # A folder of a model repository: config.pbtxt beside a folder 1 with the model in it.
        model_folder=_folder(config, f"/models/{model}"),
        # Its Python back end talks to its processes through shared memory.
        shared_memory="256Mi",
    )


def _vllm(model: str, config: "ModelConfig") -> Runtime:
    ports = _ports(config, http=8000)
    folder = _folder(config, "/model")
    return Runtime(
        ports=ports,
        # It listens only once the model is loaded, and the engine itself is what answers here.
        readiness="/health",
        liveness="/health",
        command=("python3", "-m", "vllm.entrypoints.openai.api_server"),
        args=(f"--model={folder}", f"--served-model-name={model}", "--host=0.0.0.0", f"--port={ports['http']}"),
        environment={
            # Caches go where the pod may write, under a user that no file of the image knows.
            "HOME": "/tmp",  # noqa: S108
            "USER": "vllm",
            "TRITON_CACHE_DIR": "/tmp/triton",  # noqa: S108
            "TORCHINDUCTOR_CACHE_DIR": "/tmp/torchinductor",  # noqa: S108
            "VLLM_CACHE_ROOT": "/tmp/vllm",  # noqa: S108
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
        },
        model_folder=folder,
        scratch="8Gi",
        # Tensor-parallel workers share memory.
        shared_memory="2Gi",
    )


def _image(config: "ModelConfig", container: "ContainerConfig") -> Runtime:
    ports = _ports(config, http=8080)
    return Runtime(
        ports=ports,
        readiness=container.probes.readiness,
        liveness=container.probes.liveness,
        metrics_port="metrics" if "metrics" in ports else "http",
        metrics_path=container.metrics_path,
        command=container.command,
        args=container.args,
        model_folder=_folder(config, "/model") if config.files else None,
    )


def _ports(config: "ModelConfig", **usual: int) -> dict[str, int]:
    """The ports that the stack file names over the usual ones of a runtime."""
    return usual | config.ports.model_dump(exclude_none=True)


def _folder(config: "ModelConfig", usual: str) -> str:
    return (config.files.mount_path if config.files else None) or usual

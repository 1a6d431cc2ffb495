"""The pod of a model: one container under Pod Security `restricted`, and stricter where nothing is lost by it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.planning import pools, rollout, scaling
from components.planning.containers import requirements, restricted_container, restricted_pod
from components.planning.runtimes import SETTINGS_FOLDER
from components.planning.settings import SECRETS_FOLDER

if TYPE_CHECKING:
    import pulumi
    from pulumi_kubernetes.core.v1 import (
        ContainerArgsDict,
        EnvVarArgsDict,
        PodSpecArgsDict,
        VolumeArgsDict,
        VolumeMountArgsDict,
        VolumeProjectionArgsDict,
    )

    from components.config import ModelConfig, ModelFilesConfig
    from components.planning.pools import NodePool
    from components.planning.runtimes import Runtime
    from components.planning.settings import SecretKeys

CONTAINER = "server"
# The user of the image (model/Dockerfile). Above 10000, so that it is nobody on the node.
USER = 65532
# Where an init container puts the model's files.
_COPIED_FILES = "/model-files"


@dataclass(frozen=True, kw_only=True)
class PodSecrets:
    """A Secret by its name, and which of its keys the pod gets as what."""

    name: "pulumi.Input[str]"
    keys: "SecretKeys"


@dataclass(frozen=True, kw_only=True)
class PodInputs:
    """What a pod takes from other objects: names that they get when they are created, and the pool of its nodes."""

    image: "pulumi.Input[str]"
    settings: "pulumi.Input[str]"
    settings_files: "pulumi.Input[str] | None"
    secrets: tuple[PodSecrets, ...]
    account: "pulumi.Input[str]"
    pull_secret: "pulumi.Input[str] | None"
    pool: "NodePool | None" = None


_GCS_FUSE = "gcsfuse.csi.storage.gke.io"


def pod_spec(
    config: "ModelConfig", runtime: "Runtime", inputs: PodInputs, selector: dict[str, str]
) -> "PodSpecArgsDict":
    """The pod of one model. `selector` are the labels that all of its pods share."""
    spec: PodSpecArgsDict = {
        "service_account_name": inputs.account,
        "automount_service_account_token": False,
        # The old {SERVICE}_HOST variables of every Service in the namespace; nothing here reads them.
        "enable_service_links": False,
        "security_context": restricted_pod(USER),
        "termination_grace_period_seconds": rollout.termination_grace(config),
        "affinity": scaling.apart(config.spread, selector),
        "topology_spread_constraints": scaling.spread(config.spread, selector),
        "containers": [_container(config, runtime, inputs)],
        "volumes": _volumes(config, runtime, inputs),
    }
    if config.files is not None and config.files.image and config.files.mount == "initContainer":
        spec["init_containers"] = [_copy_of_files(config.files, config.files.image)]
    if config.priority_class is not None:
        spec["priority_class_name"] = config.priority_class
    if inputs.pull_secret is not None:
        spec["image_pull_secrets"] = [{"name": inputs.pull_secret}]
    return spec if inputs.pool is None else pools.place(spec, inputs.pool)


def annotations(config: "ModelConfig", inputs: PodInputs) -> dict[str, str]:
    """What others are told about the pod."""
    told = dict(inputs.pool.pod_annotations) if inputs.pool else {}
    csi = config.files.csi if config.files is not None else None
    if csi is not None and csi.driver == _GCS_FUSE:
        # Without it GKE adds no container that mounts the bucket.
        told["gke-gcsfuse/volumes"] = "true"
    return told


def _container(config: "ModelConfig", runtime: "Runtime", inputs: PodInputs) -> "ContainerArgsDict":
    container: ContainerArgsDict = {
        "name": CONTAINER,
        "image": inputs.image,
        # A digest never changes its content, so a node that has it needs no registry.
        "image_pull_policy": "IfNotPresent",
        "env_from": [{"config_map_ref": {"name": inputs.settings}}],
        "ports": [{"name": name, "container_port": port, "protocol": "TCP"} for name, port in runtime.ports.items()],
        "resources": pools.with_gpus(requirements(config.resources.filled(runtime.memory)), config, inputs.pool),
        "security_context": restricted_container(),
        "startup_probe": rollout.startup_probe(config, runtime),
        "readiness_probe": rollout.readiness_probe(runtime),
        "liveness_probe": rollout.liveness_probe(runtime),
        "lifecycle": rollout.lifecycle(),
        # The reason of a refused model, or the end of the log, becomes part of the pod's status.
        "termination_message_policy": "FallbackToLogsOnError",
        "volume_mounts": _mounts(config, runtime, inputs),
    }
    if variables := _secret_variables(inputs.secrets):
        container["env"] = variables
    if runtime.command:
        container["command"] = list(runtime.command)
    if runtime.args:
        container["args"] = list(runtime.args)
    return container


def _copy_of_files(files: "ModelFilesConfig", image: str) -> "ContainerArgsDict":
    """Copies a model out of its image, before the server starts. The image needs `cp`."""
    return {
        "name": "model-files",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        # -f: a container that is started again finds files that nobody may write.
        "command": ["cp", "-Rf", f"{files.path or '/model'}/.", _COPIED_FILES],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "security_context": restricted_container(),
        "volume_mounts": [{"name": "model", "mount_path": _COPIED_FILES}],
    }


def _volumes(config: "ModelConfig", runtime: "Runtime", inputs: PodInputs) -> "list[pulumi.Input[VolumeArgsDict]]":
    # Scratch space; the rest of the file system is read-only. Beyond its size the pod is evicted, not its node filled.
    volumes: list[pulumi.Input[VolumeArgsDict]] = [{"name": "scratch", "empty_dir": {"size_limit": runtime.scratch}}]
    if sources := _secret_files(inputs.secrets):
        volumes.append({"name": "secrets", "projected": {"sources": sources, "default_mode": 0o440}})
    if inputs.settings_files is not None:
        volumes.append({"name": "settings", "config_map": {"name": inputs.settings_files}})
    if runtime.shared_memory is not None:
        volumes.append({"name": "shm", "empty_dir": {"medium": "Memory", "size_limit": runtime.shared_memory}})
    if config.files is not None:
        volumes.append(_model_volume(config.files))
    return volumes


def _secret_files(secrets: tuple[PodSecrets, ...]) -> "list[pulumi.Input[VolumeProjectionArgsDict]]":
    return [
        {
            "secret": {
                "name": secret.name,
                "items": [{"key": key, "path": path} for path, key in secret.keys.files.items()],
            }
        }
        for secret in secrets
        if secret.keys.files
    ]


def _secret_variables(secrets: tuple[PodSecrets, ...]) -> "list[pulumi.Input[EnvVarArgsDict]]":
    return [
        {"name": variable, "value_from": {"secret_key_ref": {"name": secret.name, "key": key}}}
        for secret in secrets
        for variable, key in secret.keys.variables.items()
    ]


def _model_volume(files: "ModelFilesConfig") -> "VolumeArgsDict":
    if files.image is not None and files.mount == "imageVolume":
        return {"name": "model", "image": {"reference": files.image, "pull_policy": "IfNotPresent"}}
    if files.image is not None:
        return {"name": "model", "empty_dir": {}}
    if files.claim is not None:
        return {"name": "model", "persistent_volume_claim": {"claim_name": files.claim, "read_only": True}}
    if files.csi is not None:
        attributes = dict(files.csi.attributes)
        return {
            "name": "model",
            "csi": {"driver": files.csi.driver, "read_only": True, "volume_attributes": attributes},
        }
    raise ValueError("the configuration is checked: the files come from exactly one place")


def _mounts(config: "ModelConfig", runtime: "Runtime", inputs: PodInputs) -> "list[pulumi.Input[VolumeMountArgsDict]]":
    mounts: list[pulumi.Input[VolumeMountArgsDict]] = [{"name": "scratch", "mount_path": "/tmp"}]  # noqa: S108
    if _secret_files(inputs.secrets):
        mounts.append({"name": "secrets", "mount_path": SECRETS_FOLDER, "read_only": True})
    if inputs.settings_files is not None:
        mounts.append({"name": "settings", "mount_path": SETTINGS_FOLDER, "read_only": True})
    if runtime.shared_memory is not None:
        mounts.append({"name": "shm", "mount_path": "/dev/shm"})  # noqa: S108
    if config.files is not None and runtime.model_folder is not None:
        mounts.append(_model_mount(config.files, runtime.model_folder))
    return mounts


def _model_mount(files: "ModelFilesConfig", folder: str) -> "VolumeMountArgsDict":
    mount: VolumeMountArgsDict = {"name": "model", "mount_path": folder, "read_only": True}
    copied = files.image is not None and files.mount == "initContainer"
    path = files.path or ("/model" if files.image else None)
    if path is not None and not copied:
        mount["sub_path"] = path.lstrip("/")
    return mount

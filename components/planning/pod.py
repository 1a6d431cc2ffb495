"""The pod of a model: one container under Pod Security `restricted`, and stricter where nothing is lost by it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.planning import rollout

if TYPE_CHECKING:
    import pulumi
    from pulumi_kubernetes.core.v1 import (
        AffinityArgsDict,
        ContainerArgsDict,
        PodAffinityTermArgsDict,
        PodSecurityContextArgsDict,
        PodSpecArgsDict,
        ResourceRequirementsArgsDict,
        SecurityContextArgsDict,
        TopologySpreadConstraintArgsDict,
        VolumeArgsDict,
        VolumeMountArgsDict,
    )

    from components.config import ModelConfig, ResourcesConfig

CONTAINER = "server"
# The user of the image (model/Dockerfile). Above 10000, so that it is nobody on the node.
USER = 65532
SECRETS_FOLDER = "/run/secrets/model-serving"
# Scratch space; the rest of the file system is read-only. Beyond its size the pod is evicted, not its node filled.
SCRATCH_SIZE = "64Mi"


@dataclass(frozen=True, kw_only=True)
class PodInputs:
    """What a pod takes from other objects: names that Kubernetes objects get when they are created."""

    image: "pulumi.Input[str]"
    settings: "pulumi.Input[str]"
    secrets: "pulumi.Input[str] | None"
    account: "pulumi.Input[str]"
    pull_secret: str | None


def pod_spec(config: "ModelConfig", inputs: PodInputs, selector: dict[str, str]) -> "PodSpecArgsDict":
    """The pod of one model. `selector` are the labels that all of its pods share."""
    spec: PodSpecArgsDict = {
        "service_account_name": inputs.account,
        "automount_service_account_token": False,
        # The old {SERVICE}_HOST variables of every Service in the namespace; nothing here reads them.
        "enable_service_links": False,
        "security_context": _pod_security(),
        "termination_grace_period_seconds": rollout.termination_grace(config),
        "affinity": _apart_from(selector),
        "topology_spread_constraints": _spread(selector),
        "containers": [_container(config, inputs)],
        "volumes": _volumes(inputs),
    }
    if inputs.pull_secret is not None:
        spec["image_pull_secrets"] = [{"name": inputs.pull_secret}]
    return spec


def _container(config: "ModelConfig", inputs: PodInputs) -> "ContainerArgsDict":
    return {
        "name": CONTAINER,
        "image": inputs.image,
        # A digest never changes its content, so a node that has it needs no registry.
        "image_pull_policy": "IfNotPresent",
        "env_from": [{"config_map_ref": {"name": inputs.settings}}],
        "ports": [{"name": "http", "container_port": config.ports.http, "protocol": "TCP"}],
        "resources": _resources(config.resources.filled()),
        "security_context": _container_security(),
        "startup_probe": rollout.startup_probe(config),
        "readiness_probe": rollout.readiness_probe(),
        "liveness_probe": rollout.liveness_probe(),
        "lifecycle": rollout.lifecycle(),
        # The reason of a refused model, or the end of the log, becomes part of the pod's status.
        "termination_message_policy": "FallbackToLogsOnError",
        "volume_mounts": _mounts(inputs),
    }


def _resources(resources: "ResourcesConfig") -> "ResourceRequirementsArgsDict":
    return {
        "requests": resources.requests.model_dump(exclude_none=True),
        "limits": resources.limits.model_dump(exclude_none=True),
    }


def _pod_security() -> "PodSecurityContextArgsDict":
    return {
        "run_as_non_root": True,
        "run_as_user": USER,
        "run_as_group": USER,
        # Secret files belong to root; their group is what lets the server read them.
        "fs_group": USER,
        "seccomp_profile": {"type": "RuntimeDefault"},
    }


def _container_security() -> "SecurityContextArgsDict":
    return {
        "allow_privilege_escalation": False,
        "read_only_root_filesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _volumes(inputs: PodInputs) -> "list[pulumi.Input[VolumeArgsDict]]":
    volumes: list[pulumi.Input[VolumeArgsDict]] = [{"name": "scratch", "empty_dir": {"size_limit": SCRATCH_SIZE}}]
    if inputs.secrets is not None:
        volumes.append({"name": "secrets", "secret": {"secret_name": inputs.secrets, "default_mode": 0o440}})
    return volumes


def _mounts(inputs: PodInputs) -> "list[pulumi.Input[VolumeMountArgsDict]]":
    mounts: list[pulumi.Input[VolumeMountArgsDict]] = [{"name": "scratch", "mount_path": "/tmp"}]  # noqa: S108
    if inputs.secrets is not None:
        mounts.append({"name": "secrets", "mount_path": SECRETS_FOLDER, "read_only": True})
    return mounts


def _apart_from(selector: dict[str, str]) -> "AffinityArgsDict":
    """Prefer nodes without another pod of this model. Preferred, not required: one node is a cluster too."""
    term: PodAffinityTermArgsDict = {
        "topology_key": "kubernetes.io/hostname",
        "label_selector": {"match_labels": selector},
    }
    return {
        "pod_anti_affinity": {
            "preferred_during_scheduling_ignored_during_execution": [{"weight": 100, "pod_affinity_term": term}]
        }
    }


def _spread(selector: dict[str, str]) -> "list[pulumi.Input[TopologySpreadConstraintArgsDict]]":
    """Spread over zones and nodes, where there are several."""
    return [
        {
            "max_skew": 1,
            "topology_key": key,
            "when_unsatisfiable": "ScheduleAnyway",
            "label_selector": {"match_labels": selector},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]

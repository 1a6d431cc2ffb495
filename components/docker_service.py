"""A service of a Compose project as containers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pulumi
import pulumi_docker as docker


@dataclass(frozen=True, kw_only=True)
class DockerServiceArgs:
    """What runs and how.

    Attributes:
        service: the name by which others in the network find it.
        plan: the service as components/planning/compose.py plans it.
        network: name of the network.
        volumes: names of volumes, by their keys in the project.
        files: contents of files in the containers, by path, secret ones too.
        variables: secret ones.
    """

    service: str
    plan: Mapping[str, Any]
    network: pulumi.Input[str]
    volumes: Mapping[str, pulumi.Input[str]]
    files: Mapping[str, pulumi.Input[str]]
    variables: Mapping[str, pulumi.Input[str]]


class DockerService(pulumi.ComponentResource):
    """As many containers as the plan has replicas, each made anew for every change, and ready when it is created.

    The new one is there before the old one goes: ports and names are not fixed.
    """

    image: pulumi.Output[str]
    ports: pulumi.Output[list[int | None]]
    """Of 127.0.0.1, of each container: where its first port is published."""

    def __init__(self, name: str, args: DockerServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:docker:DockerService", name, None, opts)
        self.image = pulumi.Output.from_input(args.plan["image"])
        files = self._files(name, args) if args.files else None
        containers = [
            docker.Container(f"{name}-{number}", _container(args, files), pulumi.ResourceOptions(parent=self))
            for number in range(1, args.plan["deploy"].get("replicas", 1) + 1)
        ]
        self.ports = pulumi.Output.all(*(container.ports.apply(_first_port) for container in containers))
        self.register_outputs({"ports": self.ports})

    def _files(self, name: str, args: DockerServiceArgs) -> docker.Container:
        """A container that never starts, whose volumes hold the files: into a read-only one nothing can be put.

        Other files are another such container, and so other containers of the service.
        """
        folders = sorted({str(PurePosixPath(path).parent) for path in args.files})
        return docker.Container(
            f"{name}-files",
            image=args.plan["image"],
            start=False,
            must_run=False,
            volumes=[docker.ContainerVolumeArgs(container_path=folder) for folder in folders],
            uploads=[docker.ContainerUploadArgs(file=path, content=text) for path, text in sorted(args.files.items())],
            labels=_labels(args),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def summary(self) -> dict[str, Any]:
        """What a stack tells about the model (the stack output `models.<name>`)."""
        return {
            "image": self.image,
            "urls": self.ports.apply(lambda ports: [f"http://127.0.0.1:{port}" for port in ports]),
        }


def _container(args: DockerServiceArgs, files: docker.Container | None) -> docker.ContainerArgs:
    plan = args.plan
    limits, reserved = (plan["deploy"]["resources"].get(kind, {}) for kind in ("limits", "reservations"))
    health = plan.get("healthcheck")
    stays = "restart" in plan
    grace = _seconds(plan.get("stop_grace_period", "10s"))
    return docker.ContainerArgs(
        image=plan["image"],
        entrypoints=plan.get("entrypoint"),
        command=plan.get("command"),
        envs=[
            *(f"{name}={value}" for name, value in sorted(plan.get("environment", {}).items())),
            *(pulumi.Output.concat(name, "=", value) for name, value in sorted(args.variables.items())),
        ],
        user=plan.get("user"),
        read_only=plan.get("read_only"),
        capabilities=docker.ContainerCapabilitiesArgs(drops=plan["cap_drop"], adds=plan.get("cap_add")),
        security_opts=plan["security_opt"],
        memory=_mebibytes(limits["memory"]),
        memory_swap=_mebibytes(plan["memswap_limit"]),
        memory_reservation=_mebibytes(reserved["memory"]) if "memory" in reserved else None,
        cpus=limits.get("cpus"),
        gpus=next((str(device["count"]) for device in reserved.get("devices", ())), None),
        shm_size=_mebibytes(plan["shm_size"]) if "shm_size" in plan else None,
        tmpfs=dict(entry.split(":", 1) for entry in plan.get("tmpfs", ())) or None,
        volumes=[*_mounts(args), *_of_container(files)] or None,
        networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network, aliases=[args.service])],
        ports=[docker.ContainerPortArgs(internal=port["target"], ip=port["host_ip"]) for port in plan.get("ports", ())]
        or None,
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=health["test"],
            interval=health["interval"],
            timeout=health["timeout"],
            retries=health["retries"],
            start_period=health["start_period"],
        )
        if health
        else None,
        labels=_labels(args),
        log_driver=plan["logging"]["driver"],
        log_opts=plan["logging"]["options"],
        restart=plan.get("restart"),
        stop_timeout=grace,
        destroy_grace_seconds=grace,
        # What only does a piece of work is waited for until it is done.
        must_run=stays,
        attach=not stays or None,
        wait=stays or None,
        wait_timeout=_seconds(health["start_period"]) + 30 if health else None,
    )


def _labels(args: DockerServiceArgs) -> list[docker.ContainerLabelArgs] | None:
    labels = sorted(args.plan.get("labels", {}).items())
    return [docker.ContainerLabelArgs(label=key, value=value) for key, value in labels] or None


def _mounts(args: DockerServiceArgs) -> list[docker.ContainerVolumeArgs]:
    return [
        docker.ContainerVolumeArgs(
            volume_name=args.volumes[mount["source"]],
            container_path=mount["target"],
            read_only=mount.get("read_only"),
        )
        for mount in args.plan.get("volumes", ())
    ]


def _of_container(files: docker.Container | None) -> list[docker.ContainerVolumeArgs]:
    return [docker.ContainerVolumeArgs(from_container=files.id, read_only=True)] if files else []


def _first_port(ports: Sequence[docker.outputs.ContainerPort] | None) -> int | None:
    return ports[0].external if ports else None


def _mebibytes(size: str | int) -> int:
    return -(-int(size) // 2**20)


def _seconds(text: str) -> int:
    return int(text.removesuffix("s"))

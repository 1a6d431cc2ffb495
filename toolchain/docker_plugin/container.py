"""From the properties of `docker.Container` to what the Docker Engine is asked for."""

import io
import re
import tarfile
from typing import Any

from toolchain.plugin_base.values import Object

_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
# Changes of these are about the plugin's own doings, so the container stays.
WITHOUT_CONTAINER = frozenset({"attach", "destroyGraceSeconds", "mustRun", "removeVolumes", "wait", "waitTimeout"})
SUPPORTED = WITHOUT_CONTAINER | {
    *("capabilities", "command", "cpus", "entrypoints", "envs", "gpus", "healthcheck", "image", "labels", "logDriver"),
    *("logOpts", "memory", "memoryReservation", "memorySwap", "name", "networksAdvanced", "ports", "readOnly"),
    *("restart", "securityOpts", "shmSize", "start", "stopTimeout", "tmpfs", "uploads", "user", "volumes"),
}


def request(inputs: Object) -> dict[str, Any]:
    """The body of the request that creates a container. Memory is in MiB, times are texts such as "5s"."""
    volumes = inputs.get("volumes", [])
    ports = inputs.get("ports", [])
    networks = inputs.get("networksAdvanced", [])
    health = inputs.get("healthcheck")
    capabilities = inputs.get("capabilities", {})
    body: dict[str, Any] = {
        "Image": inputs["image"],
        "Env": inputs.get("envs", []),
        "Labels": {entry["label"]: entry["value"] for entry in inputs.get("labels", [])},
        "ExposedPorts": {_port(entry): {} for entry in ports},
        "Volumes": {entry["containerPath"]: {} for entry in volumes if _is_anonymous(entry)},
        "HostConfig": {
            "ReadonlyRootfs": inputs.get("readOnly", False),
            "CapDrop": capabilities.get("drops", []),
            "CapAdd": capabilities.get("adds", []),
            "SecurityOpt": inputs.get("securityOpts", []),
            "Tmpfs": inputs.get("tmpfs", {}),
            "ShmSize": inputs.get("shmSize", 0) * 2**20,
            "Memory": inputs.get("memory", 0) * 2**20,
            "MemoryReservation": inputs.get("memoryReservation", 0) * 2**20,
            "MemorySwap": inputs.get("memorySwap", 0) * 2**20,
            "NanoCpus": round(float(inputs.get("cpus", 0)) * 10**9),
            "RestartPolicy": {"Name": inputs.get("restart", "no")},
            "LogConfig": {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts", {})},
            "PortBindings": _bindings(ports),
            "VolumesFrom": [_of_container(entry) for entry in volumes if entry.get("fromContainer")],
            "Binds": [_bind(entry) for entry in volumes if entry.get("volumeName")],
            "DeviceRequests": _gpus(inputs.get("gpus")),
            "NetworkMode": networks[0]["name"] if networks else "default",
        },
        "NetworkingConfig": {
            "EndpointsConfig": {entry["name"]: {"Aliases": entry.get("aliases", [])} for entry in networks[:1]}
        },
    }
    plain = {"Cmd": "command", "Entrypoint": "entrypoints", "User": "user", "StopTimeout": "stopTimeout"}
    body |= {name: inputs[key] for name, key in plain.items() if key in inputs}
    if health:
        body["Healthcheck"] = {
            "Test": health["tests"],
            "Retries": health.get("retries", 0),
            **{
                name: nanoseconds(health[key])
                for name, key in (("Interval", "interval"), ("Timeout", "timeout"), ("StartPeriod", "startPeriod"))
                if key in health
            },
        }
    return body


def uploads(inputs: Object) -> bytes:
    """Files to put into a container before it starts, as an archive of its root: root's, and readable by all."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for upload in inputs.get("uploads", []):
            content = upload["content"].encode()
            entry = tarfile.TarInfo(upload["file"].lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def published(inputs: Object, live: dict[str, Any]) -> list[dict[str, Any]]:
    """The ports of the inputs with those of this machine that the engine chose."""
    bound = live["NetworkSettings"].get("Ports") or {}
    result = []
    for entry in inputs.get("ports", []):
        host = (bound.get(_port(entry)) or [{}])[0].get("HostPort")
        result.append({**entry, "protocol": entry.get("protocol", "tcp"), **({"external": int(host)} if host else {})})
    return result


def nanoseconds(text: str) -> int:
    """A time as Go writes it: "1m30s" -> 90000000000."""
    return round(sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|ms|s|m|h)", text)))


def _port(entry: Any) -> str:
    return f"{entry['internal']}/{entry.get('protocol', 'tcp')}"


def _bindings(ports: Any) -> dict[str, list[dict[str, str]]]:
    return {
        _port(entry): [{"HostIp": entry.get("ip", "0.0.0.0"), "HostPort": str(entry.get("external") or "")}]
        for entry in ports
    }


def _is_anonymous(entry: Any) -> bool:
    return not entry.get("volumeName") and not entry.get("fromContainer")


def _of_container(entry: Any) -> str:
    return f"{entry['fromContainer']}:{'ro' if entry.get('readOnly') else 'rw'}"


def _bind(entry: Any) -> str:
    return f"{entry['volumeName']}:{entry['containerPath']}{':ro' if entry.get('readOnly') else ''}"


def _gpus(asked: str | None) -> list[dict[str, Any]]:
    """The devices for `gpus`: "all", or a number."""
    if not asked:
        return []
    return [{"Driver": "nvidia", "Count": -1 if asked == "all" else int(asked), "Capabilities": [["gpu"]]}]

"""A stack as a Compose project (https://github.com/compose-spec/compose-spec): its models' pods as services.

Nothing of a service is decided here: each is read off the very pod that the Deployment would have (pod.py), so that a
model runs on a laptop as it does in its cluster. What of the stack Docker has no counterpart for is said in
components/planning/docker_gaps.py.

Paths in a project are relative to the folder of its file. What belongs to a model is called <model>.<name>: no model's
name has a dot in it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.planning import database_container, docker_gaps, names, prometheus_container, settings
from components.planning.health import health_check
from components.planning.pod import PodInputs, pod_spec
from components.planning.pod_service import LOGGING, process
from components.planning.pools import WHOLE_GPU, NodePool, node_pool
from components.planning.quantities import whole_bytes
from components.planning.runtimes import SETTINGS_FOLDER, runtime_of
from components.planning.secret_sources import SecretSource, secrets_of_pod, source_of, sources_of

if TYPE_CHECKING:
    from components.config import DatabaseConfig, LocalDatabaseConfig, LocalPrometheusConfig, ModelConfig, StackConfig

NETWORK = "models"
# Published for this machine alone: nobody else's network policies stand before a laptop.
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Compose project, and the files that it mounts.

    Attributes:
        services, networks, volumes, secrets, configs: as in the file, but that a "$" in them means itself.
        files: contents of those that are no secrets, by path.
        secret_files: what their contents are, by path.
        secret_variables: of each env_file, by path: what its variables are.
        left_out: what the stack says and Docker cannot do, a line each.
    """

    name: str
    services: Mapping[str, dict[str, Any]]
    networks: Mapping[str, dict[str, Any]]
    volumes: Mapping[str, dict[str, Any]]
    secrets: Mapping[str, dict[str, Any]]
    configs: Mapping[str, dict[str, Any]]
    files: Mapping[str, str]
    secret_files: Mapping[str, SecretSource]
    secret_variables: Mapping[str, Mapping[str, SecretSource]]
    left_out: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The content of the file: no value in it is taken for a variable's name."""
        whole = {
            "name": self.name,
            "services": dict(self.services),
            "networks": dict(self.networks),
            "volumes": dict(self.volumes),
            "secrets": dict(self.secrets),
            "configs": dict(self.configs),
        }
        return {key: _literal(value) for key, value in whole.items() if value}


@dataclass(kw_only=True)
class _Parts:
    """What the services of a project bring with them."""

    services: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    configs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    files: dict[str, str] = field(default_factory=dict[str, str])
    secret_files: dict[str, SecretSource] = field(default_factory=dict[str, SecretSource])
    secret_variables: dict[str, Mapping[str, SecretSource]] = field(
        default_factory=dict[str, Mapping[str, SecretSource]]
    )


def project(stack: str, config: "StackConfig", images: Mapping[str, Any]) -> Project:
    """The project of a stack.

    Args:
        images: repository@sha256:<digest> of every model, built here or elsewhere.
    """
    parts = _Parts()
    for name, given in config.served.items():
        model = settings.with_stack_wide(config, given)
        _add_model(stack, name, config, model, images[name], parts)
        if config.docker.database is not None and model.database is not None:
            _add_database(model.database, config.docker.database, parts)
    if config.docker.prometheus is not None:
        _add_prometheus(config, config.docker.prometheus, parts)
    return Project(
        name=project_name(stack),
        services=parts.services,
        networks={NETWORK: {}},
        volumes=parts.volumes,
        secrets=parts.secrets,
        configs=parts.configs,
        files=parts.files,
        secret_files=parts.secret_files,
        secret_variables=parts.secret_variables,
        left_out=tuple(docker_gaps.left_out(config)),
    )


def project_name(stack: str) -> str:
    """The name of a stack's project, of the characters that Compose allows."""
    return f"{names.PART_OF}-{re.sub(r'[^a-z0-9_-]', '-', stack.lower())}"


def _add_model(stack: str, name: str, config: "StackConfig", model: "ModelConfig", image: Any, parts: _Parts) -> None:
    if model.files is not None and model.files.image is not None:
        # Docker mounts no images: the files are copied out of it, as where a cluster does not do so either.
        model = model.model_copy(update={"files": model.files.model_copy(update={"mount": "initContainer"})})
    runtime = runtime_of(name, model, config.signing.public_key if config.signing else None)
    told, files = settings.secrets_of(model), settings.files(config, model, runtime)
    inputs = PodInputs(
        image=image,
        settings=name,
        settings_files=name if files else None,
        secrets=secrets_of_pod(name, told),
        account=name,
        pull_secret=None,
        pool=_pool(stack, config, model),
    )
    selector = names.selector_labels(stack, name)
    # Plain dictionaries, whose types allow for outputs of Pulumi everywhere.
    pod: Any = pod_spec(model, runtime, inputs, selector)
    [container] = pod["containers"]
    service = {
        **process(pod, container),
        "networks": [NETWORK],
        "environment": settings.environment(config, model, runtime),
        "ports": [{"target": port["container_port"], "host_ip": _LOOPBACK} for port in container["ports"]],
        "healthcheck": health_check(container, own=model.runtime in settings.OWN_RUNTIMES),
        "stop_grace_period": f"{pod['termination_grace_period_seconds']}s",
        "restart": "unless-stopped",
        "labels": selector,
    }
    service["deploy"]["replicas"] = model.replicas.min
    sources = sources_of(name, told)
    _add_files(name, files, service, parts)
    _add_secrets(name, pod, container, sources, service, parts)
    _add_volumes(name, pod, container, service, parts)
    waits: dict[str, Any] = {}
    if config.docker.database is not None and model.database is not None:
        waits[model.database.host] = {"condition": "service_healthy"}
    for init in pod.get("init_containers", ()):
        role = f"{name}.{init['name']}"
        # A new volume is root's. Without any capability, root is nobody but the owner of its own files.
        parts.services[role] = {**process(pod, init), "user": "0:0", "networks": [NETWORK], "labels": selector}
        _add_volumes(name, pod, init, parts.services[role], parts)
        waits[role] = {"condition": "service_completed_successfully"}
    if waits:
        service["depends_on"] = waits
    parts.services[name] = service


def _add_files(name: str, files: Mapping[str, str], service: dict[str, Any], parts: _Parts) -> None:
    if files:
        # Compose makes a new container for another label, and none for another content of a file.
        content = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        service["labels"] = {**service["labels"], "model-serving/files": content[:12]}
    for file, content in files.items():
        path, key = f"files/{name}/{file}", f"{name}.{file}"
        parts.files[path] = content
        parts.configs[key] = {"file": f"./{path}"}
        service.setdefault("configs", []).append({"source": key, "target": f"{SETTINGS_FOLDER}/{file}"})


def _add_secrets(
    name: str,
    pod: Any,
    container: Any,
    sources: Mapping[tuple[str, str], SecretSource],
    service: dict[str, Any],
    parts: _Parts,
) -> None:
    mounts = {mount["name"]: mount["mount_path"] for mount in container["volume_mounts"]}
    for volume in pod["volumes"]:
        for projected in volume.get("projected", {}).get("sources", ()):
            for item in projected["secret"]["items"]:
                path, key = f"secrets/{name}/{item['path']}", f"{name}.{item['path']}"
                parts.secret_files[path] = sources[projected["secret"]["name"], item["key"]]
                parts.secrets[key] = {"file": f"./{path}"}
                target = f"{mounts[volume['name']]}/{item['path']}"
                service.setdefault("secrets", []).append({"source": key, "target": target})
    references = {entry["name"]: entry["value_from"]["secret_key_ref"] for entry in container.get("env", ())}
    if references:
        path = f"secrets/{name}.env"
        service["env_file"] = [f"./{path}"]
        parts.secret_variables[path] = {
            variable: sources[reference["name"], reference["key"]] for variable, reference in references.items()
        }


def _add_volumes(name: str, pod: Any, container: Any, service: dict[str, Any], parts: _Parts) -> None:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volume_mounts"]:
        volume, path = volumes[mount["name"]], mount["mount_path"]
        empty = volume.get("empty_dir", {})
        if empty.get("medium") == "Memory":
            service["shm_size"] = whole_bytes(empty["size_limit"])
        elif "size_limit" in empty:
            service.setdefault("tmpfs", []).append(f"{path}:size={whole_bytes(empty['size_limit'])},mode=1777")
        elif "empty_dir" in volume or "persistent_volume_claim" in volume:
            service.setdefault("volumes", []).append(_volume(name, pod, volume, mount, parts))


def _volume(name: str, pod: Any, volume: Any, mount: Any, parts: _Parts) -> dict[str, Any]:
    claim = volume.get("persistent_volume_claim")
    if claim is not None:
        source = claim["claim_name"]
        parts.volumes[source] = {"name": source, "external": True}
    else:
        # Named after its content: other files are another volume, not a mixture of both.
        source = f"{name}.{volume['name']}.{names.version_of(pod['init_containers'][0]['image'])}"
        parts.volumes[source] = {}
    mounted: dict[str, Any] = {"type": "volume", "source": source, "target": mount["mount_path"]}
    if mount.get("read_only"):
        mounted["read_only"] = True
    if "sub_path" in mount:
        mounted["volume"] = {"subpath": mount["sub_path"]}
    return mounted


def _add_database(database: "DatabaseConfig", config: "LocalDatabaseConfig", parts: _Parts) -> None:
    host, password = database.host, database.password_secret
    if host in parts.services or password is None:
        return
    key, path = f"{host}.password", f"secrets/{host}/password"
    parts.secrets[key] = {"file": f"./{path}"}
    parts.secret_files[path] = source_of(password)
    parts.volumes[f"{host}.data"] = {}
    parts.services[host] = {
        **database_container.service(database, config, key, f"{host}.data"),
        "networks": [NETWORK],
        "logging": LOGGING,
    }


def _add_prometheus(config: "StackConfig", own: "LocalPrometheusConfig", parts: _Parts) -> None:
    runtimes = {
        name: runtime_of(name, settings.with_stack_wide(config, model)) for name, model in config.served.items()
    }
    service = {
        **prometheus_container.service(own, runtimes),
        "networks": [NETWORK],
        "ports": [{"target": prometheus_container.PORT, "host_ip": _LOOPBACK}],
    }
    content = prometheus_container.configuration(own, runtimes)
    _add_files(prometheus_container.NAME, {prometheus_container.FILE: content}, service, parts)
    parts.services[prometheus_container.NAME] = service


def _pool(stack: str, config: "StackConfig", model: "ModelConfig") -> NodePool | None:
    """The model's pool. Of another stack's, only the model tells whether it has GPUs."""
    if model.node_pool is None:
        # Without a cluster there are no pools to name.
        here = config.cluster.docker and model.accelerator == "cuda"
        return NodePool(provider="docker", node_selector={}, gpu_resource=WHOLE_GPU) if here else None
    pool = config.node_pools[model.node_pool]
    if pool.provider != "stack":
        return node_pool(stack, model.node_pool, pool)
    gpus = model.gpus is not None or model.accelerator == "cuda"
    return NodePool(provider="stack", node_selector={}, gpu_resource=WHOLE_GPU if gpus else None)


def _literal(value: Any) -> Any:
    """The same with every "$" doubled, which Compose takes for one."""
    if isinstance(value, Mapping):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value

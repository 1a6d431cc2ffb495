"""One spec, two platforms: what a cluster's pods have, and what Compose's services have, for any stack.

The pod is the one of the Deployment (components/model_deployment.py), the data those of its ConfigMaps and Secrets
(components/model_settings.py). What both platforms have is read off each in its own words, and must be the same.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from components.config import StackConfig
from components.planning import settings as planned
from components.planning.compose import Project, project
from components.planning.names import selector_labels
from components.planning.pod import PodInputs, PodSecrets, pod_spec
from components.planning.pools import node_pool
from components.planning.quantities import quantity_value
from components.planning.runtimes import SETTINGS_FOLDER, runtime_of

EXAMPLES = 500
SERVER = "registry.example.com/team/server@sha256:" + "ab" * 32
FILES = "registry.example.com/team/files@sha256:" + "cd" * 32
BUILT = "localhost:5001/models/digits@sha256:" + "ef" * 32

# What quoting, interpolation and YAML could change; NUL and lone surrogates are no text of a variable.
text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20) | st.sampled_from(
    ["$HOME", "${HOME}", "$$", 'it\'s "so"', "a\nb\n", "yes", "0123", "1e3", "~", "# none", "{}", "\\n", " "]
)
names = st.from_regex(r"\A[A-Z][A-Z0-9_]{0,8}\Z").map(lambda name: f"X_{name}")
file_names = st.from_regex(r"\A[a-z][a-z0-9_.-]{0,10}[a-z0-9]\Z").map(lambda name: f"x-{name}")
cpu = st.sampled_from(["100m", "250m", "0.5", "1", "1.5", "2000m"])
memory = st.sampled_from(["64Mi", "200M", "256Mi", "0.5Gi", "1G", "1500000k"])
seconds = st.integers(1, 3600)
paths = st.from_regex(r"\A/[a-z0-9$'\"`&;|/-]{0,20}\Z")


def _ordered(low: str, high: str) -> tuple[str, str]:
    return (low, high) if quantity_value(low) <= quantity_value(high) else (high, low)


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {"requests": {}, "limits": {}}
    for kind, amounts in (("cpu", cpu), ("memory", memory)):
        request, limit = _ordered(draw(amounts), draw(amounts))
        if draw(st.booleans()):
            found["requests"][kind] = request
        if draw(st.booleans()):
            found["limits"][kind] = limit
    return found


@st.composite
def secrets(draw: st.DrawFn) -> list[Any]:
    found: list[Any] = []
    for target in draw(st.lists(file_names, max_size=3, unique=True)):
        origin = draw(st.sampled_from(["config", "secretRef", "external"]))
        value = {
            "config": {"config": "key-" + target},
            "secretRef": {"secretRef": {"name": draw(st.sampled_from(["login", "other"])), "key": target}},
            "external": {"external": {"store": "vault", "key": f"team/{target}"}},
        }[origin]
        variable = f"S_{target.upper().replace('-', '_').replace('.', '_')}"
        found.append({**value, "env": f"{variable}{len(found)}"} if draw(st.booleans()) else {**value, "file": target})
    return found


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    runtime = draw(st.sampled_from(["onnx", "tensorflow", "tf-serving", "triton", "vllm", "image"]))
    model: dict[str, Any] = {
        "image": SERVER,
        "runtime": runtime,
        "replicas": draw(st.integers(1, 9)),
        "resources": draw(resources()),
        "env": draw(st.dictionaries(names, text, max_size=3)),
        "secrets": draw(secrets()),
        "configFiles": draw(st.dictionaries(file_names, text, max_size=2)),
        "startupTimeoutSeconds": draw(seconds),
        "requestTimeoutSeconds": draw(seconds),
    }
    if draw(st.booleans()):
        model["ports"] = {"http": draw(st.integers(1024, 65000))}
    if runtime == "image":
        model["container"] = {
            "command": draw(st.lists(text, max_size=2)),
            "args": draw(st.lists(text, max_size=2)),
            "probes": {"readiness": draw(paths), **({"liveness": draw(paths)} if draw(st.booleans()) else {})},
        }
    if runtime in ("tf-serving", "triton", "vllm"):
        model["files"] = draw(
            st.sampled_from(
                [
                    {"image": FILES},
                    {"image": FILES, "path": "/models/a", "mount": "imageVolume", "mountPath": "/at/another"},
                    {"claim": "weights", "path": "/digits"},
                    {"claim": "weights"},
                ]
            )
        )
    if draw(st.booleans()):
        model["nodePool"] = draw(st.sampled_from(["gpus", "shared", "plain"]))
        if model["nodePool"] == "gpus":
            model["gpus"] = draw(st.integers(1, 4))
    if draw(st.booleans()):
        model["database"] = {
            "host": "features",
            "name": "features",
            "user": "reader",
            "tls": {"mode": "disable"},
            "password": {"config": "dbPassword"},
        }
    return model


@st.composite
def stacks(draw: st.DrawFn) -> StackConfig:
    pools = {
        "gpus": {"provider": "existing", "nodeSelector": {"a": "b"}, "gpu": {"type": "nvidia-l4", "count": 4}},
        "shared": {"provider": "existing", "nodeSelector": {"a": "c"}, "gpu": {"type": "nvidia-l4"}},
        "plain": {"provider": "existing", "nodeSelector": {"a": "d"}},
    }
    section: dict[str, Any] = {
        "cluster": "local",
        "models": {"digits": draw(models())},
        "nodePools": pools,
        "env": {"TEAM": draw(text)},
    }
    if draw(st.booleans()):
        section["proxy"] = {"https": "http://proxy.example.com:3128", "noProxy": [".example.com"]}
    if draw(st.booleans()):
        section["docker"] = {"database": {"image": FILES}}
    return StackConfig.model_validate(section)


def _seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


def of_cluster(stack: str, config: StackConfig, image: str) -> dict[str, Any]:
    """What the server of the model has in a cluster, from the objects that the components declare."""
    model = planned.with_stack_wide(config, config.models["digits"])
    runtime = runtime_of("digits", model)
    told, files = planned.secrets_of(model), planned.files(config, model, runtime)
    mounted = [PodSecrets(name="own", keys=told.own)] if told.values else []
    mounted += [PodSecrets(name="external", keys=told.from_stores)] if told.external else []
    mounted += [PodSecrets(name=name, keys=keys) for name, keys in told.existing.items()]
    pool = config.node_pools.get(model.node_pool or "")
    assert pool is None or pool.provider != "stack"
    inputs = PodInputs(
        image=image,
        settings="settings",
        settings_files="files" if files else None,
        secrets=tuple(mounted),
        account="account",
        pull_secret=None,
        pool=node_pool(stack, model.node_pool or "", pool) if pool else None,
    )
    pod: Any = pod_spec(model, runtime, inputs, selector_labels(stack, "digits"))
    [container] = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container["volume_mounts"]}
    ports = {port["name"]: port["container_port"] for port in container["ports"]}
    readiness, startup = container["readiness_probe"], container["startup_probe"]
    limits, requests = container["resources"]["limits"], container["resources"]["requests"]
    sources = volumes["secrets"]["projected"]["sources"] if "secrets" in volumes else []
    return {
        "image": container["image"],
        "command": container.get("command"),
        "args": container.get("args"),
        "environment": planned.environment(config, model, runtime),
        "secret variables": {entry["name"] for entry in container.get("env", ())},
        "ports": sorted(ports.values()),
        "readiness": (ports[readiness["http_get"]["port"]], readiness["http_get"]["path"]),
        "probe times": (readiness["period_seconds"], readiness["timeout_seconds"], readiness["failure_threshold"]),
        "time to start": startup["period_seconds"] * startup["failure_threshold"],
        "cpu": {
            kind: quantity_value(of["cpu"]) for kind, of in (("limit", limits), ("request", requests)) if "cpu" in of
        },
        "memory": {"limit": quantity_value(limits["memory"]), "request": quantity_value(requests["memory"])},
        "gpus": sum(int(amount) for name, amount in limits.items() if name.startswith("nvidia.com/")),
        "user": (pod["security_context"]["run_as_user"], pod["security_context"]["run_as_group"]),
        "read only": container["security_context"]["read_only_root_filesystem"],
        "capabilities dropped": container["security_context"]["capabilities"]["drop"],
        "may gain rights": container["security_context"]["allow_privilege_escalation"],
        "secret files": {
            f"{mounts['secrets']['mount_path']}/{item['path']}"
            for source in sources
            for item in source["secret"]["items"]
        },
        "files": {f"{mounts['settings']['mount_path']}/{name}": content for name, content in files.items()},
        "scratch": {mounts["scratch"]["mount_path"]: quantity_value(volumes["scratch"]["empty_dir"]["size_limit"])},
        "shared memory": quantity_value(volumes["shm"]["empty_dir"]["size_limit"]) if "shm" in volumes else None,
        "model": mounts["model"]["mount_path"] if "model" in mounts else None,
        "time to stop": pod["termination_grace_period_seconds"],
        "replicas": model.replicas.min,
        "labels": selector_labels(stack, "digits"),
    }


def of_compose(made: Project, document: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the Compose file, as Compose reads it."""
    service = document["services"]["digits"]
    health, deploy = service["healthcheck"], service["deploy"]["resources"]
    secret_files = [
        document["secrets"][secret["source"]]["file"].removeprefix("./") for secret in service.get("secrets", ())
    ]
    assert set(secret_files) <= made.secret_files.keys()
    [variables] = [made.secret_variables[path.removeprefix("./")] for path in service.get("env_file", ())] or [{}]
    own = health["test"][1] == "python3"
    port, path, timeout = health["test"][-3:] if own else health["test"][-4:-1]
    assert float(timeout) == _seconds(health["timeout"])
    configs = {config["target"]: document["configs"][config["source"]]["file"] for config in service.get("configs", ())}
    [tmpfs] = service["tmpfs"]
    scratch, _, options = tmpfs.partition(":")
    size, mode = options.split(",")
    assert mode == "mode=1777"
    assert all(port["host_ip"] == "127.0.0.1" for port in service["ports"])
    [privileges] = service["security_opt"]
    amounts = (("limit", deploy["limits"]), ("request", deploy["reservations"]))
    assert service["memswap_limit"] == int(deploy["limits"]["memory"])
    return {
        "image": service["image"],
        "command": service.get("entrypoint"),
        "args": service.get("command"),
        "environment": service["environment"],
        "secret variables": set(variables),
        "ports": sorted(port["target"] for port in service["ports"]),
        "readiness": (int(port), path),
        "probe times": (_seconds(health["interval"]), _seconds(health["timeout"]), health["retries"]),
        "time to start": _seconds(health["start_period"]),
        "cpu": {kind: Decimal(of["cpus"]) for kind, of in amounts if "cpus" in of},
        "memory": {kind: int(of["memory"]) for kind, of in amounts},
        "gpus": sum(device["count"] for device in deploy["reservations"].get("devices", ())),
        "user": tuple(int(number) for number in service["user"].split(":")),
        "read only": service["read_only"],
        "capabilities dropped": service["cap_drop"],
        "may gain rights": privileges != "no-new-privileges:true",
        "secret files": {secret["target"] for secret in service.get("secrets", ())},
        "files": {target: made.files[path.removeprefix("./")] for target, path in configs.items()},
        "scratch": {scratch: int(size.removeprefix("size="))},
        "shared memory": service.get("shm_size"),
        "model": next((volume["target"] for volume in service.get("volumes", ())), None),
        "time to stop": _seconds(service["stop_grace_period"]),
        "replicas": service["deploy"]["replicas"],
        "labels": {key: value for key, value in service["labels"].items() if not key.startswith("model-serving/")},
    }


def as_compose_reads_it(made: Project) -> dict[str, Any]:
    """The document as it is written and read again, with every "$$" that Compose takes for a "$"."""

    def interpolated(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: interpolated(item) for key, item in value.items()}
        if isinstance(value, list):
            return [interpolated(item) for item in value]
        if isinstance(value, str):
            assert value.replace("$$", "").count("$") == 0, "a variable would be put in here"
            return value.replace("$$", "$")
        return value

    return interpolated(yaml.safe_load(yaml.safe_dump(made.document())))


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@example(config=StackConfig.model_validate({"cluster": "local", "models": {"digits": {"image": SERVER}}}))
@given(config=stacks())
def test_kubernetes_and_compose_agree_on_every_shared_field(config: StackConfig) -> None:
    made = project("dev", config, {"digits": BUILT})
    assert of_compose(made, as_compose_reads_it(made)) == of_cluster("dev", config, BUILT)
    assert SETTINGS_FOLDER == "/etc/model-serving"

"""The log collector: the configuration of an OpenTelemetry Collector, and the pods that run it.

Names are those of the Collector's contrib distribution and of OpenTelemetry's semantic conventions, so that whoever has
other logs in the same place finds these by the same words.
"""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from components.planning.containers import requirements, restricted_container
from components.planning.names import stack_labels
from components.planning.network import Destination
from components.planning.quantities import quantity_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pulumi
    from pulumi_kubernetes.core.v1 import PodSpecArgsDict, VolumeArgsDict, VolumeMountArgsDict

    from components.config import LogsConfig, StackConfig

VERSION = "0.142.0"
# The distribution that publishes the file log receiver. `logs.image` names it, or a copy, by digest.
IMAGE = f"otel/opentelemetry-collector-contrib:{VERSION}"

COMPONENT = "log-collector"
CONTAINER = "collector"
CONFIG_FOLDER, CONFIG_FILE = "/etc/model-serving", "collector.json"
SECRETS_FOLDER, AUTHORIZATION = "/run/secrets/model-serving", "authorization"
CA_BUNDLE = "ca-bundle.pem"
# Where kubelets put the logs of their containers, one folder for each pod: <namespace>_<pod>_<uid>.
POD_LOGS = "/var/log/pods"
_STATE, _FOLDER = "/var/lib/model-serving/logs", "/var/log/model-serving"
_HEALTH_PORT = 13133
# Files of the target `file`: one that grows, and full ones.
_FILE_BYTES = 16 << 20
_DEFAULT_BUFFER, _DEFAULT_MAX_SIZE = "1Gi", "1Gi"
# What container runtimes write before each part of a line: time, stream, P (more follows) or F (the last).
# https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
_STREAM = "(?:stdout|stderr)"
# Parts of a log file's path, and what semantic conventions call them.
_OF_PATH = {
    "namespace": "k8s.namespace.name",
    "pod": "k8s.pod.name",
    "uid": "k8s.pod.uid",
    "container": "k8s.container.name",
    "restarts": "k8s.container.restart_count",
}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def namespace_of(config: "StackConfig") -> str:
    """The namespace of the collector, which is not that of the models: its pods read files of their nodes."""
    return config.logs.namespace or f"{config.namespace}-logs"


def namespace_labels() -> dict[str, str]:
    """Pod Security has no level between `privileged` and one that forbids every path of the node."""
    return stack_labels() | {"pod-security.kubernetes.io/enforce": "privileged"}


def labels(stack: str) -> dict[str, str]:
    """Labels of the collector and its pods. They never change."""
    return {
        "app.kubernetes.io/name": COMPONENT,
        "app.kubernetes.io/instance": f"{stack}-{COMPONENT}",
        "app.kubernetes.io/component": COMPONENT,
        **stack_labels(),
    }


def destinations(logs: "LogsConfig") -> list[Destination]:
    """Whom the collector calls."""
    if logs.endpoint is None:
        return []
    url = urlsplit(logs.endpoint)
    return [Destination(host=url.hostname or "", port=url.port or _DEFAULT_PORTS[url.scheme])]


def collector_config(config: "StackConfig", stack: str) -> dict[str, Any]:
    """The Collector's configuration: what it reads, what it makes of a line, and where that goes.

    Each line is sent, acknowledged and only then remembered as read. So what the target does not take waits: in the
    queue on the node's disk, then in the pods' own log files.
    """
    logs = config.logs
    name, exporter = _exporter(logs, ca=config.ca_bundle is not None)
    return {
        "extensions": {
            "health_check": {"endpoint": f"0.0.0.0:{_HEALTH_PORT}"},
            "file_storage": {
                "directory": "/state",
                "compaction": {
                    "directory": "/state",
                    "on_start": True,
                    "cleanup_on_start": True,
                    "on_rebound": True,
                },
            },
        },
        "receivers": {
            "filelog": {
                # The second pattern: files that the kubelet has put aside, and not yet compressed.
                "include": [
                    f"{POD_LOGS}/{config.namespace}_*/*/*.log",
                    f"{POD_LOGS}/{config.namespace}_*/*/*.log.????????-??????",
                ],
                "include_file_path": True,
                "start_at": "beginning",
                # A record is all parts of a line: the place in the file moves beyond them together.
                "multiline": {"line_end_pattern": rf"(?m)^[^ \n]+ {_STREAM} F[^ \n]* [^\n]*\n"},
                "max_log_size": "1MiB",
                "force_flush_period": "5s",
                "storage": "file_storage",
                "retry_on_failure": {"enabled": True, "initial_interval": "500ms", "max_elapsed_time": "0s"},
                "operators": _operators(config.served, stack),
            }
        },
        "processors": {
            # Above it, the receiver waits; Go's own limit, GOMEMLIMIT, is a little below.
            "memory_limiter": {"check_interval": "1s", "limit_percentage": 85, "spike_limit_percentage": 15},
        },
        "exporters": {name: exporter},
        "service": {
            "extensions": ["health_check", "file_storage"],
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn", "encoding": "json"}},
            "pipelines": {
                "logs": {"receivers": ["filelog"], "processors": ["memory_limiter"], "exporters": [name]},
            },
        },
    }


def _operators(models: "Iterable[str]", stack: str) -> list[dict[str, Any]]:
    """From a line of a container's file to a record: what the runtime wrote around it, then what the server wrote.

    The path says namespace, pod and container, so nothing is asked of the API server: logs of a pod that is gone are
    labelled like all others, and the collector has no account. The line itself stays as it is.
    """
    # Of "a" and "a-server-b", the longer one comes first: its pods would also match the shorter.
    known = sorted(models, key=lambda model: (-len(model), model))
    return [
        {
            "type": "regex_parser",
            "regex": rf"^(?s)(?P<time>[^ ]+) (?P<stream>{_STREAM}) [^ ]* ?(?P<log>.*)$",
            "timestamp": {
                "parse_from": "attributes.time",
                "layout_type": "gotime",
                "layout": "2006-01-02T15:04:05.999999999Z07:00",
            },
        },
        {"type": "move", "from": "attributes.log", "to": "body"},
        {
            "type": "regex_replace",
            "field": "body",
            "if": r'body contains "\n"',
            "regex": rf"\n[^ \n]+ {_STREAM} [PF][^ \n]* ",
            "replace_with": "",
        },
        {
            "type": "regex_parser",
            "parse_from": 'attributes["log.file.path"]',
            "parse_to": "resource",
            "regex": r"^.*/(?P<namespace>[^_/]+)_(?P<pod>[^_/]+)_(?P<uid>[^_/]+)"
            r"/(?P<container>[^/]+)/(?P<restarts>[0-9]+)\.log",
            "cache": {"size": 256},
        },
        *(
            {"type": "move", "from": f"resource.{name}", "to": f'resource["{convention}"]'}
            for name, convention in _OF_PATH.items()
        ),
        {
            "type": "regex_parser",
            "parse_from": 'resource["k8s.pod.name"]',
            "parse_to": "resource",
            "regex": rf"^(?P<model>{'|'.join(map(re.escape, known))})(?:-canary)?-server-",
            "cache": {"size": 256},
            "on_error": "send_quiet",
        },
        _moved("resource.model", 'resource["service.name"]'),
        {"type": "move", "from": "attributes.stream", "to": 'attributes["log.iostream"]'},
        {"type": "add", "field": 'resource["deployment.environment.name"]', "value": stack},
        {
            "type": "json_parser",
            "parse_to": "attributes.parsed",
            "if": 'body matches "^{"',
            "on_error": "send_quiet",
        },
        {
            "type": "severity_parser",
            "parse_from": "attributes.parsed.level",
            "if": "attributes.parsed?.level != nil",
            "on_error": "send_quiet",
        },
        {
            "type": "trace_parser",
            "if": "attributes.parsed?.trace_id != nil",
            "trace_id": {"parse_from": "attributes.parsed.trace_id"},
            "span_id": {"parse_from": "attributes.parsed.span_id"},
            "on_error": "send_quiet",
        },
        _moved("attributes.parsed.request_id", "attributes.request_id", "attributes.parsed?.request_id"),
        {"type": "remove", "field": "attributes.parsed", "if": "attributes.parsed != nil"},
        *(
            {"type": "remove", "field": f'attributes["{field}"]', "if": f'attributes["{field}"] != nil'}
            for field in ("log.file.path", "log.file.name", "time")
        ),
    ]


def _moved(source: str, target: str, there: str | None = None) -> dict[str, Any]:
    return {"type": "move", "from": source, "to": target, "if": f"{there or source} != nil"}


def _exporter(logs: "LogsConfig", *, ca: bool) -> tuple[str, dict[str, Any]]:
    """Name and settings of what brings the records to the target."""
    if logs.target == "stdout":
        return "file", {"path": "/dev/stdout"}
    if logs.target == "file":
        files = max(2, int(quantity_value(logs.max_size or _DEFAULT_MAX_SIZE) // _FILE_BYTES))
        rotation = {"max_megabytes": _FILE_BYTES >> 20, "max_backups": files - 1}
        return "file", {"path": "/logs/logs.jsonl", "rotation": rotation}
    endpoint = (logs.endpoint or "").rstrip("/")
    headers = {
        **({"Authorization": f"${{file:{SECRETS_FOLDER}/{AUTHORIZATION}}}"} if logs.authorization else {}),
        **({"X-Scope-OrgID": logs.tenant} if logs.tenant else {}),
    }
    return "otlphttp", {
        "logs_endpoint": f"{endpoint}/otlp/v1/logs" if logs.target == "loki" else f"{endpoint}/v1/logs",
        "compression": "gzip",
        **({"headers": headers} if headers else {}),
        **({"tls": {"ca_file": f"{CONFIG_FOLDER}/{CA_BUNDLE}"}} if ca and endpoint.startswith("https:") else {}),
        # One batch after the other, so that what is sent again is not overtaken. Only one that was on its way when the
        # collector ended comes later: a new one puts it at the end of the queue.
        "sending_queue": {
            "enabled": True,
            "storage": "file_storage",
            "num_consumers": 1,
            "sizer": "bytes",
            "queue_size": int(quantity_value(logs.buffer or _DEFAULT_BUFFER)),
            "block_on_overflow": True,
            "batch": {"sizer": "bytes", "flush_timeout": "500ms", "min_size": 256 << 10, "max_size": 1 << 20},
        },
        "retry_on_failure": {
            "enabled": True,
            "initial_interval": "1s",
            "max_interval": "30s",
            "max_elapsed_time": "0s",
        },
    }


def pod_spec(
    config: "StackConfig", config_map: "pulumi.Input[str]", secret: "pulumi.Input[str] | None"
) -> "PodSpecArgsDict":
    """The pod of the collector, as strict as reading the logs of others allows.

    Those files are root's alone, so the process is root, without a single capability: it opens what root owns and
    nothing else. It sees two or three folders of the node, and writes into its own.
    """
    logs = config.logs
    resources = logs.filled_resources
    memory = int(quantity_value(resources.limits.memory or "256Mi"))
    volumes, mounts = _volumes(config, config_map, secret)
    return {
        "automount_service_account_token": False,
        "enable_service_links": False,
        # Wherever a model runs, GPU pools among them, whatever taints keep others away.
        "tolerations": [{"operator": "Exists"}],
        # It sends what it has, and writes down where it was.
        "termination_grace_period_seconds": 30,
        "security_context": {"run_as_user": 0, "run_as_group": 0, "seccomp_profile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": CONTAINER,
                "image": logs.image or IMAGE,
                "image_pull_policy": "IfNotPresent",
                # Without the gate, records wait in a list of their own after they count as read: a killed collector
                # would lose them, and two writers would put them out of order.
                "args": [f"--config={CONFIG_FOLDER}/{CONFIG_FILE}", "--feature-gates=stanza.synchronousLogEmitter"],
                "env": [{"name": "GOMEMLIMIT", "value": str(memory * 8 // 10)}],
                "ports": [{"name": "health", "container_port": _HEALTH_PORT, "protocol": "TCP"}],
                "readiness_probe": {"http_get": {"path": "/", "port": "health"}, "period_seconds": 2},
                "liveness_probe": {
                    "http_get": {"path": "/", "port": "health"},
                    "period_seconds": 10,
                    "failure_threshold": 6,
                },
                "resources": requirements(resources),
                "security_context": restricted_container(),
                "termination_message_policy": "FallbackToLogsOnError",
                "volume_mounts": mounts,
            }
        ],
        "volumes": volumes,
    }


def _volumes(
    config: "StackConfig", config_map: "pulumi.Input[str]", secret: "pulumi.Input[str] | None"
) -> "tuple[list[pulumi.Input[VolumeArgsDict]], list[pulumi.Input[VolumeMountArgsDict]]]":
    volumes: list[pulumi.Input[VolumeArgsDict]] = [
        {"name": "config", "config_map": {"name": config_map}},
        {"name": "pods", "host_path": {"path": POD_LOGS, "type": "Directory"}},
        # Of one stack on one node: it has to be there for the next pod of the collector.
        {"name": "state", "host_path": {"path": f"{_STATE}/{config.namespace}", "type": "DirectoryOrCreate"}},
    ]
    mounts: list[pulumi.Input[VolumeMountArgsDict]] = [
        {"name": "config", "mount_path": CONFIG_FOLDER, "read_only": True},
        {"name": "pods", "mount_path": POD_LOGS, "read_only": True},
        {"name": "state", "mount_path": "/state"},
    ]
    if config.logs.target == "file":
        folder = f"{config.logs.folder or _FOLDER}/{config.namespace}"
        volumes.append({"name": "logs", "host_path": {"path": folder, "type": "DirectoryOrCreate"}})
        mounts.append({"name": "logs", "mount_path": "/logs"})
    if secret is not None:
        volumes.append({"name": "secret", "secret": {"secret_name": secret, "default_mode": 0o400}})
        mounts.append({"name": "secret", "mount_path": SECRETS_FOLDER, "read_only": True})
    return volumes, mounts

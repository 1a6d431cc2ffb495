"""Add-ons of the local cluster: processes beside it, and what they need in it.

They are processes and not pods, because no image of theirs can be pulled where only package registries are reached. To
the cluster there is no difference: metrics-server is reached through a Service, the others are clients of the API.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from toolchain.cluster import health, ports, processes
from toolchain.cluster.files import read_json, write, write_json
from toolchain.cluster.layout import NODE_IP
from toolchain.errors import ToolchainError
from toolchain.parts.addons import KARPENTER_DEFINITIONS, karpenter
from toolchain.parts.model import Part
from toolchain.parts.monitoring import OPERATOR_DEFINITIONS, prometheus_operator
from toolchain.services import instance_types, monitoring_images
from toolchain.services.service import ensure, table

if TYPE_CHECKING:
    from toolchain.services.api import Api

METRICS_SERVER, KWOK, KARPENTER = "metrics-server", "kwok", "karpenter"
MONITORING, OPERATOR = "monitoring", "prometheus-operator"
_PROCESSES = {
    METRICS_SERVER: (METRICS_SERVER,),
    KWOK: (KWOK,),
    KARPENTER: (KWOK, KARPENTER),
    MONITORING: (OPERATOR,),
}
# The processes themselves, for what is known of each.
_KNOWN = tuple(dict.fromkeys(process for group in _PROCESSES.values() for process in group))
_READY_SECONDS = 60.0
# Addresses of simulated pods: of the block that is set aside for benchmarks, so that no machine has them.
_SIMULATED_PODS = "198.18.0.0/15"
_METRICS_API = "v1beta1.metrics.k8s.io"
_NAMESPACE = "/api/v1/namespaces/kube-system"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_HELM_COMMAND = (
    "helm upgrade --install metrics-server metrics-server --namespace kube-system "
    "--repo https://kubernetes-sigs.github.io/metrics-server --set 'args={--kubelet-insecure-tls}'"
)


class _Loader(yaml.CSafeLoader):
    """Of definitions with megabytes of YAML, in which a plain "=" is a text, as everybody but YAML 1.1 reads it."""


_Loader.add_constructor("tag:yaml.org,2002:value", _Loader.construct_yaml_str)


@dataclass(frozen=True)
class Machine:
    """Where the add-ons run: the data folder, the programs, and the cluster they serve."""

    data: Path
    tools: Path
    kubeconfig: Path
    registry: str = ""
    """``host:port`` of the local registry that the cluster pulls from, empty where it has none."""

    @property
    def folder(self) -> Path:
        return table(self.data).parent

    @property
    def registered(self) -> Path:
        """There while the cluster may have been told of a metrics-server."""
        return self.folder / "metrics-server.registered"

    def alive(self, process: str) -> bool:
        record = processes.load(table(self.data)).get(process)
        return record is not None and record.alive

    def api(self) -> "Api":
        """The cluster's API server."""
        from toolchain.services.api import Api  # slow to import: only where an add-on is asked for

        return Api(self.kubeconfig)

    def port(self, process: str, use: str = "") -> int:
        """A port for a process, the same one at every start as long as it is free."""
        file, name = self.folder / "addon-ports.json", f"{process}{use}"
        chosen: dict[str, int] = read_json(file, {})
        if name not in chosen or not (self.alive(process) or ports.is_free(chosen[name])):
            chosen[name] = ports.any_free(chosen.values())
            write_json(file, chosen)
        return chosen[name]

    def run(
        self,
        process: str,
        arguments: list[str],
        url: str,
        environment: dict[str, str] | None = None,
        configuration: str = "",
    ) -> None:
        """Start the process unless it runs, and wait until ``url`` answers."""
        ensure(
            self.data,
            process,
            [self.tools / process, *arguments],
            lambda: health.healthy(url),
            tools=self.tools,
            configuration=configuration,
            # The proxies of the environment are for the internet, and all that these ask is on this machine.
            environment={"NO_PROXY": "*", "no_proxy": "*", **(environment or {})},
            seconds=_READY_SECONDS,
        )


def start(names: Collection[str], machine: Machine, note: Callable[[str], None]) -> None:
    """Start the add-ons of these names, and what they need. What runs stays.

    Raises ToolchainError with the end of the log of one that does not start.
    """
    wanted = dict.fromkeys(process for name in names for process in _PROCESSES.get(name, ()))
    if machine.registered.exists() and METRICS_SERVER not in wanted and not machine.alive(METRICS_SERVER):
        _withdraw(machine)
    records = processes.load(table(machine.data))
    ended = [name for name in _KNOWN if name in records and name not in wanted and not records[name].alive]
    processes.drop(table(machine.data), ended)  # nobody asks for them any more
    starters = {
        METRICS_SERVER: _start_metrics_server,
        KWOK: _start_kwok,
        KARPENTER: _start_karpenter,
        OPERATOR: _start_prometheus_operator,
    }
    for process in wanted:
        note(f"starting {process}")
        starters[process](machine)


def stop(data: Path) -> list[str]:
    """Stop the add-ons that run. Returns their names. What the cluster knows of them stays until its next start."""
    records = [record for name, record in processes.load(table(data)).items() if name in _KNOWN and record.alive]
    processes.terminate(records, grace_seconds=10)
    return [record.name for record in records]


def in_docker(names: Collection[str], machine: Machine, note: Callable[[str], None]) -> str:
    """Start the add-ons for a kind cluster; returns what is to be done by hand, empty for nothing.

    An API server in a container does not reach a process of this machine, so metrics-server must be a pod there, and
    its manifests and charts are published without a checksum that a download could be compared with.
    """
    start([name for name in names if name != METRICS_SERVER], machine, note)
    if METRICS_SERVER not in names or machine.api().get(f"{_API_SERVICES}/{_METRICS_API}"):
        return ""
    missing = "models with replicas {min, max} stay at min until the cluster has metrics-server. Install it: "
    return missing + _HELM_COMMAND


def _start_metrics_server(machine: Machine) -> None:
    port = machine.port(METRICS_SERVER)
    kubeconfig = str(machine.kubeconfig)
    machine.run(
        METRICS_SERVER,
        [
            *(f"--{use}kubeconfig={kubeconfig}" for use in ("", "authentication-", "authorization-")),
            f"--bind-address={NODE_IP}",  # an endpoint may not be a loopback address
            f"--secure-port={port}",
            f"--cert-dir={machine.folder / METRICS_SERVER}",
            "--kubelet-insecure-tls",  # the kubelet signs its certificate itself, and is on this machine
            "--kubelet-preferred-address-types=InternalIP",
            "--kubelet-use-node-status-port",
            "--metric-resolution=10s",
            "--kubelet-request-timeout=5s",  # must be less
        ],
        f"https://{NODE_IP}:{port}/livez",
    )
    machine.registered.touch()
    api = machine.api()
    named = {"name": METRICS_SERVER, "namespace": "kube-system"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": named}
    api.apply(f"{_NAMESPACE}/services", {**service, "spec": {"ports": [{"name": "https", "port": 443}]}})
    api.apply(
        _SLICES,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**named, "labels": {"kubernetes.io/service-name": METRICS_SERVER}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
    )
    group, version = "metrics.k8s.io", "v1beta1"
    api.apply(
        _API_SERVICES,
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": _METRICS_API},
            "spec": {
                "service": named,
                "group": group,
                "version": version,
                "insecureSkipTLSVerify": True,  # it signs its certificate itself
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    )
    _wait(machine, METRICS_SERVER, lambda: api.has(f"{_API_SERVICES}/{_METRICS_API}", "Available"))


def _withdraw(machine: Machine) -> None:
    """Tell the cluster that metrics-server is gone: an API that nobody serves keeps namespaces from being deleted."""
    api = machine.api()
    for path in (f"{_API_SERVICES}/{_METRICS_API}", f"{_NAMESPACE}/services/{METRICS_SERVER}"):
        api.delete(path)
    api.delete(f"{_SLICES}/{METRICS_SERVER}")
    machine.registered.unlink()


def _start_kwok(machine: Machine) -> None:
    port = machine.port(KWOK)
    machine.run(
        KWOK,
        [
            f"--kubeconfig={machine.kubeconfig}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            # Without leases a node's whole status is its heartbeat, and hundreds of nodes miss theirs.
            "--node-lease-duration-seconds=40",
            f"--cidr={_SIMULATED_PODS}",
            # Whoever asks the kubelet of a simulated node, metrics-server for one, asks kwok.
            "--node-ip=127.0.0.1",
            f"--node-port={port}",
            f"--server-address=127.0.0.1:{port}",
        ],
        f"http://127.0.0.1:{port}/healthz",
        {"KWOK_WORKDIR": str(machine.folder / KWOK)},  # not the user's ~/.kwok
    )


def _start_karpenter(machine: Machine) -> None:
    api = machine.api()
    _define(machine, KARPENTER, karpenter(), KARPENTER_DEFINITIONS)
    version = "karpenter.kwok.sh/v1alpha1"
    node_class = {"apiVersion": version, "kind": "KWOKNodeClass", "metadata": {"name": "default"}}
    api.apply(f"/apis/{version}/kwoknodeclasses", node_class)
    machines = json.dumps(instance_types.all_types(), indent=2)
    file = machine.folder / "instance-types.json"
    write(file, machines)
    port = machine.port(KARPENTER, "-health")
    machine.run(
        KARPENTER,
        [],
        f"http://127.0.0.1:{port}/healthz",
        {
            "KUBECONFIG": str(machine.kubeconfig),
            "SYSTEM_NAMESPACE": "kube-system",
            "DISABLE_LEADER_ELECTION": "true",
            "METRICS_PORT": str(machine.port(KARPENTER, "-metrics")),
            "HEALTH_PROBE_PORT": str(port),
            "INSTANCE_TYPES_FILE_PATH": str(file),
        },
        configuration=machines,
    )


def _start_prometheus_operator(machine: Machine) -> None:
    """The operator watches the whole cluster. What it makes runs in pods."""
    _define(machine, OPERATOR, prometheus_operator(), OPERATOR_DEFINITIONS)
    reloader = []
    if machine.registry:
        monitoring_images.serve(machine.registry, machine.tools)
        image = monitoring_images.RELOADER
        reloader = [f"--prometheus-config-reloader={machine.registry}/{image.repository}:{image.tag}"]
    address = f"127.0.0.1:{machine.port(OPERATOR)}"
    machine.run(
        OPERATOR,
        [
            f"--web.listen-address={address}",
            # Where monitors find the kubelets, and with them what containers use.
            "--kubelet-service=kube-system/kubelet",
            *reloader,
        ],
        f"http://{address}/healthz",
        {"KUBECONFIG": str(machine.kubeconfig)},
    )


def _define(machine: Machine, name: str, part: Part, files: Collection[str]) -> None:
    """Have the cluster know the custom resources that are defined in files of a part."""
    api, have = machine.api(), part.in_cache()
    assert have is not None  # it was installed
    definitions = [yaml.load((Path(have.where) / file).read_text(), _Loader) for file in files]
    for definition in definitions:
        api.apply(_DEFINITIONS, definition)
    for definition in definitions:
        path = f"{_DEFINITIONS}/{definition['metadata']['name']}"
        _wait(machine, name, lambda path=path: api.has(path, "Established"), process=False)


def _wait(machine: Machine, name: str, condition: Callable[[], bool], *, process: bool = True) -> None:
    if not processes.wait_until(condition, _READY_SECONDS):
        where = f"Its log is {machine.folder / name}.log." if process else ""
        raise ToolchainError(f"start {name}", f"the API server did not take it within {_READY_SECONDS:.0f} s", where)

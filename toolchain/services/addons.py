"""Add-ons of the local cluster: processes beside it, and what they need in it.

They are processes and not pods, because no image of theirs can be pulled where only package registries are reached. To
the cluster there is no difference: what answers for an API is reached through a Service, the others are its clients.
"""

import json
from collections.abc import Callable, Collection
from pathlib import Path

import yaml

from toolchain.cluster import processes
from toolchain.cluster.files import write
from toolchain.parts.addons import KARPENTER_DEFINITIONS, karpenter
from toolchain.parts.model import Part
from toolchain.parts.monitoring import OPERATOR_DEFINITIONS, prometheus_operator
from toolchain.services import instance_types, metrics_apis, monitoring_images
from toolchain.services.machine import Machine, wait
from toolchain.services.service import table

KWOK, KARPENTER = "kwok", "karpenter"
MONITORING, OPERATOR = "monitoring", "prometheus-operator"
_PROCESSES = {
    metrics_apis.METRICS_SERVER: (metrics_apis.METRICS_SERVER,),
    KWOK: (KWOK,),
    KARPENTER: (KWOK, KARPENTER),
    MONITORING: (OPERATOR,),
    metrics_apis.ADAPTER: (metrics_apis.ADAPTER,),
}
# The processes themselves, for what is known of each.
_KNOWN = tuple(dict.fromkeys(process for group in _PROCESSES.values() for process in group))
# Addresses of simulated pods: of the block that is set aside for benchmarks, so that no machine has them.
_SIMULATED_PODS = "198.18.0.0/15"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class _Loader(yaml.CSafeLoader):
    """Of definitions with megabytes of YAML, in which a plain "=" is a text, as everybody but YAML 1.1 reads it."""


_Loader.add_constructor("tag:yaml.org,2002:value", _Loader.construct_yaml_str)


def start(names: Collection[str], machine: Machine, note: Callable[[str], None]) -> None:
    """Start the add-ons of these names, and what they need. What runs stays.

    Raises ToolchainError with the end of the log of one that does not start.
    """
    wanted = dict.fromkeys(process for name in names for process in _PROCESSES.get(name, ()))
    metrics_apis.withdraw_ended(wanted, machine)
    records = processes.load(table(machine.data))
    ended = [name for name in _KNOWN if name in records and name not in wanted and not records[name].alive]
    processes.drop(table(machine.data), ended)  # nobody asks for them any more
    starters = {
        metrics_apis.METRICS_SERVER: metrics_apis.start_metrics_server,
        KWOK: _start_kwok,
        KARPENTER: _start_karpenter,
        OPERATOR: _start_prometheus_operator,
        metrics_apis.ADAPTER: metrics_apis.start_prometheus_adapter,
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

    An API server in a container does not reach a process of this machine, so what answers for an API must be a pod
    there, and manifests and charts are published without a checksum that a download could be compared with.
    """
    start([name for name in names if name not in metrics_apis.ALL], machine, note)
    return metrics_apis.by_hand(names, machine)


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
        wait(machine, name, lambda path=path: api.has(path, "Established"), process=False)

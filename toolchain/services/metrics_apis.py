"""What answers for metrics in the local cluster's API: metrics-server, and prometheus-adapter for those of models."""

from collections.abc import Collection
from pathlib import Path

import yaml

from components.planning.monitoring_stack import PROMETHEUS_PORT, PROMETHEUS_SERVICE
from components.planning.triggers import adapter_config
from toolchain.cluster.files import write
from toolchain.cluster.layout import NODE_IP
from toolchain.services.machine import Machine, wait

METRICS_SERVER, ADAPTER = "metrics-server", "prometheus-adapter"
ALL = (METRICS_SERVER, ADAPTER)
# What the API server passes on to processes: group and version.
_APIS = {METRICS_SERVER: ("metrics.k8s.io", "v1beta1"), ADAPTER: ("custom.metrics.k8s.io", "v1beta1")}
_NAMESPACE = "/api/v1/namespaces/kube-system"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_BY_HAND = {
    METRICS_SERVER: "models with replicas {min, max} stay at min",
    ADAPTER: "models that are scaled by their requests or queue take no pod away, and add some only by the CPU",
}
_HELM = {
    METRICS_SERVER: "helm upgrade --install metrics-server metrics-server --namespace kube-system "
    "--repo https://kubernetes-sigs.github.io/metrics-server --set 'args={--kubelet-insecure-tls}'",
    ADAPTER: "https://github.com/kubernetes-sigs/prometheus-adapter, with the configuration that "
    "`python -m components.adapter_config` prints",
}


def withdraw_ended(wanted: Collection[str], machine: Machine) -> None:
    """Take processes that ended off the API, unless they are ``wanted``."""
    for process in ALL:
        if _registered(machine, process).exists() and process not in wanted and not machine.alive(process):
            _withdraw(machine, process)


def by_hand(names: Collection[str], machine: Machine) -> str:
    """How those of ``names`` are had that a cluster lacks whose API server reaches no process of this machine."""
    missing = [name for name in ALL if name in names and not machine.api().get(f"{_API_SERVICES}/{_api_of(name)}")]
    return "\n".join(f"{_BY_HAND[name]} until the cluster has {name}. Install it: {_HELM[name]}" for name in missing)


def _registered(machine: Machine, process: str) -> Path:
    """There while the cluster may have been told that the process answers for an API."""
    return machine.folder / f"{process}.registered"


def start_metrics_server(machine: Machine) -> None:
    """It asks the kubelets what pods use."""
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
    _answer_for_api(machine, METRICS_SERVER, port)


def start_prometheus_adapter(machine: Machine) -> None:
    """It asks Prometheus through the API server, which alone reaches pods wherever the cluster runs."""
    port, kubeconfig = machine.port(ADAPTER), str(machine.kubeconfig)
    service = f"api/v1/namespaces/{machine.prometheus}/services/{PROMETHEUS_SERVICE}:{PROMETHEUS_PORT}/proxy"
    file, rules = machine.folder / "prometheus-adapter.yaml", yaml.safe_dump(adapter_config(), sort_keys=False)
    write(file, rules)
    machine.run(
        ADAPTER,
        [
            *(f"--{use}-kubeconfig={kubeconfig}" for use in ("lister", "authentication", "authorization")),
            f"--prometheus-url={machine.api().server}/{service}",
            f"--prometheus-auth-config={kubeconfig}",
            f"--config={file}",
            f"--bind-address={NODE_IP}",
            f"--secure-port={port}",
            f"--cert-dir={machine.folder / ADAPTER}",
            # Of models that are new, and of those that ended.
            "--metrics-relist-interval=10s",
            "--metrics-max-age=2m",
        ],
        f"https://{NODE_IP}:{port}/healthz",
        configuration=rules,
    )
    _answer_for_api(machine, ADAPTER, port)


def _api_of(process: str) -> str:
    group, version = _APIS[process]
    return f"{version}.{group}"


def _answer_for_api(machine: Machine, process: str, port: int) -> None:
    """Have the API server pass requests on to a process that answers for a part of its API."""
    _registered(machine, process).touch()
    api, (group, version) = machine.api(), _APIS[process]
    named = {"name": process, "namespace": "kube-system"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": named}
    api.apply(f"{_NAMESPACE}/services", {**service, "spec": {"ports": [{"name": "https", "port": 443}]}})
    api.apply(
        _SLICES,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**named, "labels": {"kubernetes.io/service-name": process}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
    )
    api.apply(
        _API_SERVICES,
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": _api_of(process)},
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
    wait(machine, process, lambda: api.has(f"{_API_SERVICES}/{_api_of(process)}", "Available"))


def _withdraw(machine: Machine, process: str) -> None:
    """Tell the cluster that the process is gone: an API that nobody serves keeps namespaces from being deleted."""
    api = machine.api()
    for path in (f"{_API_SERVICES}/{_api_of(process)}", f"{_NAMESPACE}/services/{process}"):
        api.delete(path)
    api.delete(f"{_SLICES}/{process}")
    _registered(machine, process).unlink()

"""Who may talk to whom: network policies that deny everything, and the holes in them, each with a name.

A hole for a kubelet's probes is not needed: what comes from a pod's own node always passes
(https://kubernetes.io/docs/concepts/services-networking/network-policies/).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from components.planning.names import any_component

if TYPE_CHECKING:
    from pulumi_kubernetes.networking.v1 import (
        NetworkPolicyEgressRuleArgsDict,
        NetworkPolicyIngressRuleArgsDict,
        NetworkPolicyPeerArgsDict,
        NetworkPolicyPortArgsDict,
        NetworkPolicySpecArgsDict,
    )

    from components.config import ModelConfig, NetworkConfig, PeerConfig
    from components.planning.runtimes import Runtime

# The label that the API server gives every namespace.
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
# Where pods ask for names: the cluster's DNS pods, or the cache on their node, whose address is the same everywhere.
_DNS_NAMESPACE, _DNS_PODS, _DNS_CACHE = "kube-system", {"k8s-app": "kube-dns"}, "169.254.20.10/32"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Whom a model's server calls, over TCP: a DNS name, a Service (name or name.namespace.svc) or an IP address."""

    host: str
    port: int

    @property
    def named(self) -> bool:
        """Whether DNS has to be asked for it."""
        return _address(self.host) is None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A network policy, and its holes in words."""

    spec: "NetworkPolicySpecArgsDict"
    holes: tuple[str, ...]

    @property
    def description(self) -> str:
        return "; ".join(self.holes)


def default_deny() -> Policy:
    """Nothing goes into any pod of the namespace, nothing out."""
    return Policy(
        spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]}, holes=("denies what no other policy allows",)
    )


def namespace_policy(allowed: "Sequence[PeerConfig]") -> Policy:
    """Pods of a namespace reach each other, and into it come only who is `allowed`; out of it goes what they send.

    Prometheus asks whatever has metrics, and Alertmanager calls receivers by names, which a policy does not know.
    """
    incoming: list[tuple[str, NetworkPolicyIngressRuleArgsDict]] = [
        ("pods of this namespace", {"from_": [{"pod_selector": {}}]}),
        *((_name(peer), {"from_": [_peer(peer)]}) for peer in allowed),
    ]
    return Policy(
        spec={"pod_selector": {}, "policy_types": ["Ingress"], "ingress": [rule for _, rule in incoming]},
        holes=tuple(f"in: {name}" for name, _ in incoming),
    )


def model_policy(
    config: "ModelConfig",
    runtime: "Runtime",
    network: "NetworkConfig",
    selector: dict[str, str],
    destinations: Sequence[Destination] = (),
    scraper: str | None = None,
) -> Policy:
    """The holes of one model and its canary.

    Args:
        network: what is open in all models.
        selector: labels of the model's pods.
        destinations: whom the program itself has the server call, such as a database that the configuration names.
        scraper: namespace of the Prometheus that reads the metrics, if one does.
    """
    called = [*destinations, *(Destination(host=to.host, port=to.port) for to in config.network.allow_to)]
    incoming, outgoing = list(_ingress(config, runtime, network, scraper)), list(_egress(called))
    return Policy(
        spec={
            "pod_selector": {"match_labels": any_component(selector)},
            "policy_types": ["Ingress", "Egress"],
            "ingress": [rule for _, rule in incoming],
            "egress": [rule for _, rule in outgoing],
        },
        holes=(*(f"in: {name}" for name, _ in incoming), *(f"out: {name}" for name, _ in outgoing)),
    )


def agent_policy(destinations: Sequence[Destination]) -> Policy:
    """For the pods of a namespace that nobody calls, and that call these."""
    outgoing = list(_egress(destinations))
    return Policy(
        spec={
            "pod_selector": {},
            "policy_types": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [rule for _, rule in outgoing],
        },
        holes=tuple(f"out: {name}" for name, _ in outgoing) or ("denies everything",),
    )


def _ingress(
    config: "ModelConfig", runtime: "Runtime", network: "NetworkConfig", scraper: str | None
) -> "Iterator[tuple[str, NetworkPolicyIngressRuleArgsDict]]":
    serving = _ports(*(port for name, port in runtime.ports.items() if name != "metrics"))
    if config.service.type == "ClusterIP":
        yield "pods of this namespace", {"from_": [{"pod_selector": {}}], "ports": serving}
    else:
        # From outside, or from any node that has passed it on under its own address.
        yield f"anybody, for the {config.service.type}", {"ports": serving}
    http = _ports(runtime.ports["http"])
    if config.ingress is not None and config.ingress.controller_namespace is not None:
        namespace = config.ingress.controller_namespace
        yield f"the Ingress controller in {namespace}", {"from_": [_namespace(namespace)], "ports": http}
    if config.route is not None:
        namespace = config.route.gateway.proxy_namespace or config.route.gateway.namespace
        yield f"the Gateway in {namespace}", {"from_": [_namespace(namespace)], "ports": http}
    if scraper is not None:
        metrics = _ports(runtime.ports[runtime.metrics_port])
        yield f"Prometheus in {scraper}, for metrics", {"from_": [_namespace(scraper)], "ports": metrics}
    for peer in (*network.allow_from, *config.network.allow_from):
        # Configured peers may read the metrics too.
        yield _name(peer), {"from_": [_peer(peer)], "ports": _ports(*runtime.ports.values())}


def _egress(called: Sequence[Destination]) -> "Iterator[tuple[str, NetworkPolicyEgressRuleArgsDict]]":
    if any(destination.named for destination in called):
        dns: list[NetworkPolicyPeerArgsDict] = [
            {**_namespace(_DNS_NAMESPACE), "pod_selector": {"match_labels": _DNS_PODS}},
            {"ip_block": {"cidr": _DNS_CACHE}},
        ]
        yield "DNS", {"to": dns, "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
    for destination in dict.fromkeys(called):
        rule: NetworkPolicyEgressRuleArgsDict = {"ports": _ports(destination.port)}
        # A policy knows addresses and pods, no names: for a name outside the cluster, the port is all there is to say.
        if peer := _known(destination.host):
            rule["to"] = [peer]
        yield f"{destination.host}:{destination.port}", rule


def _known(host: str) -> "NetworkPolicyPeerArgsDict | None":
    """Where a host is, as far as its name says."""
    if (cidr := _address(host)) is not None:
        return {"ip_block": {"cidr": cidr}}
    parts = host.split(".")
    if len(parts) == 1:
        return {"pod_selector": {}}
    # service.namespace.svc, with the cluster's domain behind it or without.
    return _namespace(parts[1]) if len(parts) > 2 and parts[2] == "svc" else None


def _address(host: str) -> str | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return f"{address}/{address.max_prefixlen}"


def _peer(peer: "PeerConfig") -> "NetworkPolicyPeerArgsDict":
    if peer.cidr is not None:
        return {"ip_block": {"cidr": peer.cidr}}
    found: NetworkPolicyPeerArgsDict = _namespace(peer.namespace) if peer.namespace is not None else {}
    if peer.pods or peer.namespace is None:
        found["pod_selector"] = {"match_labels": dict(peer.pods)}
    return found


def _name(peer: "PeerConfig") -> str:
    if peer.cidr is not None:
        return peer.cidr
    pods = f"pods {','.join(f'{key}={value}' for key, value in peer.pods.items())}" if peer.pods else "pods"
    return f"{pods} of {peer.namespace or 'this namespace'}"


def _namespace(name: str) -> "NetworkPolicyPeerArgsDict":
    return {"namespace_selector": {"match_labels": {_NAMESPACE_NAME: name}}}


def _ports(*numbers: int) -> "list[NetworkPolicyPortArgsDict]":
    return [{"protocol": "TCP", "port": number} for number in numbers]

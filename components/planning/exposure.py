"""How a model is reached from outside: annotations of a load balancer, an Ingress, a route of a Gateway."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pulumi
    from pulumi_kubernetes.networking.v1 import IngressSpecArgsDict, IngressTLSArgsDict

    from components.config import CanaryConfig, IngressConfig, RouteConfig, ServiceConfig

# What makes a load balancer internal in each cloud. Each reads its own and leaves the others alone:
# Google (GKE), Azure (AKS), Amazon (the AWS load balancer controller, and the controller in Kubernetes before it).
_INTERNAL = {
    "networking.gke.io/load-balancer-type": "Internal",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
}


def service_annotations(config: "ServiceConfig") -> dict[str, str]:
    """Annotations of a Service; the configured ones win over those that the program knows."""
    return {**(_INTERNAL if config.internal else {}), **config.annotations}


def ingress_annotations(config: "IngressConfig") -> dict[str, str]:
    """Annotations of an Ingress: who issues its certificate, and that nobody waits for its address.

    Some controllers never write one, and an update would fail after ten minutes for it.
    """
    annotations = {"pulumi.com/skipAwait": "true"}
    if config.tls is not None and config.tls.issuer is not None:
        annotations["cert-manager.io/issuer"] = config.tls.issuer
    if config.tls is not None and config.tls.cluster_issuer is not None:
        annotations["cert-manager.io/cluster-issuer"] = config.tls.cluster_issuer
    return {**annotations, **config.annotations}


def ingress(
    model: str, config: "IngressConfig", service: "pulumi.Input[str]", reached: "ServiceConfig"
) -> "IngressSpecArgsDict":
    """All paths of a host lead to the model's Service."""
    port = {"name": reached.port_name} if reached.port_name else {"number": reached.port}
    backend: Any = {"service": {"name": service, "port": port}}
    spec: IngressSpecArgsDict = {
        "rules": [{"host": config.host, "http": {"paths": [{"path": "/", "path_type": "Prefix", "backend": backend}]}}]
    }
    if config.class_ is not None:
        spec["ingress_class_name"] = config.class_
    if config.tls is not None:
        # An issuer puts the certificate into a Secret of this name.
        tls: IngressTLSArgsDict = {"hosts": [config.host], "secret_name": config.tls.secret or f"{model}-tls"}
        spec["tls"] = [tls]
    return spec


def backends(service: str, canary: str, config: "CanaryConfig | None") -> dict[str, int]:
    """How many of a hundred requests go to which Service."""
    return {service: 100} if config is None else {service: 100 - config.weight, canary: config.weight}


def http_route(config: "RouteConfig", backends: Mapping[str, int], port: int) -> dict[str, Any]:
    """All paths of a host lead to the Services' `port`, by their weights. Keys are as in the Gateway API."""
    gateway = config.gateway
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway.name}
    parent |= {"namespace": gateway.namespace}
    if gateway.listener is not None:
        parent["sectionName"] = gateway.listener
    return {
        "parentRefs": [parent],
        "hostnames": [config.host],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [
                    {"group": "", "kind": "Service", "name": service, "port": port, "weight": weight}
                    for service, weight in backends.items()
                ],
            }
        ],
    }

"""How a model is reached, by whom, and whom it may call."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from components.config.pool_types import LabelKey, LabelValue
from components.config.sections.base import Section
from components.config.types import (
    Cidr,
    EnvValue,
    Host,
    HostName,
    ImageRef,
    NamespaceName,
    ObjectName,
    PortName,
    RemotePort,
    Replicas,
    ServiceName,
    Switch,
    Weight,
)
from components.planning.names import SERVICE_PORT, SERVICE_PORT_NAME

Annotations = dict[LabelKey, EnvValue]


class ServiceConfig(Section):
    """How the model is reached: a Service named like the model, port 80 named http, unless the keys say otherwise.

    With `adopt`, a Service of that name that somebody else made is taken over (docs/day-two.md). `internal` and
    `sourceRanges` (who may connect; all, if absent) are of a LoadBalancer only.
    """

    name: ServiceName | None = None
    port: RemotePort = SERVICE_PORT
    port_name: PortName = SERVICE_PORT_NAME
    adopt: Switch = False
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    annotations: Annotations = {}
    internal: Switch = False
    source_ranges: tuple[Cidr, ...] = ()

    @model_validator(mode="after")
    def _is_a_load_balancer(self) -> Self:
        given = [name for name, value in (("internal", self.internal), ("sourceRanges", self.source_ranges)) if value]
        if given and self.type != "LoadBalancer":
            raise PydanticCustomError(
                "not_of_service",
                "{names} would do nothing for a Service of type {type}; allowed with: LoadBalancer",
                {"names": " and ".join(given), "type": self.type},
            )
        return self


class TlsConfig(Section):
    """The certificate of a host: in a Secret that exists, or from an issuer of cert-manager. Exactly one."""

    secret: Annotated[ObjectName, Field(examples=["example-com-tls"])] | None = None
    issuer: Annotated[ObjectName, Field(examples=["letsencrypt"])] | None = None
    cluster_issuer: Annotated[ObjectName, Field(examples=["letsencrypt"])] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("secret", "issuer", "cluster_issuer") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "one_certificate",
                "{given} of secret, issuer (cert-manager's in this namespace) and clusterIssuer are given; "
                "a certificate comes from exactly one",
                {"given": len(given) or "none"},
            )
        return self


class IngressConfig(Section):
    """A host of an Ingress controller, whose pods run in `controllerNamespace`: the network policy lets them in."""

    host: HostName
    class_: Annotated[Annotated[ObjectName, Field(examples=["nginx"])] | None, Field(alias="class")] = None
    tls: TlsConfig | None = None
    annotations: Annotations = {}
    controller_namespace: NamespaceName | None = None


class GatewayConfig(Section):
    """A Gateway that exists, and which of its listeners, whose TLS it is; all, if absent."""

    name: Annotated[ObjectName, Field(examples=["gateway"])]
    namespace: Annotated[NamespaceName, Field(examples=["gateways"])]
    listener: Annotated[ObjectName, Field(examples=["https"])] | None = None
    # Where the pods run that pass its requests on, if not in the Gateway's own namespace.
    proxy_namespace: NamespaceName | None = None


class RouteConfig(Section):
    """A host of a Gateway (Gateway API)."""

    gateway: GatewayConfig
    host: HostName


class CanaryConfig(Section):
    """Another image of the same model, in pods of its own, that answers `weight` of a hundred requests of the route."""

    image: ImageRef
    weight: Weight
    replicas: Replicas = 1


class PeerConfig(Section):
    """Who may connect: pods of a namespace (all, or those with labels), pods of this one, or addresses."""

    namespace: NamespaceName | None = None
    pods: dict[LabelKey, LabelValue] = {}
    cidr: Cidr | None = None

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        inside = self.namespace is not None or bool(self.pods)
        if inside == (self.cidr is not None):
            raise PydanticCustomError(
                "pods_or_addresses", "is neither pods (namespace, pods or both) nor addresses (cidr), or it is both"
            )
        return self


class DestinationConfig(Section):
    """Whom a model's server may call: a host and a port, for TCP."""

    host: Host
    port: RemotePort


class ModelNetworkConfig(Section):
    """Beyond what the program opens itself: who may call this model, and whom its server may call."""

    allow_from: tuple[PeerConfig, ...] = ()
    allow_to: tuple[DestinationConfig, ...] = ()


class NetworkConfig(Section):
    """Network policies: nothing goes into the pods or out of them but what is named. `allowFrom` is for all models."""

    default_deny: Switch = True
    allow_from: tuple[PeerConfig, ...] = ()

"""Whether Services that somebody else made can be taken over without losing a request: a look before any change.

Why a Service is taken over, and a Deployment is not, is in docs/decisions/0060-pull-requests-and-operations.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime.sync_await import _sync_await
from pulumi_kubernetes.core.v1 import Service

from components.config import ConfigError, ModelConfig, Problem, StackConfig
from components.config.problems import Commands, Path
from components.errors import UserError
from components.planning import exposure, names
from components.planning.runtimes import runtime_of

# From the least to the most: each has the addresses of those before it.
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
# Annotations that tell of an owner, or of what an object was made from.
_OF_OWNERS = ("kubectl.kubernetes.io/", "pulumi.com/", "meta.helm.sh/")
# The Kubernetes provider takes over all that these wrote, and drops what the program does not say.
_TAKEN_OVER = ("kubectl", "before-first-apply", "pulumi-kubernetes")


def check_adoption(stack: str, config: StackConfig, provider: pulumi.ProviderResource) -> None:
    """Look at the Services that models adopt, in a preview too.

    Raises:
        ConfigError: the update would take something from their clients.
        UserError: one of them cannot be looked at. Where there is none of its name, the engine has said so.
    """
    commands = Commands(stack)
    problems = [
        problem
        for name, model in config.models.items()
        if model.service.adopt
        for problem in adoption_problems(stack, name, model, _look(config, name, model, provider), commands)
    ]
    if problems:
        raise ConfigError(stack, problems)


@dataclass(frozen=True, kw_only=True)
class LiveService:
    """A Service in the cluster, as far as its clients notice.

    Attributes:
        headless: whether its clients find the pods themselves.
        ports: names by protocol and number.
        annotations: those that an update will drop unless the program says them.
    """

    name: str
    namespace: str
    type: str
    headless: bool
    selector: Mapping[str, str]
    ports: Mapping[tuple[str, int], str]
    annotations: tuple[str, ...]


def _look(config: StackConfig, name: str, model: ModelConfig, provider: pulumi.ProviderResource) -> LiveService:
    service, path = model.service.name or model.served_name(name), f"models.{name}.service.name"
    # No child, and called like the setting: what is wrong with it is told of a resource of this name.
    found = Service.get(path, f"{config.namespace}/{service}", pulumi.ResourceOptions(provider=provider))
    try:
        # As shared.py does for outputs of another stack.
        metadata, spec = _sync_await(found.metadata.future()), _sync_await(found.spec.future())
    except pulumi.RunError:
        metadata = spec = None
    if metadata is None or spec is None:
        raise UserError(
            f"model-serving:{path}: the Service {service} of namespace {config.namespace} cannot be adopted: it could "
            f"not be read -> kubectl get services --namespace {config.namespace}"
        )
    return LiveService(
        name=service,
        namespace=config.namespace,
        type=spec.type or "ClusterIP",
        headless=spec.cluster_ip == "None",
        selector=dict(spec.selector or {}),
        ports={(port.protocol or "TCP", int(port.port)): port.name or "" for port in spec.ports or ()},
        annotations=tuple(_dropped(metadata.annotations or {}, metadata.managed_fields or ())),
    )


def _dropped(annotations: Mapping[str, str], managed_fields: Any) -> Iterator[str]:
    for key in annotations:
        owners = [
            entry.manager or ""
            for entry in managed_fields
            if f"f:{key}" in (entry.fields_v1 or {}).get("f:metadata", {}).get("f:annotations", {})
        ]
        if any(owner.startswith(_TAKEN_OVER) for owner in owners) and not key.startswith(_OF_OWNERS):
            yield key


def adoption_problems(
    stack: str, name: str, model: ModelConfig, live: LiveService, commands: Commands
) -> Iterator[Problem]:
    """What clients of the Service `live` would lose when it becomes that of the model `name`."""
    path: Path = ("models", name, "service")
    if live.type not in _TYPES or live.headless or not live.selector:
        yield Problem(
            path=(*path, "name"),
            message=f"{_called(live)} cannot be adopted: it does not send requests to pods by a selector; allowed: a "
            f"Service with a selector of type {', '.join(_TYPES)}, and not headless",
            fix=f"{commands.remove((*path, 'adopt'))}, and let clients move to a Service of the model's own",
        )
        return
    if _TYPES.index(live.type) > _TYPES.index(model.service.type):
        yield Problem(
            path=(*path, "type"),
            message=f"is {model.service.type}, and {_called(live)} is a {live.type}: its clients outside would lose it",
            fix=commands.set((*path, "type"), live.type),
        )
    yield from _ports(path, model, live, commands)
    for key in live.annotations:
        if key not in exposure.service_annotations(model.service):
            where: Path = (*path, "annotations", key)
            yield Problem(
                path=where,
                message=f"is an annotation of {_called(live)}, which it would lose",
                fix=f"{commands.set(where, '<its value>')}, or "
                f"kubectl annotate service {live.name} --namespace {live.namespace} {key}-",
            )
    own = names.selector_labels(stack, model.served_name(name))
    if live.selector != own and live.selector.items() <= own.items():
        told = ",".join(f"{key}={value}" for key, value in live.selector.items())
        yield Problem(
            path=(*path, "name"),
            message=f"{_called(live)} selects the new pods already ({told}), so they would get requests on ports that "
            "are not theirs; allowed: a selector that only the old pods have",
            fix=f"kubectl set selector service {live.name} --namespace {live.namespace} KEY=VALUE, with a label that "
            "only the old pods have, or rename the model",
        )


def _ports(path: Path, model: ModelConfig, live: LiveService, commands: Commands) -> Iterator[Problem]:
    """Ports that would be gone, and other names of ports.

    By the name kube-proxy finds a port's pods: while only one of Service and endpoints has a new one, it refuses
    connections.
    """
    http = ("TCP", int(model.service.port))
    own: dict[tuple[str, int], str] = {http: model.service.port_name}
    grpc = runtime_of("", model).ports.get("grpc")
    if grpc is not None:
        own["TCP", grpc] = names.GRPC_PORT_NAME
    lost = [port for port in live.ports if port not in own]
    otherwise = "let clients move to a Service of the model's own"
    if lost:
        told = ", ".join(f"{number}/{protocol}" for protocol, number in lost)
        moved = len(lost) == 1 and lost[0][0] == "TCP" and http not in live.ports
        yield Problem(
            path=(*path, "port"),
            message=f"is {model.service.port}, and {_called(live)} answers on {told} too, which its clients would lose",
            fix=commands.set((*path, "port"), lost[0][1])
            if moved
            else f"take what nobody uses out of that Service first, or {otherwise}",
        )
        if not moved:
            return
        # The setting is judged as it will be.
        own[lost[0]] = own.pop(http)
    for port, name in live.ports.items():
        if name != own[port]:
            yield Problem(
                path=(*path, "portName"),
                message=f'is "{own[port]}", and {_called(live)} calls its port {port[1]} "{name}": with another name '
                "it would refuse requests for a moment",
                fix=commands.set((*path, "portName"), name) if own[port] == model.service.port_name else otherwise,
            )


def _called(live: LiveService) -> str:
    return f"the Service {live.name} of namespace {live.namespace}"

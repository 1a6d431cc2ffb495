"""What only the whole configuration can tell: mistakes between sections, and in keys that belong to none.

Each check looks at a configuration that may still be wrong in any way, so that all mistakes are told at once.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from components.config import defaults
from components.config.problems import NAMESPACE, Commands, Path, Problem, unknown_key
from components.config.sections import GpuConfig
from components.config.sections.runtime import OWN_RUNTIMES
from components.config.types import SECRET_KEY
from components.planning.names import canary_name

# Kubernetes' limit for a label's value. The instance label joins the names of the stack and of the model.
MAX_LABEL = 63


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a stack's configuration says, before anything of it is known to be right.

    Attributes:
        sections: names of all sections there are.
        data: the sections that are given in plain text.
        keys: every key as Pulumi has it, "namespace:key".
        is_secret: whether a key of our namespace is stored encrypted.
        has_value: whether a key of our namespace has a value at all, and not an empty one.
        value: the value of a key of our namespace as text, encrypted or not.
    """

    stack: str
    project: str
    commands: Commands
    sections: tuple[str, ...]
    data: Mapping[str, Any]
    keys: tuple[str, ...]
    is_secret: Callable[[str], bool]
    has_value: Callable[[str], bool]
    value: Callable[[str], str]

    def own_keys(self, namespace: str) -> Iterator[str]:
        for full in self.keys:
            owner, _, key = full.partition(":")
            if owner == namespace:
                yield key


def problems(given: Given) -> Iterator[Problem]:
    """Every mistake that no single section shows."""
    for check in _CHECKS:
        yield from check(given)


def models_of(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The models of a configuration that may still be wrong in any way."""
    models = data.get("models")
    if isinstance(models, dict):
        yield from ((name, model) for name, model in models.items() if isinstance(model, dict))


def pools_of(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The node pools of a configuration that may still be wrong in any way."""
    pools = data.get("nodePools")
    return {name: pool for name, pool in pools.items() if isinstance(pool, dict)} if isinstance(pools, dict) else {}


def served_names(data: Mapping[str, Any]) -> dict[str, str]:
    """What each model is called in the cluster, by its name in the stack file."""
    former = {name: model.get("renamedFrom") for name, model in models_of(data)}
    return {name: kept if isinstance(kept, str) else name for name, kept in former.items()}


def listed_secrets(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Where a secret is asked for, and its key; what cannot be a key is the schema's to refuse."""
    for path, value in _secret_places(data):
        if isinstance(value, dict) and "config" in value:
            path, value = (*path, "config"), value["config"]
        if isinstance(value, str) and re.match(SECRET_KEY, value):
            yield path, value


def _secret_places(data: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Values that are the key of a secret, or a section with one as its `config`."""
    yield ("signing", "privateKey"), _section(data, "signing").get("privateKey")
    for key in ("privateKey", "password"):
        yield ("imageSigning", key), _section(data, "imageSigning").get(key)
    yield ("logs", "authorization"), _section(data, "logs").get("authorization")
    yield ("cluster", "kubeconfig"), _section(data, "cluster").get("kubeconfig")
    for name, receiver in _receivers(data).items():
        for way, key in (("webhook", "url"), ("slack", "url"), ("email", "password")):
            yield ("alerts", "receivers", name, way, key), _section(receiver, way).get(key)
    pull_secret = _section(data, "registry").get("pullSecret")
    if isinstance(pull_secret, dict):
        yield ("registry", "pullSecret"), pull_secret
    for path, holder in [((), data), *((("models", name), model) for name, model in models_of(data))]:
        secrets = holder.get("secrets")
        for index, secret in enumerate(secrets if isinstance(secrets, list) else ()):
            yield (*path, "secrets", index), secret
        yield (*path, "database", "password"), _section(holder, "database").get("password")


def _receivers(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The receivers of alerts in a configuration that may still be wrong in any way."""
    receivers = _section(_section(data, "alerts"), "receivers")
    return {name: receiver for name, receiver in receivers.items() if isinstance(receiver, dict)}


def _section(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _secret_sections(given: Given) -> Iterator[Problem]:
    """Sections may hold no secret values: Pulumi would hand them over, and store them, in plain text."""
    for key in filter(given.is_secret, given.sections):
        yield Problem(
            path=(key,),
            message="holds an encrypted value; list the key of a secret under models.<name>.secrets instead",
            fix=f"take it out of Pulumi.{given.stack}.yaml, and {given.commands.set_secret('<key>')}",
        )


def _unknown_keys(given: Given) -> Iterator[Problem]:
    sections = list(given.sections)
    used = {key for _, key in listed_secrets(given.data)}
    for key in given.own_keys(NAMESPACE):
        if key in sections or key in used:
            continue
        if given.is_secret(key) and not given.is_secret("models"):
            yield Problem(
                path=(key,),
                message="is a secret that no model uses; list it under models.<name>.secrets, or remove it",
                fix=given.commands.remove((key,)),
            )
        elif not given.is_secret(key):
            yield unknown_key((key,), sections, given.commands)
    if given.project != NAMESPACE:
        for key in given.own_keys(given.project):
            if key in sections or key in used:
                yield Problem(
                    path=(key,),
                    message=f"is set as {given.project}:{key}; this program reads {NAMESPACE}:{key}",
                    fix=f"rename it in Pulumi.{given.stack}.yaml, or set it again with its namespace",
                )


def _defaults_of_one_model(given: Given) -> Iterator[Problem]:
    """What makes a model this one and no other cannot be a default."""
    shared = given.data.get(defaults.KEY)
    if not isinstance(shared, dict):
        return
    for key in ("source", "image", "canary", "renamedFrom"):
        if key in shared:
            path = (defaults.KEY, key)
            message = "cannot be a default: every model has its own; allowed: all other keys of a model"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))


def _nothing_to_do(given: Given) -> Iterator[Problem]:
    """A stack has models, or what those of others use: node pools, charts or monitoring."""
    shared = pools_of(given.data) or given.data.get("charts") or _shared_monitoring(given.data)
    if given.data.get("models", {}) == {} and not shared and not given.is_secret("models"):
        verdict = "is empty" if "models" in given.data else "is required and missing"
        yield Problem(
            path=("models",),
            message=f"{verdict}; allowed: a map of models by name",
            fix=given.commands.set(("models", "digits", "source", "framework"), "keras"),
        )


def _shared_monitoring(data: Mapping[str, Any]) -> bool:
    return _section(data, "monitoring").get("shared") in (True, "true")


def _missing_registry(given: Given) -> Iterator[Problem]:
    built = [name for name, model in models_of(given.data) if model.get("source") is not None]
    if built and "registry" not in given.data and not given.is_secret("registry"):
        yield Problem(
            path=("registry", "repository"),
            message=f"is required and missing; the registry to push {', '.join(built)} to, built from source",
            fix=given.commands.set(("registry", "repository"), "registry.example.com/team/models"),
        )


def _platforms_without_wheels(given: Given) -> Iterator[Problem]:
    """TensorFlow for processors, and CUDA, are built for one kind of machine only."""
    platforms = _section(given.data, "image").get("platforms")
    if not isinstance(platforms, list) or "linux/arm64" not in platforms:
        return
    for name, model in models_of(given.data):
        for key, value in (("runtime", "tensorflow"), ("accelerator", "cuda")):
            if model.get("source") is not None and model.get(key) == value:
                yield Problem(
                    path=("models", name, key),
                    message=f'"{value}" is built for linux/amd64 only, and image.platforms names linux/arm64',
                    fix="take linux/arm64 out of image.platforms, or build this model in a stack of its own",
                )


def _long_names(given: Given) -> Iterator[Problem]:
    named = [("models", name, served, "model") for name, served in served_names(given.data).items()]
    named += [("nodePools", name, name, "node pool") for name in pools_of(given.data)]
    for section, name, labelled, what in named:
        if len(label := f"{given.stack}-{labelled}") > MAX_LABEL:
            yield Problem(
                path=(section, name),
                message=f'the label "{label}" has {len(label)} characters; allowed: {MAX_LABEL}',
                fix=f"shorten the name of the stack or of the {what}",
            )


def _former_names(given: Given) -> Iterator[Problem]:
    """Two models of one name in the cluster would be one there."""
    models, owners = dict(models_of(given.data)), dict[str, str]()
    for name, served in served_names(given.data).items():
        path: Path = ("models", name, "renamedFrom")
        if models[name].get("renamedFrom") == name:
            message = "would do nothing: it is the name that the model has"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))
        elif served != name and (other := served if served in models else owners.get(served)):
            # Also where the other one was renamed itself: nobody could tell the two apart.
            message = f"{json.dumps(served)} is the name of {other} already; allowed: the name that this model had"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))
        owners.setdefault(served, name)


def _canary_names(given: Given) -> Iterator[Problem]:
    """A canary's Service is named after its model, so no other model may have that name."""
    keys = {served: name for name, served in served_names(given.data).items()}
    for name, model in models_of(given.data):
        taken = keys.get(canary_name(served_names(given.data)[name]))
        if model.get("canary") is not None and taken is not None:
            yield Problem(
                path=("models", taken),
                message=f"is the name of the canary of {name}; allowed: any other name",
                fix="rename it",
            )


def _service_names(given: Given) -> Iterator[Problem]:
    """A Service that the stack file names is no other model's, and no canary's."""
    served, chosen = served_names(given.data), dict[str, str]()
    taken = {
        canary_name(served[name]): f"the canary of {name}"
        for name, model in models_of(given.data)
        if model.get("canary") is not None
    }
    for name, model in models_of(given.data):
        service = _section(model, "service").get("name")
        if isinstance(service, str):
            chosen[name] = service
        else:
            taken[served[name]] = name
    for name, service in chosen.items():
        if (owner := taken.setdefault(service, name)) != name:
            path = ("models", name, "service", "name")
            message = f"{json.dumps(service)} is the Service of {owner} already; allowed: any other name"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))


def _shared_hosts(given: Given) -> Iterator[Problem]:
    """Two models at one host would answer each other's requests."""
    owners: dict[str, str] = {}
    for name, model in models_of(given.data):
        for way in ("ingress", "route"):
            host = _section(model, way).get("host")
            if not isinstance(host, str):
                continue
            if (owner := owners.setdefault(host, name)) != name:
                yield Problem(
                    path=("models", name, way, "host"),
                    message=f"{json.dumps(host)} is the host of {owner} already; every model has its own",
                    fix=given.commands.set(("models", name, way, "host"), f"{name}.example.com"),
                )


def _closed_ingress(given: Given) -> Iterator[Problem]:
    """An Ingress whose controller the network policy keeps out would answer nothing but timeouts."""
    network = _section(given.data, "network")
    if network.get("defaultDeny", True) in (False, "false") or network.get("allowFrom"):
        return
    for name, model in models_of(given.data):
        ingress, open_already = model.get("ingress"), _section(model, "network").get("allowFrom")
        if isinstance(ingress, dict) and ingress.get("controllerNamespace") is None and not open_already:
            path = ("models", name, "ingress", "controllerNamespace")
            yield Problem(
                path=path,
                message="is required and missing: the network policy lets only those in that the stack file names; "
                "allowed: the namespace of the controller's pods, or network.allowFrom with their addresses",
                fix=given.commands.set(path, "ingress-nginx"),
            )


def _idle_network_settings(given: Given) -> Iterator[Problem]:
    """Without policies there is nothing to make holes in."""
    network = _section(given.data, "network")
    if network.get("defaultDeny", True) not in (False, "false"):
        return
    places: list[tuple[str, ...]] = [("network", "allowFrom")] if network.get("allowFrom") else []
    for name, model in models_of(given.data):
        own = _section(model, "network")
        places += [("models", name, "network", key) for key in ("allowFrom", "allowTo") if own.get(key)]
    for path in places:
        yield Problem(
            path=path,
            message="would do nothing: with network.defaultDeny false, everybody may connect",
            fix=given.commands.remove(path),
        )


def _missing_secrets(given: Given) -> Iterator[Problem]:
    for path, key in listed_secrets(given.data):
        if key in given.sections:
            message, fix = f"{key} is the name of a section; a secret needs another one", "rename it"
        elif not given.has_value(key):
            message, fix = f"the secret {key} has no value", given.commands.set_secret(key)
        elif not given.is_secret(key):
            message, fix = f"the secret {key} is stored in plain text", given.commands.set_secret(key)
        else:
            continue
        yield Problem(path=path, message=message, fix=fix)


def _unknown_pools(given: Given) -> Iterator[Problem]:
    """A model on a pool that is not there would wait for nodes without end."""
    known = list(pools_of(given.data))
    for model, config in models_of(given.data):
        name, path = config.get("nodePool"), ("models", model, "nodePool")
        if not isinstance(name, str) or name in known or given.is_secret("nodePools"):
            continue
        if known:
            close = get_close_matches(name, known, n=1) or known
            message, fix = f"there is no node pool {json.dumps(name)}; allowed: {', '.join(known)}", close[0]
            yield Problem(path=path, message=message, fix=given.commands.set(path, fix))
        else:
            message = f"there is no node pool {json.dumps(name)}: the stack has no nodePools"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))


def _impossible_gpus(given: Given) -> Iterator[Problem]:
    """A pod with more GPUs than any node has would wait for a node without end."""
    pools = pools_of(given.data)
    for model, config in models_of(given.data):
        gpus, name = config.get("gpus"), config.get("nodePool")
        path = ("models", model, "gpus")
        if not isinstance(gpus, int):
            continue
        if name is None:
            message = "are those of a node pool, and the model names none; allowed with nodePool"
            fix = given.commands.set(("models", model, "nodePool"), next(iter(pools), "l4"))
            yield Problem(path=path, message=message, fix=fix)
        elif name in pools and pools[name].get("provider") != "stack":
            yield from _more_than_a_node_has(path, gpus, name, pools[name], given)


def _more_than_a_node_has(
    path: tuple[str, ...], gpus: int, name: str, pool: Mapping[str, Any], given: Given
) -> Iterator[Problem]:
    if pool.get("gpu") is None:
        message = f"the nodes of pool {name} have no GPU; allowed with a pool that has"
        yield Problem(path=path, message=message, fix=given.commands.remove(path))
        return
    gpu = _gpu_of(pool)
    if gpu is not None and gpus > gpu.per_node:
        message = f"{gpus} is more than a node of pool {name} has; allowed: at most {gpu.per_node} of {gpu.resource}"
        yield Problem(path=path, message=message, fix=given.commands.set(path, gpu.per_node))


def _unshared_gpus(given: Given) -> Iterator[Problem]:
    """MIG and time slices that nobody sets up would be GPUs that pods wait for without end."""
    support = given.data.get("gpuSupport")
    installed = _section(given.data, "gpuSupport").get("install")
    served = [name for name, pool in pools_of(given.data).items() if _by_software(pool)]
    if support is not None and not served:
        message = "installs what makes GPUs a resource, and no pool of this stack has GPUs that need it"
        yield Problem(path=("gpuSupport",), message=message, fix=given.commands.remove(("gpuSupport",)))
    for name in served:
        pool = pools_of(given.data)[name]
        gpu, provider, path = _gpu_of(pool), pool.get("provider"), ("nodePools", name, "gpu")
        if gpu is None:
            continue
        by_label = provider in ("karpenter", "gke", "eks")
        if gpu.mig and by_label and installed != "gpu-operator":
            message = "is set up on the nodes by the GPU operator; allowed with gpuSupport.install gpu-operator"
            fix = given.commands.set(("gpuSupport", "install"), "gpu-operator")
            yield Problem(path=(*path, "mig"), message=message, fix=fix)
        if gpu.time_slicing and (by_label or provider == "aks") and installed is None:
            message = "is set up on the nodes by NVIDIA's device plugin; allowed with gpuSupport"
            fix = given.commands.set(("gpuSupport", "install"), "device-plugin")
            yield Problem(path=(*path, "timeSlicing"), message=message, fix=fix)


def _gpu_of(pool: Mapping[str, Any]) -> GpuConfig | None:
    """The GPUs of a pool, unless they are wrong, which is told by their own path."""
    try:
        return GpuConfig.model_validate(pool.get("gpu"))
    except ValidationError:
        return None


def _by_software(pool: Mapping[str, Any]) -> bool:
    """Whether the GPUs of a pool are a resource by software in the cluster. GKE brings its own, unless told not to."""
    by_gke = pool.get("provider") == "gke" and pool.get("driver") != "disabled"
    return isinstance(pool.get("gpu"), dict) and not by_gke


def _names_of_agent_pools(given: Given) -> Iterator[Problem]:
    """AKS allows names that others do not have to fit; a name is refused, never changed or cut."""
    for name, pool in pools_of(given.data).items():
        longest = 11 if pool.get("spot") == "preferred" else 12
        if pool.get("provider") == "aks" and not re.fullmatch(rf"[a-z][a-z0-9]{{0,{longest - 1}}}", name):
            yield Problem(
                path=("nodePools", name),
                message=f"is not a name that AKS takes; allowed: 1 to {longest} lower-case letters and digits, "
                "starting with a letter",
                fix="rename it, also where models name it",
            )


def _untrusted_databases(given: Given) -> Iterator[Problem]:
    """A certificate is verified with authorities, and the server's image has none of its own."""
    for path, holder in [((), given.data), *((("models", name), model) for name, model in models_of(given.data))]:
        database = _section(holder, "database")
        mode = _section(database, "tls").get("mode", "verify-full")
        known = _section(database, "tls").get("ca") or given.data.get("caBundle")
        if database and not known and mode in ("verify-full", "verify-ca"):
            where: Path = (*path, "database", "tls", "ca")
            yield Problem(
                path=where,
                message=f"is required and missing; with mode {mode}, the file of this project with the certificates "
                "(PEM) of the authorities to trust, unless the stack has a caBundle",
                fix=given.commands.set(where, "config/database-ca.pem"),
            )


def _unchecked_databases(given: Given) -> Iterator[Problem]:
    """Only this project's server asks its database; another is ready when its own probe says so."""
    for name, model in models_of(given.data):
        runtime = model.get("runtime")
        if _section(model, "database").get("readinessCheck") is True and runtime not in (None, *OWN_RUNTIMES):
            where: Path = ("models", name, "database", "readinessCheck")
            yield Problem(
                path=where,
                message=f"is not possible with runtime {runtime}, whose own probe says when it is ready; "
                f"allowed with: {', '.join(OWN_RUNTIMES)}",
                fix=given.commands.remove(where),
            )


def _strange_pull_secrets(given: Given) -> Iterator[Problem]:
    """The API server refuses a Secret of Docker's kind that is no Docker configuration, and quotes none of it."""
    key = _section(_section(given.data, "registry"), "pullSecret").get("config")
    if not isinstance(key, str) or not given.has_value(key) or not given.is_secret(key):
        return
    try:
        content = json.loads(given.value(key))
    except json.JSONDecodeError:
        content = None
    if not (isinstance(content, dict) and isinstance(content.get("auths"), dict) and content["auths"]):
        yield Problem(
            path=("registry", "pullSecret", "config"),
            message=f"the secret {key} is no Docker configuration: JSON with the registry's credentials in auths",
            fix=f"{given.commands.set_secret(key)} < ~/.docker/config.json",
        )


def _idle_monitoring(given: Given) -> Iterator[Problem]:
    """Without anybody who watches, how to watch means nothing."""
    monitoring = _section(given.data, "monitoring")
    if monitoring.get("mode", "off") != "off":
        return
    for key in monitoring:
        if key != "mode":
            yield Problem(
                path=("monitoring", key),
                message="would do nothing: monitoring.mode is off",
                fix=f"{given.commands.set(('monitoring', 'mode'), 'existing')}, or take it out",
            )


def _unmeasured_targets(given: Given) -> Iterator[Problem]:
    """An autoscaler by metrics that nobody reads would leave the replicas as they are."""
    if _section(given.data, "monitoring").get("mode", "off") != "off":
        return
    for name, model in models_of(given.data):
        for key in ("targetInFlight", "targetQueueTime", "keda"):
            if _section(model, "replicas").get(key) is not None:
                yield Problem(
                    path=("models", name, "replicas", key),
                    message="needs a Prometheus that reads the models' metrics; allowed with a monitoring.mode that is "
                    "not off",
                    fix=given.commands.set(("monitoring", "mode"), "existing"),
                )


def _untold_alerts(given: Given) -> Iterator[Problem]:
    """Alerts are told by the Alertmanager of this stack, to receivers that there are, of models that there are."""
    alerts = _section(given.data, "alerts")
    if not alerts:
        return
    mode = _section(given.data, "monitoring").get("mode", "off")
    if mode in ("off", "existing", "stack"):
        elsewhere = "take it out, and give alerts.routes of the stack that monitoring.stack names one of this namespace"
        yield Problem(
            path=("alerts",),
            message=f"would do nothing: monitoring.mode is {mode}, and whom another Alertmanager tells is not for this "
            "stack to say; allowed with: install, chart",
            fix=elsewhere
            if mode == "stack"
            else f"{given.commands.set(('monitoring', 'mode'), 'install')}, or take it out",
        )
    receivers = list(_receivers(given.data))
    routes = alerts.get("routes")
    places: list[tuple[Path, Any]] = [(("alerts", "default"), alerts.get("default"))]
    for index, route in enumerate(routes if isinstance(routes, list) else ()):
        if isinstance(route, dict):
            places.append((("alerts", "routes", index, "receiver"), route.get("receiver")))
            model, here = route.get("model"), given.data.get("namespace", "models")
            # Which models another namespace has, only its own stack knows.
            if route.get("namespace", here) != here:
                continue
            if isinstance(model, str) and model not in (models := list(served_names(given.data).values())):
                yield Problem(
                    path=("alerts", "routes", index, "model"),
                    message=f"{json.dumps(model)} is no model of this stack; allowed: {', '.join(models)}",
                    fix=given.commands.set(("alerts", "routes", index, "model"), models[0])
                    if models
                    else "take it out",
                )
    for path, receiver in places:
        if receivers and isinstance(receiver, str) and receiver not in receivers:
            yield Problem(
                path=path,
                message=f"{json.dumps(receiver)} is not in alerts.receivers; allowed: {', '.join(receivers)}",
                fix=given.commands.set(path, receivers[0]),
            )


# What each key of monitoring means something for; the others hold for every mode.
_MODES_OF = {
    "install": ("install",),
    "chart": ("chart",),
    "stack": ("stack",),
    "shared": ("install", "chart"),
    **dict.fromkeys(("labels", "namespace", "scrapeInterval", "runbookUrl"), ("existing", "install", "chart")),
}


def _settings_of_another_mode(given: Given) -> Iterator[Problem]:
    """Some settings are of some modes, and in mode `stack` the other stack's hold."""
    monitoring = _section(given.data, "monitoring")
    mode = monitoring.get("mode", "off")
    for key, modes in _MODES_OF.items():
        path = ("monitoring", key)
        if key not in monitoring or mode == "off" or mode in modes:
            continue
        message = f"would do nothing: monitoring.mode is {mode}; allowed with: {', '.join(modes)}"
        if mode == "stack":
            message, fix = f"{message}; here the other stack's holds", given.commands.remove(path)
        else:
            fix = f"{given.commands.set(('monitoring', 'mode'), modes[0])}, or take it out"
        yield Problem(path=path, message=message, fix=fix)


def _namespace_of_logs(given: Given) -> Iterator[Problem]:
    """The collector reads files of its node, which no pod of the models' namespace may."""
    logs, models = _section(given.data, "logs"), given.data.get("namespace", "models")
    if logs.get("target", "off") == "off" or not isinstance(models, str):
        return
    path, named = ("logs", "namespace"), logs.get("namespace")
    fix = given.commands.set(path, "model-logs")
    if named == models:
        message = "is the models' namespace, where no pod may read files of its node; allowed: any other namespace"
        yield Problem(path=path, message=message, fix=fix)
    if named is None and len(models) > MAX_LABEL - len("-logs"):
        message = f"is required and missing: {models}-logs is longer than the 63 characters that a namespace may have"
        yield Problem(path=path, message=message, fix=fix)


_CHECKS = (
    _secret_sections,
    _unknown_keys,
    _nothing_to_do,
    _defaults_of_one_model,
    _missing_registry,
    _platforms_without_wheels,
    _long_names,
    _former_names,
    _canary_names,
    _service_names,
    _shared_hosts,
    _closed_ingress,
    _idle_network_settings,
    _missing_secrets,
    _unknown_pools,
    _impossible_gpus,
    _unshared_gpus,
    _names_of_agent_pools,
    _untrusted_databases,
    _unchecked_databases,
    _strange_pull_secrets,
    _idle_monitoring,
    _unmeasured_targets,
    _untold_alerts,
    _settings_of_another_mode,
    _namespace_of_logs,
)

"""What a stack file may not say where Docker runs the models, and what it says in vain elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.given import Given, holders_of, models_of, section_of, served_names
from components.config.problems import Path, Problem


def problems(given: Given) -> Iterator[Problem]:
    """The mistakes of section `docker`, and what needs Kubernetes where there is none."""
    yield from without_cluster(given)
    section = section_of(given.data, "docker")
    if isinstance(section.get("database"), dict):
        yield from _database(given)
    if isinstance(section.get("prometheus"), dict):
        yield from _prometheus(given)


def _databases(given: Given) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, holder in holders_of(given.data):
        database = holder.get("database")
        if isinstance(database, dict):
            yield (*path, "database"), database


def _database(given: Given) -> Iterator[Problem]:
    """One PostgreSQL for each host: with a password, without TLS, under a name that Docker can give a container."""
    found = list(_databases(given))
    if not found:
        yield Problem(
            path=("docker", "database"),
            message="would do nothing: neither the stack nor a model has a database",
            fix=given.commands.remove(("docker", "database")),
        )
    seen: dict[str, Any] = {}
    for path, database in found:
        tls, host = database.get("tls"), database.get("host")
        if database.get("type") == "tcp":
            message = "is not what docker.database runs; allowed with it: postgresql"
            yield Problem(path=(*path, "type"), message=message, fix=given.commands.set((*path, "type"), "postgresql"))
        if (tls.get("mode", "verify-full") if isinstance(tls, dict) else "verify-full") != "disable":
            mode: Path = (*path, "tls", "mode")
            message = "must be disable with docker.database, which is reached in the containers' own network"
            yield Problem(path=mode, message=message, fix=given.commands.set(mode, "disable"))
        if database.get("password") is None:
            password: Path = (*path, "password")
            message = "is required and missing with docker.database, which lets nobody in without one"
            yield Problem(path=password, message=message, fix=given.commands.set(password, "databasePassword"))
        if not isinstance(host, str):
            continue
        if ":" in host or host.replace(".", "").isdigit() or host == "localhost" or host in dict(models_of(given.data)):
            message = f'"{host}" cannot be the name of docker.database; allowed: a host name that no model has'
            yield Problem(path=(*path, "host"), message=message, fix=given.commands.set((*path, "host"), "database"))
        same = [database.get(key) for key in ("port", "name", "user", "password")]
        if seen.setdefault(host, same) != same:
            message = f"docker.database has one database at {host}, and another one is asked for there"
            fix = "let port, name, user and password be the same, or name another host"
            yield Problem(path=path, message=message, fix=fix)


def _prometheus(given: Given) -> Iterator[Problem]:
    """Its host name is its own."""
    for name, served in served_names(given.data).items():
        if served == "prometheus":
            message = "is the host of docker.prometheus; allowed: any other name"
            fix = f"give the model another name, or {given.commands.remove(('docker', 'prometheus'))}"
            yield Problem(path=("models", name), message=message, fix=fix)
    for path, database in _databases(given):
        if database.get("host") == "prometheus":
            message = '"prometheus" is the host of docker.prometheus; allowed: another host name'
            yield Problem(path=(*path, "host"), message=message, fix=given.commands.set((*path, "host"), "database"))


# What a stack without a cluster says in vain, and why.
_OF_CLUSTERS = {
    "namespace": "containers are in a network of their own",
    "nodePools": "there is one node, this machine",
    "gpuSupport": "GPUs need NVIDIA's container toolkit on this machine",
    "network": "Docker has no network policies",
    "monitoring": "docker.prometheus reads the metrics of containers",
    "alerts": "there is no Alertmanager",
    "charts": "a chart is of Kubernetes' objects",
    "logs": "the logs are the engine's (`docker logs`)",
    "protect": "containers are replaced, and so deleted, at every change",
}
_OF_PODS = {
    "ingress": "each container has a port of 127.0.0.1",
    "route": "each container has a port of 127.0.0.1",
    "service": "each container has a port of 127.0.0.1",
    "canary": "nothing divides requests",
    "network": "Docker has no network policies",
    "spread": "there is one node, this machine",
    "nodePool": "there is one node, this machine",
    "gpus": "accelerator: cuda asks for a GPU of this machine",
    "disruptionBudget": "there are no nodes to drain",
    "priorityClass": "there is no scheduler",
    "rollout": "a container is replaced at once",
    "identity": "a container has no account of a cloud",
    "slo": "nothing alerts",
}


def without_cluster(given: Given) -> Iterator[Problem]:
    """What needs Kubernetes, where the cluster is docker."""
    cluster = given.data.get("cluster")
    if (cluster.get("context") if isinstance(cluster, dict) else cluster) != "docker":
        return

    def refused(path: Path, why: str) -> Problem:
        message = f"needs Kubernetes, and the stack's cluster is docker: {why}"
        return Problem(path=path, message=message, fix=given.commands.remove(path))

    for key, why in _OF_CLUSTERS.items():
        if key in given.data:
            yield refused((key,), why)
    registry = given.data.get("registry")
    if isinstance(registry, dict) and "pullSecret" in registry:
        yield refused(("registry", "pullSecret"), "images are pulled with this machine's own login")
    for path, secret in _secrets(given):
        for key in ("secretRef", "external"):
            if key in secret:
                yield refused((*path, key), "its value is in a cluster; allowed: config")
    for name, model in models_of(given.data):
        where: Path = ("models", name)
        for key, why in _OF_PODS.items():
            if key in model:
                yield refused((*where, key), why)
        files, replicas = model.get("files"), model.get("replicas")
        for key in ("claim", "csi"):
            if isinstance(files, dict) and key in files:
                yield refused((*where, "files", key), "it is a cluster's volume; allowed: image")
        if isinstance(replicas, dict) and replicas.get("max") != replicas.get("min", 1):
            yield refused((*where, "replicas"), "nothing scales by load; allowed: a number")


def _secrets(given: Given) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, holder in holders_of(given.data):
        listed = holder.get("secrets")
        places: list[tuple[Path, Any]] = []
        for index, value in enumerate(listed if isinstance(listed, list) else ()):
            places.append(((*path, "secrets", index), value))
        database = holder.get("database")
        if isinstance(database, dict):
            places.append(((*path, "database", "password"), database.get("password")))
        yield from ((place, value) for place, value in places if isinstance(value, dict))

"""What a stack file may not say where Docker runs the models, and what it says in vain elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.checks import Given, models_of
from components.config.problems import Path, Problem


def problems(given: Given) -> Iterator[Problem]:
    """The mistakes of section `docker`."""
    section = given.data.get("docker")
    if isinstance(section, dict) and isinstance(section.get("database"), dict):
        yield from _database(given)


def _databases(given: Given) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path, holder in [((), given.data), *((("models", name), model) for name, model in models_of(given.data))]:
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

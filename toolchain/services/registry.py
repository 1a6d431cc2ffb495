"""The local image registry, and in it the mirror that serves the base image where Docker Hub cannot be reached."""

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from toolchain import versions
from toolchain.cluster import processes
from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.services import oci
from toolchain.services.service import ensure, table

_SERVICE = "registry"
_MIRROR = "docker-hub-mirror"
_LOOPBACK = ("localhost", "127.0.0.1")


def is_loopback(host: str) -> bool:
    """Whether ``host:port`` is a port of this machine, where a registry speaks plain http."""
    return host.rpartition(":")[0] in _LOOPBACK


def check(host: str, data: Path) -> None:
    """Raise ToolchainError when ``host``, which the stack names, is a port that something else has."""
    if is_loopback(host) and not _ours(_name(host), data) and probe(host) == "other":
        raise ToolchainError(
            f"start the registry at {host}",
            "the port is taken by something that is not an image registry",
            "Stop it, or name another port in registry.repository of the stack file.",
        )


def start(host: str, data: Path, tools: Path) -> str:
    """Run the registry at ``host`` (``localhost:5001``) unless one answers there.

    Stacks may name different ports: each has a process of its own, all with the same images.
    Returns ``host:port`` of the mirror of Docker Hub, empty where Docker Hub itself can be reached.
    Raises ToolchainError when something else has the port.
    """
    check(host, data)
    # What somebody else runs there is used, and never stopped.
    if is_loopback(host) and (_ours(_name(host), data) or probe(host) == "none"):
        _serve(_name(host), host, data / _SERVICE, data, tools)
    image = catalog.base().in_cache()
    if image is None:
        return ""
    place = mirror(data)
    if place not in hosts(data):
        _serve(_MIRROR, place, data / _MIRROR, data, tools)
    repository, _, tag = versions.BASE_IMAGE.partition(":")
    oci.push(Path(image.where), place, repository, tag)
    return place


def mirror(data: Path) -> str:
    """``host:port`` of the registry that serves what Docker Hub would."""
    # The first one's, so that stacks in turn do not change the builder's configuration.
    return next(iter(hosts(data)), "") or _mirror_host(data)


def hosts(data: Path) -> list[str]:
    """``localhost:port`` of each of our registries that run, in the order in which they were started."""
    records = processes.load(table(data))
    return [f"localhost:{name.rpartition('-')[2]}" for name in records if _is_registry(name) and _ours(name, data)]


def plain_http(host: str, data: Path) -> list[str]:
    """The registries of this machine, by each name that a stack may give them: they speak no TLS."""
    ports = {name.rpartition(":")[2] for name in [host, *hosts(data)] if is_loopback(name)}
    return [f"{name}:{port}" for port in sorted(ports) for name in _LOOPBACK]


def _name(host: str) -> str:
    return f"{_SERVICE}-{host.rpartition(':')[2]}"


def _is_registry(name: str) -> bool:
    return name.rpartition("-")[0] == _SERVICE


def _serve(name: str, host: str, folder: Path, data: Path, tools: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    configuration = yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{host.rpartition(':')[2]}"},
        }
    )
    file = folder / f"{name}.yml"
    file.write_text(configuration)
    ensure(
        data,
        name,
        [_program(tools), "serve", file],
        lambda: probe(host) == "registry",
        tools=tools,
        configuration=configuration,
        environment={"OTEL_TRACES_EXPORTER": "none"},
    )


def _program(tools: Path) -> Path:
    program = tools / "registry"
    if program.exists():
        return program
    found = catalog.registry().detect()
    return Path(found.where) if found else program


def _ours(name: str, data: Path) -> bool:
    record = processes.load(table(data)).get(name)
    return record is not None and record.alive


def _mirror_host(data: Path) -> str:
    """A free port of this machine, the same one at every start as long as it is free."""
    file = data / _MIRROR / "port"
    if file.exists():
        host = f"127.0.0.1:{file.read_text()}"
        if _ours(_MIRROR, data) or probe(host) == "none":
            return host
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(port))
    return f"127.0.0.1:{port}"


def probe(host: str) -> str:
    """What answers at ``host``: "registry", "other" or "none"."""
    try:
        with urllib.request.urlopen(f"http://{host}/v2/", timeout=2) as response:
            headers, body = response.headers, response.read(64)
    except urllib.error.HTTPError as error:
        headers, body = error.headers, b""
    except urllib.error.URLError as error:
        refused = isinstance(error.reason, ConnectionRefusedError)
        return "none" if refused else "other"
    except (OSError, ValueError):
        return "other"
    if "Docker-Distribution-Api-Version" in headers:
        return "registry"
    try:
        return "registry" if json.loads(body) == {} else "other"
    except ValueError:
        return "other"

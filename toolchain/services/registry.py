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


def start(host: str, data: Path, tools: Path) -> str:
    """Run the registry at ``host`` (``localhost:5001``) unless one answers there.

    Returns ``host:port`` of the mirror of Docker Hub, empty where Docker Hub itself can be reached.
    Raises ToolchainError when something else has the port.
    """
    if is_loopback(host):
        _serve(_SERVICE, host, data, tools)
    image = catalog.base().in_cache()
    if image is None:
        return ""
    mirror = host if is_loopback(host) and _ours(_SERVICE, data) else _mirror_host(data)
    if mirror != host:
        _serve(_MIRROR, mirror, data, tools)
    repository, _, tag = versions.BASE_IMAGE.partition(":")
    oci.push(Path(image.where), mirror, repository, tag)
    return mirror


def _serve(name: str, host: str, data: Path, tools: Path) -> None:
    if not _ours(name, data):
        answer = probe(host)
        if answer == "registry":
            return  # somebody's own: used, and never stopped
        if answer == "other":
            raise ToolchainError(
                f"start the registry at {host}",
                "the port is taken by something that is not an image registry",
                "Stop it, or name another port in registry.repository of the stack file.",
            )
    folder = data / name
    folder.mkdir(parents=True, exist_ok=True)
    configuration = yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{host.rpartition(':')[2]}"},
        }
    )
    (folder / "config.yml").write_text(configuration)
    ensure(
        data,
        name,
        [_program(tools), "serve", folder / "config.yml"],
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

"""The image builder: BuildKit as a process of root, registered with buildx as the builder to use."""

import contextlib
import hashlib
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from toolchain import shell
from toolchain.cluster import cgroups
from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.parts.build import is_root
from toolchain.services.service import ensure

NAME = "model-serving"
_SERVICE = "buildkitd"
# A unix socket's path may have 107 bytes; the name and a margin are taken off.
_LONGEST_FOLDER = 90
# Old build cache is dropped beyond this, so that a laptop's disk does not fill up (BuildKit's own default is a share
# of the disk).
_CACHE_LIMIT = "20GB"
_CGROUP = f"{NAME}-builder"
_RUNC_STATE = Path("/run/runc")


def configuration_folder(data: Path) -> Path:
    """What BUILDX_CONFIG must be for the builder to be found."""
    return data / "buildx"


def start(data: Path, tools: Path, *, insecure: Sequence[str], mirror: str) -> None:
    """Run BuildKit and make it buildx's current builder.

    ``insecure``: registries (host:port) that speak plain http. ``mirror``: one that serves Docker Hub's images, or "".
    """
    folder = data / "buildkit"
    folder.mkdir(parents=True, exist_ok=True)
    endpoint = socket_path(data)
    endpoint.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = _configuration(folder, endpoint, insecure, mirror)
    (folder / "buildkitd.toml").write_text(configuration)
    ensure(
        data,
        _SERVICE,
        [_program("buildkitd", tools), "--config", folder / "buildkitd.toml"],
        lambda: _listening(endpoint),
        tools=tools,
        configuration=configuration,
    )
    _register(data, tools, endpoint)


def start_in_docker(data: Path, tools: Path, *, insecure: Sequence[str]) -> None:
    """Run BuildKit in the Docker Engine and make it buildx's current builder."""
    folder = configuration_folder(data)
    if (folder / "instances" / NAME).exists():
        _select(folder, tools)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "buildkitd.toml"
    file.write_text("".join(f"[registry.{json.dumps(host)}]\n  http = true\n  insecure = true\n" for host in insecure))
    # On the host's network, "localhost" is where the registry is published.
    options = ["--driver", "docker-container", "--driver-opt", "network=host", "--buildkitd-config", str(file)]
    shell.run(
        [_program("buildx", tools), "create", "--name", NAME, *options, "--bootstrap"],
        "start the image builder",
        environment={"BUILDX_CONFIG": str(folder)},
    )
    _select(folder, tools)


def stop_in_docker(data: Path, tools: Path) -> None:
    """Remove the builder's container; its cache stays in a Docker volume."""
    folder = configuration_folder(data)
    if (folder / "instances" / NAME).exists():
        shell.run(
            [_program("buildx", tools), "rm", "--keep-state", NAME],
            "stop the image builder",
            environment={"BUILDX_CONFIG": str(folder)},
        )
    forget(data)


def socket_path(data: Path) -> Path:
    """BuildKit's socket: in the data folder, or in a short folder of its own where that path is too long."""
    folder = data / "run"
    if len(bytes(folder)) > _LONGEST_FOLDER:
        key = hashlib.sha256(bytes(data)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"{NAME}-{key}"
    return folder / "buildkitd.sock"


def forget(data: Path) -> None:
    """Take the builder out of buildx's list, and its sockets and control groups away: it is gone."""
    if sys.platform == "linux" and is_root():
        cgroups.remove(_CGROUP)
        with contextlib.suppress(OSError):  # somebody else's containers
            _RUNC_STATE.rmdir()
    shutil.rmtree(configuration_folder(data), ignore_errors=True)
    shutil.rmtree(socket_path(data).parent, ignore_errors=True)


def _configuration(folder: Path, endpoint: Path, insecure: Sequence[str], mirror: str) -> str:
    quoted = json.dumps  # TOML's basic strings are JSON's
    lines = [
        f"root = {quoted(str(folder / 'root'))}",
        "[grpc]",
        f"  address = [{quoted(f'unix://{endpoint}')}]",
        "[otel]",
        f"  socketPath = {quoted(str(endpoint.with_name('otel.sock')))}",
        "[worker.oci]",
        "  enabled = true",
        # Builds share this machine's network: no bridge to set up, and a proxy or package index on it is reached.
        '  networkMode = "host"',
        f"  defaultCgroupParent = {quoted(_CGROUP)}",
        "  gc = true",
        f"  maxUsedSpace = {quoted(_CACHE_LIMIT)}",
        "[worker.containerd]",
        "  enabled = false",
    ]
    if mirror:
        lines += ['[registry."docker.io"]', f"  mirrors = [{quoted(mirror)}]"]
    for host in dict.fromkeys([*insecure, *([mirror] if mirror else [])]):
        lines += [f"[registry.{quoted(host)}]", "  http = true", "  insecure = true"]
    return "\n".join(lines) + "\n"


def _listening(endpoint: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(endpoint))
        except OSError:
            return False
    return True


def _register(data: Path, tools: Path, endpoint: Path) -> None:
    folder = configuration_folder(data)
    instance = folder / "instances" / NAME
    address = f"unix://{endpoint}"
    if instance.exists() and address in instance.read_text():
        _select(folder, tools)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shell.run(
        [_program("buildx", tools), "create", "--name", NAME, "--driver", "remote", address],
        "register the builder",
        environment={"BUILDX_CONFIG": str(folder), "DOCKER_CONFIG": str(folder)},
    )
    _select(folder, tools)


def _select(folder: Path, tools: Path) -> None:
    """Make it the current builder, whichever Docker Engine is spoken to beside.

    buildx keeps the choice for one Engine's address, and forgets it as soon as it is asked with another.
    """
    with contextlib.suppress(FileNotFoundError, ValueError):
        chosen = json.loads((folder / "current").read_text())
        if chosen.get("Global") and chosen.get("Name") == NAME:
            return
    shell.run(
        [_program("buildx", tools), "use", "--global", NAME],
        "choose the builder",
        environment={"BUILDX_CONFIG": str(folder), "DOCKER_CONFIG": str(folder)},
    )


def _program(name: str, tools: Path) -> Path:
    if (tools / name).exists():
        return tools / name
    part = catalog.buildkit() if name == "buildkitd" else catalog.buildx()
    if found := part.detect():
        return Path(found.where)
    raise ToolchainError(
        f"start {name}", f"there is no {name} in {tools} nor on PATH", "Run: python3 -m toolchain install"
    )

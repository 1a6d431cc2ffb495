"""A Docker Engine for tests: the one that answers, else one of the tests' own, beside the local cluster.

It has its own containerd, folders and control groups, and no bridge until a network is made. It leaves this machine's
packet filter alone, so its containers reach each other and this machine, and ports of theirs are published by proxies.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import toolchain
from toolchain import local
from toolchain.parts.docker import docker_compose, docker_engine
from toolchain.parts.model import Part

# Neither the cluster's pods and Services, nor what company networks usually have. The engine of another worker of the
# tests, which may run beside, has others.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ADDRESSES = f"base=198.18.{64 * (1 + _WORKER % 3)}.0/18,size=24"


@dataclass(frozen=True)
class Docker:
    """A running engine. `env` makes the command line, and every client of Docker's API, find it."""

    program: str
    env: dict[str, str]

    def run(self, *arguments: str, check: bool = True, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `docker` to its end. Raises AssertionError with what it said where `check` and it failed."""
        done = subprocess.run(
            [self.program, *arguments], env={**os.environ, **self.env}, cwd=folder, capture_output=True, text=True
        )
        if check:
            assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done

    def out(self, *arguments: str) -> str:
        return self.run(*arguments).stdout.strip()


@contextmanager
def docker() -> Iterator[Docker]:
    """An engine with Compose, for as long as the block runs."""
    toolchain("install", "docker")
    # Sockets have short paths, and pytest's own folders long ones.
    with tempfile.TemporaryDirectory(prefix="docker-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        plugins = folder / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(_program(docker_compose(), "docker-compose"))
        env = {"DOCKER_CONFIG": str(folder / "config")}
        if local.docker_engine():
            yield Docker("docker", env)
            return
        env["DOCKER_HOST"] = f"unix://{folder / 'docker.sock'}"
        program = _program(docker_engine(), "docker")
        with _engine(folder, env["DOCKER_HOST"]) as process:
            engine = Docker(program, env)
            deadline = time.monotonic() + 30
            while engine.run("version", check=False).returncode:
                assert process.poll() is None, (folder / "log").read_text()[-4000:]
                assert time.monotonic() < deadline, (folder / "log").read_text()[-4000:]
                time.sleep(0.1)
            yield engine


@contextmanager
def _engine(folder: Path, address: str) -> Iterator[subprocess.Popen[bytes]]:
    tools = docker_engine().in_cache()
    own = tools.where if tools else ""
    (folder / "daemon.json").write_text("{}")
    options = {
        "config-file": folder / "daemon.json",
        "data-root": folder / "data",
        "exec-root": folder / "exec",
        "pidfile": folder / "docker.pid",
        "host": address,
        "iptables": "false",
        "ip6tables": "false",
        "ip-forward": "false",
        "ip-masq": "false",
        "bridge": "none",
        "default-address-pool": _ADDRESSES,
        "userland-proxy-path": _program(docker_engine(), "docker-proxy"),
        "cgroup-parent": folder.name,
        "exec-opt": "native.cgroupdriver=cgroupfs",
    }
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(filter(None, [own, os.environ.get("PATH", ""), "/usr/sbin:/sbin"])),
        "LD_LIBRARY_PATH": own,
    }
    command = [_program(docker_engine(), "dockerd"), *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
        for group in (*Path("/sys/fs/cgroup").glob(folder.name), *Path("/sys/fs/cgroup").glob(f"*/{folder.name}")):
            group.rmdir()


def _program(part: Part, name: str) -> str:
    found = part.in_cache()
    program = Path(found.where) / name if found else None
    path = str(program) if program and program.exists() else shutil.which(name)
    assert path, f"there is no {name}: python3 -m toolchain install docker"
    return path

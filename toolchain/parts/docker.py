"""The Docker plugin; Docker Engine and Docker Compose, for the tests of machines that have none.

Engine and Compose are unpacked, not installed: nothing starts by itself, and the system's own container runtime
stays as it is.
"""

import functools

from toolchain import versions
from toolchain.parts import detect
from toolchain.parts.debian_archive import TRIPLETS, DebianArchive
from toolchain.parts.download import Release
from toolchain.parts.model import Part, machine, numbers
from toolchain.parts.node import container_runtime

DEVICE_MAPPER = "libdevmapper.so.1.02.1"


@functools.cache
def docker_engine() -> Part:
    """The Docker Engine with its command line. It runs containers with the containerd and runc of the system."""
    programs = {
        "dockerd": "usr/sbin/dockerd",
        "docker-proxy": "usr/sbin/docker-proxy",
        "docker": "usr/bin/docker",
        # A library that it is linked with, and that small systems do not have.
        DEVICE_MAPPER: f"lib/{TRIPLETS.get(machine(), '')}/{DEVICE_MAPPER}",
    }
    archive = DebianArchive(
        versions.DEBIAN_SUITE, "docker.io", versions.DOCKER, programs, beside=("libdevmapper1.02.1",), runtime=False
    )
    return Part(
        name="Docker Engine",
        version=versions.DOCKER,
        # Not the command line: on the PATH of a stack it would hide the user's own.
        executables=("dockerd",),
        detect=detect.programs("dockerd", "docker", "docker-proxy", pinned=versions.DOCKER, accept=_not_older),
        sources=(archive,),
        key=archive.key,
        needs=(container_runtime(),),
    )


@functools.cache
def docker_compose() -> Part:
    """Docker Compose, a plugin of Docker's command line."""
    archive = DebianArchive(
        versions.COMPOSE_SUITE,
        "docker-compose",
        versions.COMPOSE,
        {"docker-compose": "usr/libexec/docker/cli-plugins/docker-compose"},
        runtime=False,
    )
    release = f"https://github.com/docker/compose/releases/download/v{versions.COMPOSE}/docker-compose-{{os}}-{{arch}}"
    return Part(
        name="Docker Compose",
        version=versions.COMPOSE,
        executables=("docker-compose",),
        detect=detect.programs("docker-compose", version=("version", "--short"), pinned=versions.COMPOSE),
        sources=(
            Release(
                url=release,
                checksums=f"{release}.sha256",
                programs=("docker-compose",),
                systems=("linux", "darwin"),
                architectures={"amd64": "x86_64", "arm64": "aarch64"},
            ),
            archive,
        ),
        key=archive.key,
    )


def _not_older(version: str, pinned: str) -> bool:
    return numbers(version) >= numbers(pinned)

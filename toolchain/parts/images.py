"""The parts that build and keep images: builder, registry, base image."""

import functools

from toolchain import versions
from toolchain.parts import base_image, detect
from toolchain.parts.build import go_module
from toolchain.parts.download import Release
from toolchain.parts.model import Part, same_minor
from toolchain.parts.node import container_runtime

_GITHUB = "https://github.com"


@functools.cache
def buildkit() -> Part:
    """The image builder. Its releases carry no checksums that could be compared, so it is built where it is missing."""
    built = go_module(
        "buildkit",
        "github.com/moby/buildkit/cmd/buildkitd",
        # The docker-build plugin asks the builder for it, and does less for one that does not know.
        ldflags=f"-X github.com/moby/buildkit/version.Version=v{versions.BUILDKIT}",
    )
    return Part(
        name="BuildKit",
        version=versions.BUILDKIT,
        executables=("buildkitd",),
        # Still 0.x: only the pinned minor version promises the same.
        detect=detect.programs("buildkitd", pinned=versions.BUILDKIT, accept=same_minor),
        sources=(built,),
        key=built.key,
    )


@functools.cache
def buildx() -> Part:
    """What registers the builder, so that everything that builds finds it."""
    version = versions.BUILDX
    release = f"{_GITHUB}/docker/buildx/releases/download/v{version}"
    built = go_module(
        "buildx",
        "github.com/docker/buildx/cmd/buildx",
        ldflags=f"-X github.com/docker/buildx/version.Version=v{version}",
    )
    return Part(
        name="buildx",
        version=version,
        executables=("buildx",),
        detect=detect.programs("buildx", version=("version",), pinned=version, accept=same_minor),
        sources=(
            Release(f"{release}/buildx-v{version}.{{os}}-{{arch}}", f"{release}/checksums.txt", ("buildx",)),
            built,
        ),
        key=built.key,
    )


@functools.cache
def registry() -> Part:
    """The image registry."""
    version = versions.REGISTRY
    release = (
        f"{_GITHUB}/distribution/distribution/releases/download/v{version}/registry_{version}_{{os}}_{{arch}}.tar.gz"
    )
    built = go_module(
        "registry",
        ".",
        ldflags=f"-X github.com/distribution/distribution/v3/version.version=v{version}",
    )
    return Part(
        name="Registry",
        version=version,
        executables=("registry",),
        detect=detect.programs("registry", pinned=version),
        sources=(
            Release(url=release, checksums=f"{release}.sha256", programs=("registry",)),
            built,
        ),
        key=built.key,
    )


@functools.cache
def log_collector() -> Part:
    """The program of the log collector's image: its publisher's, where Docker Hub can be reached."""
    built = go_module(
        "log-collector",
        ".",
        ldflags=f"-X main.version={versions.LOG_COLLECTOR}",
        rename=("log-collector", "otelcol-contrib"),
    )
    return Part(
        name="Log collector",
        version=versions.LOG_COLLECTOR,
        executables=("otelcol-contrib",),
        detect=lambda: None if log_collector().in_cache() else base_image.docker_hub(),
        sources=(built,),
        key=built.key,
    )


@functools.cache
def base() -> Part:
    """The base image of model images, for this machine's processor."""
    return Part(
        name="Base image",
        version=versions.DEBIAN_SUITE,
        detect=lambda: None if base().in_cache() else base_image.docker_hub(),
        sources=(base_image.Debootstrap(versions.DEBIAN_SUITE),),
        key=base_image.RECIPE,
        needs=(container_runtime(),),
    )

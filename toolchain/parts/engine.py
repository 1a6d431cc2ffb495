"""The parts that run the program: Pulumi, its Python language host and the plugins."""

import functools
import sys

from toolchain import paths, versions
from toolchain.parts import detect
from toolchain.parts.build import go_module
from toolchain.parts.download import Beside, PulumiPlugin, Release
from toolchain.parts.model import Part, digest
from toolchain.parts.stand_in import StandIn

_PULUMI_VERSION = f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{versions.PULUMI}"
# The host itself, what starts a program, and what the engine starts for dynamic resources.
_LANGUAGE_HOST = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")


@functools.cache
def pulumi_cli() -> Part:
    """The engine."""
    base = "https://get.pulumi.com/releases/sdk/pulumi"
    release = Release(
        url=f"{base}-v{versions.PULUMI}-{{os}}-{{arch}}.tar.gz",
        checksums=f"{base}-{versions.PULUMI}-checksums.txt",
        programs=("pulumi", *_LANGUAGE_HOST),
        members="pulumi/",
        systems=("linux", "darwin"),
        architectures={"amd64": "x64"},
    )
    built = go_module("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ldflags=f"-X {_PULUMI_VERSION}")
    return Part(
        name="Pulumi CLI",
        version=versions.PULUMI,
        executables=("pulumi",),
        detect=detect.programs("pulumi", version=("version",), pinned=versions.PULUMI),
        sources=(release, built),
        key=built.key,
    )


@functools.cache
def language_host() -> Part:
    """What lets the engine run Python programs, policy packs and dynamic resources."""
    sdk = "github.com/pulumi/pulumi/sdk/v3"
    built = go_module(
        "language-host",
        ".",
        ldflags=f"-X {_PULUMI_VERSION}",
        rename=("language-host", "pulumi-language-python"),
        extra=((sdk, f"python/cmd/{_LANGUAGE_HOST[1]}"), (sdk, f"python/dist/{_LANGUAGE_HOST[2]}")),
    )
    return Part(
        name="Python language host",
        version=versions.PULUMI,
        executables=_LANGUAGE_HOST,
        detect=detect.language_host,
        sources=(Beside(pulumi_cli().name, pulumi_cli().folder, _LANGUAGE_HOST), built),
        key=built.key,
        needs=(pulumi_cli(),),
    )


@functools.cache
def docker_build_plugin() -> Part:
    """What builds and pushes images."""
    version = versions.DOCKER_BUILD_PLUGIN
    built = go_module(
        "docker-build",
        "github.com/pulumi/pulumi-docker-build/provider/cmd/pulumi-resource-docker-build",
        ldflags=f"-X github.com/pulumi/pulumi-docker-build/provider.Version={version}",
    )
    return Part(
        name="docker-build plugin",
        version=version,
        executables=("pulumi-resource-docker-build",),
        plugin="docker-build",
        detect=detect.plugin("docker-build", version),
        sources=(PulumiPlugin("docker-build", version), built),
        key=built.key,
        needs=(pulumi_cli(),),
    )


@functools.cache
def kubernetes_plugin() -> Part:
    """What talks to the cluster."""
    return _replaceable_plugin("kubernetes", versions.KUBERNETES_PLUGIN)


@functools.cache
def docker_plugin() -> Part:
    """What declares containers, for `cluster: docker`."""
    return _replaceable_plugin("docker", versions.DOCKER_PLUGIN)


def _replaceable_plugin(package: str, version: str) -> Part:
    """A plugin that we have a stand-in for. That is never kept: the official one is preferred once it can be had."""
    program = f"pulumi-resource-{package}"
    return Part(
        name=f"{package.capitalize()} plugin",
        version=version,
        executables=(program,),
        plugin=package,
        detect=detect.plugin(package, version),
        sources=(PulumiPlugin(package, version), StandIn(program, f"toolchain.{package}_plugin")),
        key=digest(package, str(paths.REPOSITORY), sys.executable),
        needs=(pulumi_cli(),),
        provisional=True,
    )


def engine_parts() -> list[Part]:
    """What runs the program. `pulumi install` wants every plugin of requirements.txt, whatever the stacks use."""
    return [pulumi_cli(), language_host(), docker_build_plugin(), kubernetes_plugin(), docker_plugin()]

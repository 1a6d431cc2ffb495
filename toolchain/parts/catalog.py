"""The parts of a local stack, each with where it can be had from, in the order that is tried."""

import functools
import shutil
import sys

from toolchain import paths, shell, versions
from toolchain.cluster import binaries
from toolchain.parts import base_image, detect
from toolchain.parts.build import DebianPackages, GoModule, InstallByHand
from toolchain.parts.download import PulumiPlugin, Release
from toolchain.parts.model import Found, Part, digest, same_major, same_minor
from toolchain.parts.stand_in import StandIn

_GITHUB = "https://github.com"
_PULUMI_VERSION = f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{versions.PULUMI}"
_NODE_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubeadm",
    "kubectl",
)
_DEBIAN = {  # program: the package that has it
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "debootstrap": "debootstrap",
}


def _go(module: str, *packages: str, ldflags: str = "", rename: tuple[str, str] = ("", ""),
        extra: tuple[tuple[str, str], ...] = ()) -> GoModule:  # fmt: skip
    return GoModule(paths.MODULES / module, packages, ldflags, rename, extra)


def _pulumi_release(*programs: str) -> Release:
    base = "https://get.pulumi.com/releases/sdk/pulumi"
    return Release(
        url=f"{base}-v{versions.PULUMI}-{{os}}-{{arch}}.tar.gz",
        checksums=f"{base}-{versions.PULUMI}-checksums.txt",
        programs=programs,
        members="pulumi/",
        systems=("linux", "darwin"),
        architectures={"amd64": "x64"},
    )


@functools.cache
def pulumi_cli() -> Part:
    """The engine."""
    return Part(
        name="Pulumi CLI",
        version=versions.PULUMI,
        executables=("pulumi",),
        detect=detect.programs("pulumi", version=("version",), pinned=versions.PULUMI),
        sources=(
            _pulumi_release("pulumi"),
            _go("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ldflags=f"-X {_PULUMI_VERSION}"),
        ),
        key=_modules_key("pulumi"),
    )


@functools.cache
def language_host() -> Part:
    """What lets the engine run Python programs, policy packs and dynamic resources."""
    scripts = ("pulumi-language-python-exec", "pulumi-resource-pulumi-python")
    sdk = "github.com/pulumi/pulumi/sdk/v3"
    return Part(
        name="Python language host",
        version=versions.PULUMI,
        executables=("pulumi-language-python", *scripts),
        detect=detect.language_host,
        sources=(
            _pulumi_release("pulumi-language-python", *scripts, "pulumi-analyzer-policy-python"),
            _go(
                "language-host",
                ".",
                ldflags=f"-X {_PULUMI_VERSION}",
                rename=("language-host", "pulumi-language-python"),
                extra=((sdk, f"python/cmd/{scripts[0]}"), (sdk, f"python/dist/{scripts[1]}")),
            ),
        ),
        key=_modules_key("language-host"),
    )


@functools.cache
def docker_build_plugin() -> Part:
    """What builds and pushes images."""
    version = versions.DOCKER_BUILD_PLUGIN
    return Part(
        name="docker-build plugin",
        version=version,
        executables=("pulumi-resource-docker-build",),
        plugin="docker-build",
        detect=detect.plugin("docker-build", version),
        sources=(
            PulumiPlugin("docker-build", version),
            _go(
                "docker-build",
                "github.com/pulumi/pulumi-docker-build/provider/cmd/pulumi-resource-docker-build",
                ldflags=f"-X github.com/pulumi/pulumi-docker-build/provider.Version={version}",
            ),
        ),
        key=_modules_key("docker-build"),
        needs=(pulumi_cli(),),
    )


@functools.cache
def kubernetes_plugin() -> Part:
    """What talks to the cluster. The stand-in is never kept: the official plugin is preferred once it can be had."""
    name = "pulumi-resource-kubernetes"
    return Part(
        name="Kubernetes plugin",
        version=versions.KUBERNETES_PLUGIN,
        executables=(name,),
        plugin="kubernetes",
        detect=detect.plugin("kubernetes", versions.KUBERNETES_PLUGIN),
        sources=(PulumiPlugin("kubernetes", versions.KUBERNETES_PLUGIN), StandIn(name)),
        key=digest(str(paths.REPOSITORY), sys.executable),
        needs=(pulumi_cli(),),
        provisional=True,
    )


@functools.cache
def kubernetes() -> Part:
    """The programs of a node and its control plane."""
    version = versions.KUBERNETES
    major, minor, _ = version.split(".")
    stamps = {
        "k8s.io/component-base/version.gitVersion": f"v{version}",
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
    }
    return Part(
        name="Kubernetes",
        version=version,
        executables=_NODE_PROGRAMS,
        detect=detect.programs(*_NODE_PROGRAMS, pinned=version, accept=same_minor),
        sources=(
            Release(
                url=f"https://dl.k8s.io/v{version}/bin/{{os}}/{{arch}}/{{program}}",
                checksums=f"https://dl.k8s.io/v{version}/bin/{{os}}/{{arch}}/{{program}}.sha256",
                programs=_NODE_PROGRAMS,
            ),
            _go(
                "kubernetes",
                *(f"k8s.io/kubernetes/cmd/{program}" for program in _NODE_PROGRAMS),
                ldflags=" ".join(f"-X {name}={value}" for name, value in stamps.items()),
            ),
        ),
        key=_modules_key("kubernetes"),
    )


@functools.cache
def etcd() -> Part:
    """The cluster's database."""
    version = versions.ETCD
    return Part(
        name="etcd",
        version=version,
        executables=("etcd",),
        detect=detect.programs("etcd", pinned=version),
        sources=(
            Release(
                url=f"{_GITHUB}/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-{{os}}-{{arch}}.tar.gz",
                checksums=f"{_GITHUB}/etcd-io/etcd/releases/download/v{version}/SHA256SUMS",
                programs=("etcd",),
                members=f"etcd-v{version}-{{os}}-{{arch}}/",
            ),
            _go("etcd", "go.etcd.io/etcd/server/v3", rename=("server", "etcd")),
        ),
        key=_modules_key("etcd"),
    )


@functools.cache
def coredns() -> Part:
    """The cluster's name server."""
    version = versions.COREDNS
    release = f"{_GITHUB}/coredns/coredns/releases/download/v{version}/coredns_{version}_{{os}}_{{arch}}.tgz"
    return Part(
        name="CoreDNS",
        version=version,
        executables=("coredns",),
        detect=detect.programs("coredns", version=("-version",), pinned=version),
        sources=(
            Release(url=release, checksums=f"{release}.sha256", programs=("coredns",)),
            _go("coredns", "github.com/coredns/coredns"),
        ),
        key=_modules_key("coredns"),
    )


@functools.cache
def pause() -> Part:
    """The program that holds a pod's namespaces."""
    folder = paths.REPOSITORY / "toolchain" / "cluster" / "pause"
    return Part(
        name="pause",
        version=versions.KUBERNETES,
        executables=("pause",),
        sources=(GoModule(folder, (".",)),),
        key=digest(folder),
    )


@functools.cache
def buildkit() -> Part:
    """The image builder. Its releases carry no checksums that could be compared, so it is built where it is missing."""
    return Part(
        name="BuildKit",
        version=versions.BUILDKIT,
        executables=("buildkitd",),
        # Still 0.x: only the pinned minor version promises the same.
        detect=detect.programs("buildkitd", pinned=versions.BUILDKIT, accept=same_minor),
        sources=(_go("buildkit", "github.com/moby/buildkit/cmd/buildkitd"),),
        key=_modules_key("buildkit"),
    )


@functools.cache
def buildx() -> Part:
    """What registers the builder, so that everything that builds finds it."""
    version = versions.BUILDX
    release = f"{_GITHUB}/docker/buildx/releases/download/v{version}"
    return Part(
        name="buildx",
        version=version,
        executables=("buildx",),
        detect=detect.programs("buildx", version=("version",), pinned=version, accept=same_minor),
        sources=(
            Release(f"{release}/buildx-v{version}.{{os}}-{{arch}}", f"{release}/checksums.txt", ("buildx",)),
            _go(
                "buildx",
                "github.com/docker/buildx/cmd/buildx",
                ldflags=f"-X github.com/docker/buildx/version.Version=v{version}",
            ),
        ),
        key=_modules_key("buildx"),
    )


@functools.cache
def registry() -> Part:
    """The image registry."""
    version = versions.REGISTRY
    release = (
        f"{_GITHUB}/distribution/distribution/releases/download/v{version}/registry_{version}_{{os}}_{{arch}}.tar.gz"
    )
    return Part(
        name="Registry",
        version=version,
        executables=("registry",),
        detect=detect.programs("registry", pinned=version),
        sources=(
            Release(url=release, checksums=f"{release}.sha256", programs=("registry",)),
            _go(
                "registry",
                "github.com/distribution/distribution/v3/cmd/registry",
                ldflags=f"-X github.com/distribution/distribution/v3/version.version=v{version}",
            ),
        ),
        key=_modules_key("registry"),
    )


@functools.cache
def container_runtime() -> Part:
    """What runs containers and networks, from the distribution."""
    packages = tuple(dict.fromkeys([*_DEBIAN.values(), "containernetworking-plugins"]))
    by_hand = (
        f"install with your package manager: {', '.join(_DEBIAN)} and the CNI plugins bridge, host-local, loopback"
    )
    return Part(
        name="Container runtime",
        version="distribution's",
        detect=_container_runtime,
        sources=(DebianPackages(packages), InstallByHand(by_hand)),
    )


def _container_runtime() -> Found | None:
    if any(detect.which(program) is None for program in _DEBIAN):
        return None
    if binaries.cni_folder(paths.cache()) is None:
        return None
    words = shell.output([detect.which("containerd") or "containerd", "--version"]).split()
    return Found(words[2] if len(words) > 2 else "?", shutil.which("containerd", path=detect.search_path()) or "")


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


@functools.cache
def kind() -> Part:
    """Kubernetes in Docker, for machines with a Docker Engine and a network."""
    url = f"{_GITHUB}/kubernetes-sigs/kind/releases/download/v{versions.KIND}/kind-{{os}}-{{arch}}"
    return Part(
        name="kind",
        version=versions.KIND,
        executables=("kind",),
        detect=detect.programs("kind", pinned=versions.KIND, accept=same_major),
        sources=(
            Release(url=url, checksums=f"{url}.sha256sum", programs=("kind",), systems=("linux", "darwin")),
            InstallByHand("kind: see https://kind.sigs.k8s.io/docs/user/quick-start/#installation"),
        ),
    )


def engine_parts() -> list[Part]:
    """What runs the program."""
    return [pulumi_cli(), language_host(), docker_build_plugin(), kubernetes_plugin()]


def node_parts() -> list[Part]:
    """What the local registry, builder and cluster are made of, the longest builds first."""
    return [kubernetes(), buildkit(), buildx(), registry(), coredns(), etcd(), pause(), container_runtime(), base()]


def docker_parts() -> list[Part]:
    """What the local builder and cluster are made of where a Docker Engine runs them."""
    return [kind(), buildx()]


def _modules_key(module: str) -> str:
    return digest(paths.MODULES / module)

"""The parts of the local cluster."""

import functools
import shutil

from toolchain import paths, shell, versions
from toolchain.cluster import binaries
from toolchain.parts import detect
from toolchain.parts.build import DebianPackages, GoModule, InstallByHand, go_module
from toolchain.parts.download import Release
from toolchain.parts.model import Found, Part, same_major, same_minor

_GITHUB = "https://github.com"
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
    built = go_module(
        "kubernetes",
        *(f"k8s.io/kubernetes/cmd/{program}" for program in _NODE_PROGRAMS),
        ldflags=" ".join(f"-X {name}={value}" for name, value in stamps.items()),
    )
    return Part(
        name="Kubernetes",
        version=version,
        executables=_NODE_PROGRAMS,
        detect=detect.programs(
            *_NODE_PROGRAMS,
            pinned=version,
            accept=same_minor,
            versions={"kubeadm": ("version", "-o", "short"), "kubectl": ("version", "--client")},
        ),
        sources=(
            Release(
                url=f"https://dl.k8s.io/v{version}/bin/{{os}}/{{arch}}/{{program}}",
                checksums=f"https://dl.k8s.io/v{version}/bin/{{os}}/{{arch}}/{{program}}.sha256",
                programs=_NODE_PROGRAMS,
            ),
            built,
        ),
        key=built.key,
    )


@functools.cache
def etcd() -> Part:
    """The cluster's database."""
    version = versions.ETCD
    built = go_module("etcd", "go.etcd.io/etcd/server/v3", rename=("server", "etcd"))
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
            built,
        ),
        key=built.key,
    )


@functools.cache
def coredns() -> Part:
    """The cluster's name server."""
    version = versions.COREDNS
    release = f"{_GITHUB}/coredns/coredns/releases/download/v{version}/coredns_{version}_{{os}}_{{arch}}.tgz"
    built = go_module("coredns", ".")
    return Part(
        name="CoreDNS",
        version=version,
        executables=("coredns",),
        detect=detect.programs("coredns", version=("-version",), pinned=version),
        sources=(
            Release(url=release, checksums=f"{release}.sha256", programs=("coredns",)),
            built,
        ),
        key=built.key,
    )


@functools.cache
def pause() -> Part:
    """The program that holds a pod's namespaces."""
    built = GoModule(paths.REPOSITORY / "toolchain" / "cluster" / "pause", (".",))
    return Part(
        name="pause",
        version=versions.KUBERNETES,
        executables=("pause",),
        sources=(built,),
        key=built.key,
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

"""Finding the programs a cluster is made of."""

import os
import shutil
import subprocess
from pathlib import Path

from toolchain.cluster.errors import ClusterError

_BUILT = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubeadm",
    "coredns",
)
_PACKAGED = {  # program: the Debian package that has it
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "iptables-save": "iptables",
    "iptables-restore": "iptables",
    "ip6tables-save": "iptables",
    "ip6tables-restore": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "mount": "mount",
    "umount": "mount",
}
_CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
_CNI_PLUGINS = ("bridge", "host-local", "loopback")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PAUSE_SOURCE = Path(__file__).parent / "pause"


def search_path(tools: Path) -> str:
    """The PATH the cluster's processes get: ``tools``, the user's, and where a system keeps its sbin programs."""
    return os.pathsep.join([str(tools.resolve()), os.environ.get("PATH", ""), _SYSTEM_PATH])


def find(name: str, tools: Path) -> Path:
    """Absolute path of a program, from ``tools`` or PATH.

    Raises ClusterError when there is none; ``missing`` tells all of them at once.
    """
    found = shutil.which(name, path=search_path(tools))
    if found is None:
        raise ClusterError(f"{name}: not found in {tools} nor on PATH")
    return Path(found).absolute()


def cni_folder(tools: Path) -> Path | None:
    """The folder with the CNI plugins that the pod network needs, None when no folder has all of them."""
    for folder in (tools / "cni", *_CNI_FOLDERS):
        if all(os.access(folder / plugin, os.X_OK) for plugin in _CNI_PLUGINS):
            return folder.resolve()
    return None


def missing(tools: Path) -> list[str]:
    """What has to be had before a cluster can start, a line each, with where it comes from; empty when all is there."""
    path = search_path(tools)
    lines = [f"{name}: not in {tools} nor on PATH" for name in _BUILT if shutil.which(name, path=path) is None]
    lines += [
        f"{name}: not on PATH (Debian package {package})"
        for name, package in _PACKAGED.items()
        if shutil.which(name, path=path) is None
    ]
    if cni_folder(tools) is None:
        folders = ", ".join(map(str, _CNI_FOLDERS))
        lines.append(f"CNI plugins {', '.join(_CNI_PLUGINS)}: not in {folders} (Debian: containernetworking-plugins)")
    if not os.access(tools / "pause", os.X_OK) and shutil.which("go") is None:
        lines.append(f"pause: not in {tools}, and there is no Go on PATH to build it from {_PAUSE_SOURCE}")
    return lines


def pause(tools: Path, built: Path) -> Path:
    """The static program that pod sandboxes run: the one in ``tools``, else built with Go as ``built`` (2 s, once).

    It is not looked for on PATH, where the name may mean anything.
    """
    if os.access(tools / "pause", os.X_OK):
        return tools / "pause"
    if built.exists() and built.stat().st_mtime >= (_PAUSE_SOURCE / "main.go").stat().st_mtime:
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(built), "."],
        cwd=_PAUSE_SOURCE,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise ClusterError(f"pause: go build in {_PAUSE_SOURCE} failed:\n{result.stderr.strip()}")
    return built

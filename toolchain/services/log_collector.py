"""What the log collector's pods need of the local cluster: their image, and the pods' logs where kubelets put them.

The image has the published one's name and its program, built here. containerd is told that the local registry mirrors
Docker Hub, as the image builder is, so a stack names the same image wherever it runs.
"""

import hashlib
import json
import shutil
from pathlib import Path

from toolchain import versions
from toolchain.cluster.configuration import mirror_hosts
from toolchain.cluster.files import write
from toolchain.cluster.layout import Layout
from toolchain.errors import ToolchainError
from toolchain.parts import base_image, catalog
from toolchain.services import oci

NAME = "log-collector"
_REPOSITORY = "otel/opentelemetry-collector-contrib"
_PROGRAM = "otelcol-contrib"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_POD_LOGS = Path("/var/log/pods")


def provide(data: Path, mirror: str) -> None:
    """Push the image to ``mirror``, tell the node, and link the pods' logs to their usual place.

    Nothing is pushed where the published image can be pulled. Raises ToolchainError when another kubelet has its logs
    in that place.
    """
    layout = Layout.of(data)
    _link(layout.pod_logs)
    [part] = catalog.addon_parts([NAME])
    program = part.in_cache()
    if program is None:
        return
    oci.push(_image(Path(program.where) / _PROGRAM, data / NAME), mirror, _REPOSITORY, versions.LOG_COLLECTOR)
    write(layout.config / "certs.d" / "docker.io" / "hosts.toml", mirror_hosts(mirror))


def _link(pod_logs: Path) -> None:
    if _POD_LOGS.is_symlink():
        if _POD_LOGS.readlink() == pod_logs:
            return
        if not _POD_LOGS.exists():
            _POD_LOGS.unlink()  # that of a cluster that is gone
    try:
        _POD_LOGS.symlink_to(pod_logs)
    except FileExistsError:
        raise ToolchainError(
            f"link the pods' logs to {_POD_LOGS}", "it exists: another kubelet has its logs there"
        ) from None


def _image(program: Path, folder: Path) -> Path:
    """The image of the program and the authorities that this machine trusts, made once."""
    files = {program.name: program}
    if _AUTHORITIES.exists():
        files["etc/ssl/certs/ca-certificates.crt"] = _AUTHORITIES
    settings = {"Entrypoint": [f"/{program.name}"], "User": "10001:10001", "WorkingDir": "/"}
    content = hashlib.sha256(json.dumps(settings).encode())
    for file in files.values():
        with file.open("rb") as opened:
            content.update(hashlib.file_digest(opened, "sha256").digest())
    target = folder / content.hexdigest()[:16]
    if target.exists():
        return target
    shutil.rmtree(folder, ignore_errors=True)
    root, fresh = folder / "root", folder / "fresh"
    fresh.mkdir(parents=True)
    for name, file in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / name)
    base_image.write_image(fresh, root, settings)
    shutil.rmtree(root)
    return fresh.rename(target)

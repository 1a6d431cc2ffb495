"""The images of monitoring in the local registry, by the paths and tags that their projects give them.

A stack's `monitoring.install.imageRegistry: localhost:5001` then means the same as anybody's mirror of those projects.
They are copied from the projects' registries where those are reached; else each is made of one program that the
toolchain has: the program, and what it needs to run.
"""

import gzip
import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolchain import network, shell, versions
from toolchain.parts.base_image import write_manifest
from toolchain.parts.debian_archive import RUNTIME
from toolchain.parts.model import Part, machine
from toolchain.parts.monitoring import (
    alertmanager,
    kube_state_metrics,
    node_exporter,
    prometheus,
    prometheus_operator,
)
from toolchain.services import oci

_MADE_OF = "model-serving.local/made-of"
_FASTEST = 1  # of gzip's levels: the layers do not leave this machine


@dataclass(frozen=True)
class Image:
    """An image of a project, and the part that has its program."""

    registry: str
    repository: str
    tag: str
    program: str
    part: Callable[[], Part]
    beside: tuple[str, ...] = ()
    """Other programs of the part that the project's image has too."""

    def made_of(self, where: str) -> str:
        """What the image says that it is made of."""
        return " ".join((where, *self.beside))


RELOADER = Image(
    "quay.io",
    "prometheus-operator/prometheus-config-reloader",
    f"v{versions.PROMETHEUS_OPERATOR}",
    "prometheus-config-reloader",
    prometheus_operator,
)
IMAGES = (
    RELOADER,
    Image("quay.io", "prometheus/prometheus", f"v{versions.PROMETHEUS}", "prometheus", prometheus, ("promtool",)),
    Image("quay.io", "prometheus/alertmanager", f"v{versions.ALERTMANAGER}", "alertmanager", alertmanager),
    Image("quay.io", "prometheus/node-exporter", f"v{versions.NODE_EXPORTER}", "node_exporter", node_exporter),
    Image(
        "registry.k8s.io",
        "kube-state-metrics/kube-state-metrics",
        f"v{versions.KUBE_STATE_METRICS}",
        "kube-state-metrics",
        kube_state_metrics,
    ),
)


def serve(host: str, tools: Path) -> None:
    """Have every image in the registry at ``host``. Raises ToolchainError when the registry refuses one."""
    for image in IMAGES:
        made_of = oci.annotations(host, image.repository, image.tag)
        if made_of is None and network.reachable(f"https://{image.registry}/"):
            name = f"{image.repository}:{image.tag}"
            command = ["imagetools", "create", "--tag", f"{host}/{name}", f"{image.registry}/{name}"]
            shell.run([tools / "buildx", *command], f"copy {image.registry}/{name} to {host}")
            continue
        part = image.part().in_cache()
        # One without the annotation is its project's own.
        if part and (made_of is None or made_of.get(_MADE_OF, image.made_of(part.where)) != image.made_of(part.where)):
            _push(image, part.where, host)


def _push(image: Image, where: str, host: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(image, Path(where), folder)
        oci.push(folder, host, image.repository, image.tag)


def _write(image: Image, part: Path, folder: Path) -> None:
    """Write the image as ``oci.push`` reads it: /bin/<program>, which is the entrypoint, run as nobody; and others."""
    whole = hashlib.sha256()
    with tempfile.TemporaryFile() as plain, (folder / "layer.tar.gz").open("wb") as file:
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
            if (part / RUNTIME).exists():
                with tarfile.open(part / RUNTIME) as runtime:
                    for entry in runtime:
                        tar.addfile(entry, runtime.extractfile(entry) if entry.isreg() else None)
            for name in (image.program, *image.beside):
                program = tarfile.TarInfo(f"bin/{name}")
                program.size, program.mode = (part / name).stat().st_size, 0o755
                with (part / name).open("rb") as content:
                    tar.addfile(program, content)
        plain.seek(0)
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=_FASTEST, mtime=0) as packed:
            while block := plain.read(1 << 20):
                whole.update(block)
                packed.write(block)
    config = {
        "architecture": machine(),
        "os": "linux",
        "config": {"Entrypoint": [f"/bin/{image.program}"], "User": "65534:65534"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{whole.hexdigest()}"]},
        "history": [{"created_by": "toolchain"}],
    }
    (folder / "config.json").write_text(json.dumps(config, sort_keys=True))
    write_manifest(folder, {_MADE_OF: image.made_of(str(part))})

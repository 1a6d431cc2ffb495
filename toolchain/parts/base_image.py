"""The base image ``debian:bookworm-slim``, made with debootstrap where Docker Hub cannot be reached.

The folder holds the image as three blobs: ``layer.tar.gz``, ``config.json`` and ``manifest.json`` (OCI image spec 1.0).
"""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain import network, shell, versions
from toolchain.errors import ToolchainError
from toolchain.parts.build import is_root
from toolchain.parts.detect import search_path
from toolchain.parts.model import Found, digest, machine
from toolchain.progress import Step

DOCKER_HUB = "https://registry-1.docker.io/"
# What Debian's own slim images leave out: documentation, translations, and what apt can fetch again.
_LEFT_OUT = (
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/lib/apt/lists/*",
    "var/log/*",
)
_BLOCK = 1 << 20
_SETTINGS = {"Cmd": ["bash"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}

RECIPE = digest("1", *_LEFT_OUT, machine())
"""Changes with what the image is made of; raise the number when the steps below change."""


def docker_hub() -> Found | None:
    """Docker Hub, which serves the base image itself."""
    if network.reachable(DOCKER_HUB):
        return Found(versions.DEBIAN_SUITE, "Docker Hub, when an image is built")
    return None


@dataclass(frozen=True)
class Debootstrap:
    """A minimal Debian with CA certificates, from the package mirror that this machine uses."""

    suite: str

    @property
    def label(self) -> str:
        return f"debootstrap {self.suite}, for a local mirror of Docker Hub"

    def available(self) -> bool:
        return True

    def missing(self) -> list[str]:
        return [] if is_root() else ["root is needed to run debootstrap: run as root"]

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        sources = apt_sources(self.suite)
        # Without one, debootstrap uses its own default and writes that as the image's source.
        mirror = next((line.split()[1] for line in sources if line.split()[2] == self.suite), None)
        root = folder.with_name(f"{folder.name}.root")
        try:
            self._bootstrap(root, mirror, step)
            if mirror:
                (root / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
            step.note = "cleaning and compressing"
            for pattern in _LEFT_OUT:
                for path in root.glob(pattern):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            write_image(folder, root)
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _bootstrap(self, root: Path, mirror: str | None, step: Step) -> None:
        unpacked = 0

        def on_line(line: str) -> None:
            nonlocal unpacked
            unpacked += line.startswith("I: Unpacking")
            step.note = re.sub(r"^[IW]: ", "", line)[:70].rstrip(".")

        program = shutil.which("debootstrap", path=search_path()) or "debootstrap"
        command = [program, "--variant=minbase", "--include=ca-certificates", self.suite, root]
        shell.run(
            [*command, mirror] if mirror else command,
            "debootstrap",
            environment={"LC_ALL": "C.UTF-8"},
            on_line=on_line,
            todo=f"Check that {mirror or 'the default mirror of Debian'} can be reached (apt's own sources name it).",
        )
        if not unpacked:
            raise ToolchainError("debootstrap", f"it unpacked nothing into {root}")


def apt_sources(suite: str) -> list[str]:
    """Lines of sources.list for ``suite`` and its updates, from what this machine's apt uses; empty without any."""
    listed = shell.output(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"]
    )
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    repositories: dict[tuple[str, str], list[str]] = {}
    for line in listed.splitlines():
        uri, codename, component = (line.split() + ["", "", ""])[:3]
        # Third-party repositories may use Debian's names, but not Debian's component.
        if codename in wanted and component == "main" and uri.startswith("http"):
            repositories.setdefault((uri.rstrip("/"), codename), []).append(component)
    return [
        f"deb {uri} {codename} {' '.join(dict.fromkeys(components))}"
        for (uri, codename), components in sorted(repositories.items(), key=lambda item: len(item[0][1]))
        if "/debian" in uri
    ]


def write_image(folder: Path, root: Path, settings: Mapping[str, object] = _SETTINGS) -> None:
    """Write the tree ``root`` as an image of one layer into ``folder``. The same tree gives the same bytes.

    ``settings`` are what a container of it runs, in the words of the OCI image specification.
    """
    tar = ["tar", "--create", "--directory", str(root), "--numeric-owner", "--sort=name", "--mtime=@0"]
    tar += ["--format=gnu", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./run/*", "."]
    whole = hashlib.sha256()
    layer = folder / "layer.tar.gz"
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as process, layer.open("wb") as file:
        assert process.stdout is not None
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed:
            while block := process.stdout.read(_BLOCK):
                whole.update(block)
                packed.write(block)
    if process.returncode:
        raise ToolchainError("compress the base image", f"tar ended with {process.returncode}")
    config = {
        "architecture": machine(),
        "os": "linux",
        "config": dict(settings),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{whole.hexdigest()}"]},
        "history": [{"created_by": "debootstrap"}],
    }
    (folder / "config.json").write_text(json.dumps(config, sort_keys=True))
    write_manifest(folder)


def write_manifest(folder: Path, annotations: Mapping[str, str] | None = None) -> None:
    """Write ``manifest.json`` for the ``config.json`` and the ``layer.tar.gz`` in ``folder``."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor("application/vnd.oci.image.config.v1+json", folder / "config.json"),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", folder / "layer.tar.gz")],
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, sort_keys=True))


def _descriptor(media_type: str, file: Path) -> dict[str, object]:
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return {"mediaType": media_type, "digest": f"sha256:{sha256}", "size": file.stat().st_size}

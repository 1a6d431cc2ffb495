"""The cluster's one image of its own: the pod sandbox's ``pause`` and CoreDNS, two static programs and nothing else.

Both in one image, because the kubelet's garbage collector spares what a container uses: CoreDNS always runs, so the
sandbox image cannot be collected under a cluster that has no registry to pull it from again.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_REPOSITORY = "model-serving.local/node"


def reference(programs: Mapping[str, Path]) -> str:
    """Name of the image that holds ``programs``: its tag is the hash of their content."""
    digest = hashlib.sha256()
    for name, path in sorted(programs.items()):
        with path.open("rb") as file:
            digest.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"{_REPOSITORY}:{digest.hexdigest()[:12]}"


def write_archive(archive: Path, name: str, programs: Mapping[str, Path]) -> None:
    """Write ``programs`` as an OCI image layout in a tar file, as ``ctr images import`` reads it.

    Each program lies in the root directory; the first one is the entrypoint. The same programs give the same bytes.
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for program, path in programs.items():
            with path.open("rb") as file:
                _add(tar, program, file.read(), 0o755)
    content = layer.getvalue()
    config = _json(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": [f"/{next(iter(programs))}"], "User": "65535:65535", "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(content)]},
            "history": [{"created_by": "toolchain/cluster"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", content)],
        }
    )
    entry = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
    entry["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.split(":")[1]}
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
        for blob in (manifest, config, content):
            _add(tar, "blobs/sha256/" + _digest(blob).removeprefix("sha256:"), blob)


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}

"""A small client of the distribution protocol: enough to look at a pushed image and to push a changed copy of it.

Source: OCI distribution specification 1.1 and image specification 1.1.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

_ACCEPT = ", ".join(
    f"application/vnd.{kind}"
    for kind in (
        "oci.image.index.v1+json",
        "oci.image.manifest.v1+json",
        "docker.distribution.manifest.list.v2+json",
        "docker.distribution.manifest.v2+json",
    )
)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Image:
    """An image in a registry, named `host:port/repository@sha256:...`."""

    reference: str

    @property
    def base(self) -> str:
        host, repository = self.reference.split("@")[0].split("/", 1)
        return f"http://{host}/v2/{repository}"

    @property
    def digest(self) -> str:
        return self.reference.split("@")[1]

    def exists(self) -> bool:
        return httpx.head(f"{self.base}/manifests/{self.digest}", headers={"Accept": _ACCEPT}).status_code == 200

    def manifest(self) -> dict[str, Any]:
        """The manifest for linux/amd64, looked up in the index where the reference is one."""
        found = self._manifest(self.digest)
        if "manifests" in found:
            chosen = next(m for m in found["manifests"] if m["platform"]["architecture"] == "amd64")
            found = self._manifest(chosen["digest"])
        return found

    def blob(self, name: str) -> bytes:
        return httpx.get(f"{self.base}/blobs/{name}", follow_redirects=True, timeout=60).raise_for_status().content

    def compressed_bytes(self) -> int:
        return sum(layer["size"] for layer in self.manifest()["layers"])

    def with_last_layer(self, change: Callable[[dict[str, bytes]], None]) -> "Image":
        """Push a copy whose last layer's files `change` edited in place; everything else stays the same image."""
        manifest = self.manifest()
        layer = _repack(self.blob(manifest["layers"][-1]["digest"]), change)
        config = json.loads(self.blob(manifest["config"]["digest"]))
        config["rootfs"]["diff_ids"][-1] = digest(gzip.decompress(layer))
        self._push(layer)
        manifest["layers"][-1] |= {"digest": digest(layer), "size": len(layer)}
        return self._with_config(manifest, config)

    def with_settings(self, **settings: Any) -> "Image":
        """Push a copy that is run otherwise: `Entrypoint=[...]`, `Env=[...]`, as in an image's configuration."""
        manifest = self.manifest()
        config = json.loads(self.blob(manifest["config"]["digest"]))
        config["config"] |= settings
        return self._with_config(manifest, config)

    def _with_config(self, manifest: dict[str, Any], config: dict[str, Any]) -> "Image":
        encoded = json.dumps(config).encode()
        self._push(encoded)
        manifest["config"] |= {"digest": digest(encoded), "size": len(encoded)}
        body = json.dumps(manifest).encode()
        httpx.put(
            f"{self.base}/manifests/{digest(body)}", content=body, headers={"Content-Type": manifest["mediaType"]}
        ).raise_for_status()
        return Image(f"{self.reference.split('@')[0]}@{digest(body)}")

    def _manifest(self, name: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.base}/manifests/{name}", headers={"Accept": _ACCEPT}).raise_for_status()
        return answer.json()

    def _push(self, blob: bytes) -> None:
        location = httpx.post(f"{self.base}/blobs/uploads/").raise_for_status().headers["Location"]
        url = httpx.URL(location).copy_merge_params({"digest": digest(blob)})
        httpx.put(url, content=blob, headers={"Content-Type": "application/octet-stream"}).raise_for_status()


def contract_of(image: Image) -> dict[str, Any]:
    """The contract of the model in an image, which is in its last layer."""
    layer = image.blob(image.manifest()["layers"][-1]["digest"])
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        member = files.extractfile("model/contract.json")
        assert member
        return json.load(member)


def _repack(layer: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The gzipped tar `layer` with the contents of its regular files edited by `change`."""
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:gz") as source:
        members = source.getmembers()
        opened = {member.name: source.extractfile(member) for member in members if member.isfile()}
        files = {name: file.read() for name, file in opened.items() if file}
    change(files)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as repacked:
        for member in members:
            if member.isfile():
                member.size = len(files[member.name])
                repacked.addfile(member, io.BytesIO(files[member.name]))
            else:
                repacked.addfile(member)
    return target.getvalue()

"""Images of this machine in a registry of this machine (OCI image specification 1.0, distribution 1.1)."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from toolchain.errors import ToolchainError

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ANY = ", ".join(
    (
        _MANIFEST,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)


def annotations(host: str, repository: str, tag: str) -> dict[str, str] | None:
    """What is written on an image in a registry; None when it has no such image."""
    url = f"http://{host}/v2/{repository}/manifests/{tag}"
    request = urllib.request.Request(url, headers={"Accept": _ANY})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response).get("annotations", {})
    except urllib.error.HTTPError as error:
        if error.code == http.client.NOT_FOUND:
            return None
        raise ToolchainError(f"look for {repository}:{tag} in {host}", str(error)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ToolchainError(f"look for {repository}:{tag} in {host}", str(error)) from None


def push(folder: Path, host: str, repository: str, tag: str) -> None:
    """Push the image in ``folder`` (see toolchain/parts/base_image.py) unless the tag is that image already.

    Raises ToolchainError when the registry refuses.
    """
    manifest = (folder / "manifest.json").read_bytes()
    base = f"http://{host}/v2/{repository}"
    try:
        if _digest_of(f"{base}/manifests/{tag}") == f"sha256:{hashlib.sha256(manifest).hexdigest()}":
            return
        content = json.loads(manifest)
        for descriptor, name in ((content["config"], "config.json"), (content["layers"][0], "layer.tar.gz")):
            if not _digest_of(f"{base}/blobs/{descriptor['digest']}"):
                _upload(base, descriptor["digest"], folder / name)
        headers = {"Content-Type": _MANIFEST}
        request = urllib.request.Request(f"{base}/manifests/{tag}", data=manifest, method="PUT", headers=headers)
        urllib.request.urlopen(request, timeout=30).close()
    except (OSError, http.client.HTTPException) as error:
        raise ToolchainError(f"push {repository}:{tag} to {host}", str(error)) from None


def _digest_of(url: str) -> str:
    """The digest that the registry gives for a blob or manifest, empty when it has none."""
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": _MANIFEST})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.headers.get("Docker-Content-Digest", "")
    except urllib.error.HTTPError as error:
        if error.code == http.client.NOT_FOUND:
            return ""
        raise


def _upload(base: str, digest: str, file: Path) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{base}/blobs/uploads/", method="POST"), timeout=30) as begun:
        location = urljoin(base, begun.headers["Location"])
    separator = "&" if urlsplit(location).query else "?"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
    with file.open("rb") as content:
        url = f"{location}{separator}digest={digest}"
        request = urllib.request.Request(url, data=content, method="PUT", headers=headers)
        urllib.request.urlopen(request, timeout=300).close()

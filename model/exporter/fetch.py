"""Fetches a finished model from where it was stored, with that store's own client, and checks it against its pin.

    python -m exporter.fetch s3://bucket/models/churn/@sha256:<digest> OUT

Runs in a stage of the image build; credentials come as a build secret (components/planning/artifact_access.py).
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from .errors import ExportError

ACCESS = Path("/run/secrets/artifact_access")

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TITLE = "org.opencontainers.image.title"


def fetch(artifact: str, out: Path) -> None:
    """Writes the artifact's files below `out`.

    Raises: ExportError: it is not there, may not be read, or is not what its pin says; the files are then not to be
    used.
    """
    where, _, pin = artifact.rpartition("@")
    scheme, _, rest = where.partition("://")
    stores: dict[str, Callable[[str, str, Path], None]] = {"s3": _from_s3, "oci": _from_oci}
    if scheme not in stores or not pin.startswith("sha256:"):
        raise ExportError(f"artifact {artifact!r}: must be {', '.join(f'{name}://...' for name in stores)}@sha256:...")
    out.mkdir(parents=True, exist_ok=True)
    stores[scheme](rest, pin.removeprefix("sha256:"), out)


def tree_digest(folder: Path) -> str:
    """The SHA-256 of what `sha256sum` prints of all files, sorted by their path below the folder, as bytes.

    The same as: find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
    """
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    lines = "".join(f"{_sha256(path)}  {name}\n" for name, path in sorted(files, key=lambda file: file[0].encode()))
    return hashlib.sha256(lines.encode()).hexdigest()


def use_access(text: str, environ: dict[str, str] | os._Environ[str], folder: Path) -> None:
    """Puts the build's credentials where the clients look for them: variables, and files that variables name."""
    access = json.loads(text)
    environ.update(access["variables"])
    for variable, content in access["files"].items():
        path = folder / variable
        if variable == "DOCKER_CONFIG":
            path.mkdir(mode=0o700)
            (path / "config.json").write_text(content)
        else:
            path.write_text(content)
        environ[variable] = str(path)


def _from_s3(where: str, pin: str, out: Path) -> None:
    import boto3

    bucket, _, key = where.partition("/")
    client = boto3.client("s3")
    for name in _objects(client, bucket, key):
        below = PurePosixPath(name).name if name == key else name.removeprefix(key)
        target = out / _inside(below, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, name, str(target))
    # One object is pinned by its own digest, which sha256sum prints; a folder by that of the list of its files.
    found = tree_digest(out) if key.endswith("/") or not key else _sha256(out / PurePosixPath(key).name)
    if found != pin:
        raise ExportError(f"s3://{where}: its digest is sha256:{found}, not the sha256:{pin} that the stack file pins")


def _objects(client: object, bucket: str, key: str) -> Iterator[str]:
    if key and not key.endswith("/"):
        yield key
        return
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)  # pyright: ignore
    names = [item["Key"] for page in pages for item in page.get("Contents", ()) if not item["Key"].endswith("/")]
    if not names:
        raise ExportError(
            f"s3://{bucket}/{key}: nothing there. A folder's name ends with a slash, an object's does not"
        )
    yield from names


def _from_oci(where: str, pin: str, out: Path) -> None:
    import oras.provider

    host = where.partition("/")[0].partition(":")[0]
    # As Docker does it: a registry on this machine may speak plain HTTP, no other.
    registry = oras.provider.Registry(insecure=host in ("localhost", "127.0.0.1"))
    container = registry.get_container(f"{where}@sha256:{pin}")
    registry.auth.load_configs(container)
    url = f"{registry.prefix}://{container.manifest_url()}"
    answer = registry.do_request(url, "GET", headers={"Accept": ", ".join(_MANIFESTS)})
    if answer.status_code != 200:
        raise ExportError(f"oci://{where}@sha256:{pin}: the registry answers {answer.status_code} {answer.reason}")
    found = hashlib.sha256(answer.content).hexdigest()
    if found != pin:
        raise ExportError(
            f"oci://{where}: the registry sent a manifest with the digest sha256:{found}, not sha256:{pin}"
        )
    layers = answer.json().get("layers", [])
    if not layers or not all(_TITLE in layer.get("annotations", {}) for layer in layers):
        raise ExportError(f"oci://{where}: not an artifact of files. Push the model's files with: oras push")
    for layer in layers:
        name = layer["annotations"][_TITLE]
        target = out / _inside(name, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        registry.download_blob(container, layer["digest"], str(target))
        if f"sha256:{_sha256(target)}" != layer["digest"]:
            raise ExportError(f"oci://{where}: file {name} has another digest than the manifest says")


def _inside(name: str, shown: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ExportError(f"the artifact's file {shown!r} lies outside of its folder")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Returns the process's exit code: 0, or 1 with the reason on the last line of standard error."""
    parser = argparse.ArgumentParser(prog="exporter.fetch", description=__doc__)
    parser.add_argument("artifact")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            if ACCESS.is_file() and ACCESS.stat().st_size:
                use_access(ACCESS.read_text(), os.environ, Path(folder))
            fetch(arguments.artifact, arguments.out)
    except ExportError as error:
        print(f"export failed: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # of a client: not there, not allowed, not reached
        print(f"export failed: {arguments.artifact}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Fetches a finished model from where it was stored, with that store's own client, and checks it against its pin.

    python -m exporter.fetch s3://bucket/models/churn/@sha256:<digest> OUT

Runs in a stage of the image build; credentials come as a build secret (components/planning/artifact_access.py).
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
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
    stores: dict[str, Callable[[str, str, Path], None]] = {
        "s3": _from_s3,
        "gs": _from_gs,
        "oci": _from_oci,
        "hf": _from_hf,
        "mlflow": _from_mlflow,
    }
    if scheme not in stores or (scheme != "hf" and not pin.startswith("sha256:")):
        raise ExportError(
            f"artifact {artifact!r}: must be s3://, gs://, oci:// or mlflow://...@sha256:<digest>, "
            "or hf://...@<revision>"
        )
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

    def listed() -> Iterator[str]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
            yield from (item["Key"] for item in page.get("Contents", ()))

    _download(f"s3://{where}", key, listed, lambda name, target: client.download_file(bucket, name, str(target)), out)
    _check_pin(f"s3://{where}", key, pin, out)


def _from_gs(where: str, pin: str, out: Path) -> None:
    import google.cloud.storage as storage

    bucket, _, key = where.partition("/")
    if "GOOGLE_APPLICATION_CREDENTIALS" in os.environ:
        client = storage.Client()
    else:
        # What is public needs no account, and an emulator has none.
        client = storage.Client.create_anonymous_client()
    files = client.bucket(bucket)

    def listed() -> Iterator[str]:
        yield from (blob.name for blob in client.list_blobs(bucket, prefix=key))

    _download(f"gs://{where}", key, listed, lambda name, to: files.blob(name).download_to_filename(str(to)), out)
    _check_pin(f"gs://{where}", key, pin, out)


def _download(
    where: str, key: str, listed: Callable[[], Iterable[str]], download: Callable[[str, Path], object], out: Path
) -> None:
    """Downloads the object `key`, or what is below it if it ends with a slash."""
    one = bool(key) and not key.endswith("/")
    names = [key] if one else [name for name in listed() if not name.endswith("/")]
    if not names:
        raise ExportError(f"{where}: nothing there. A folder's name ends with a slash, an object's does not")
    for name in names:
        target = out / _inside(PurePosixPath(name).name if one else name.removeprefix(key), name)
        target.parent.mkdir(parents=True, exist_ok=True)
        download(name, target)


def _check_pin(where: str, key: str, pin: str, out: Path) -> None:
    # One object is pinned by its own digest, which sha256sum prints; a folder by that of the list of its files.
    found = tree_digest(out) if key.endswith("/") or not key else _sha256(out / PurePosixPath(key).name)
    if found != pin:
        raise ExportError(f"{where}: its digest is sha256:{found}, not the sha256:{pin} that the stack file pins")


def _from_hf(repository: str, revision: str, out: Path) -> None:
    # A revision is a commit, and a commit is named by its content.
    import huggingface_hub

    huggingface_hub.snapshot_download(repository, revision=revision, local_dir=out)
    shutil.rmtree(out / ".cache", ignore_errors=True)


def _from_mlflow(where: str, pin: str, out: Path) -> None:
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise ExportError(f"mlflow://{where}: MLFLOW_TRACKING_URI is not set on the machine that builds")
    # Read when it is imported. It would report its use, and draw progress bars.
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    import mlflow.artifacts

    # As MLflow writes it: models:/churn/7, or runs:/<id>/model.
    uri = where.replace("/", ":/", 1)
    with tempfile.TemporaryDirectory() as folder:
        # A version's files come into the folder itself, a run's below it by their path in the run.
        found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
        if found.is_file():
            shutil.copy(found, out)
        else:
            shutil.copytree(found, out, dirs_exist_ok=True)
    _check_pin(f"mlflow://{where}", "", pin, out)


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
        # A client may state an address with the password that is in it.
        reason = re.sub(r"://[^/\s@]+@", "://", " ".join(str(error).split()))
        print(f"export failed: {arguments.artifact}: {type(error).__name__}: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

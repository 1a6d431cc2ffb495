"""How a build reaches the store that a finished model lies in: what the store's own client would read on this machine.

Handed to builds as a secret, like pip's settings: it holds credentials, and must neither end up in an image nor decide
whether one is built again.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

_VARIABLES = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ),
    "gs": ("GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST"),
    "hf": ("HF_TOKEN", "HF_ENDPOINT"),
    "oci": (),
    "mlflow": (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_REGISTRY_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_AWS_SIGV4",
        "MLFLOW_S3_ENDPOINT_URL",
        "DATABRICKS_HOST",
        "DATABRICKS_TOKEN",
    ),
}

_BEHIND = {"mlflow": ("s3", "gs")}
"""Stores that a server may send its client to: MLflow's, where it does not hand the files on itself."""


def kind(artifact: str | None) -> str:
    """Where a model comes from: none (trained by the build), folder (of this project) or remote."""
    if artifact is None:
        return "none"
    return "remote" if "://" in artifact else "folder"


def access(artifact: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Variables and files that the client of the artifact's store reads, as JSON; "" where there is no store.

    A file is stated by the variable that names it to the client. Credential helpers are programs of this machine and
    cannot be handed over: use credentials in the variables or files themselves.
    """
    if artifact is None or kind(artifact) != "remote":
        return ""
    scheme = artifact.partition("://")[0]
    schemes = (scheme, *_BEHIND.get(scheme, ()))
    variables = {name: environ[name] for store in schemes for name in _VARIABLES[store] if environ.get(name)}
    paths = {name: path for store in schemes for name, path in _files(store, environ).items()}
    files = {name: path.read_text("utf-8") for name, path in paths.items() if path.is_file()}
    return json.dumps({"variables": variables, "files": files})


def _files(scheme: str, environ: Mapping[str, str]) -> dict[str, Path]:
    home = Path(environ.get("HOME") or Path.home())
    if scheme == "oci":
        return {"DOCKER_CONFIG": Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"}
    if scheme == "gs":
        default = home / ".config/gcloud/application_default_credentials.json"
        return {"GOOGLE_APPLICATION_CREDENTIALS": Path(environ.get("GOOGLE_APPLICATION_CREDENTIALS") or default)}
    if scheme == "hf":
        return {"HF_TOKEN_PATH": Path(environ.get("HF_TOKEN_PATH") or home / ".cache/huggingface/token")}
    if scheme == "mlflow":
        return {}
    return {
        "AWS_SHARED_CREDENTIALS_FILE": Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws/credentials"),
        "AWS_CONFIG_FILE": Path(environ.get("AWS_CONFIG_FILE") or home / ".aws/config"),
    }

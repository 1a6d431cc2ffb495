"""A model's files as its image build makes them, without the image."""

import base64
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from components.planning import build_context, pip_settings
from tests.support.workspace import ROOT


def build_model(
    source: Path,
    framework: str,
    out: Path,
    env: Mapping[str, str],
    *,
    artifact: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    target: str = "model",
    kind: str = "local",
) -> subprocess.CompletedProcess[str]:
    """Build the model in folder `source`, inside the project or outside, with the local builder, into folder `out`.

    With `kind` tar, `out` is an archive instead.

    `artifact` is the folder of a finished model to build from. `env` is where `buildx` finds its builder. The answer's
    `stdout` is the build's log, whatever became of it.
    """
    # Two processes of tests may build models of the same name at once.
    name = f"test-{source.name}-{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    context = ROOT / build_context.stage(name, source, artifact=artifact, root=ROOT)
    ways = {
        "pip_conf": pip_settings.pip_conf(),
        "ca_bundle": pip_settings.ca_bundle(),
        "proxy": pip_settings.proxy(),
    }
    values = {**ways, **(secrets or {})}
    options: list[str] = []
    for name, value in {"FRAMEWORK": framework, **(arguments or {})}.items():
        options += ["--build-arg", f"{name}={value}"]
    with tempfile.TemporaryDirectory() as folder:
        for name, value in values.items():
            (Path(folder) / name).write_text(value)
            options += ["--secret", f"id={name},src={folder}/{name}"]
        return subprocess.run(
            ["buildx", "build", "--progress", "plain", "--target", target, *options]
            + ["--output", f"type={kind},dest={out}", str(context)],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def key_pair(curve: ec.EllipticCurve | None = None) -> tuple[str, str]:
    """A new private key (PEM, P-256 by default), and its public half in the one line that a stack file holds."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        base64.b64encode(public).decode(),
    )

"""What is attached to the image that a stack runs: its list of packages, and where it came from."""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components import programs
from components.planning import attestations
from components.planning.attestations import PROVENANCE_TYPE, SBOM_TYPE
from toolchain import engine, local
from toolchain.errors import ToolchainError
from toolchain.progress import Progress, err
from toolchain.stack import Stack

# By the names of the commands that print them.
KINDS = {"sbom": SBOM_TYPE, "provenance": PROVENANCE_TYPE}


def show(kind: str, stack: Stack, model: str) -> None:
    """Print the sbom or the provenance of the image that the stack runs as JSON, one for each platform.

    With a public key in the stack file it is printed only if that key signed it. Raises ToolchainError where there is
    none, or the registry does not hand it out.
    """
    found = attached(kind, stack, model)
    if not found:
        raise ToolchainError(
            f"{kind} of {model}",
            "its image has none",
            f"Set image.{kind}: true where it is built: pulumi config set --path model-serving:image.{kind} true",
        )
    if _public_key(stack) is None:
        err.print(f"warning: this {kind} is not signed: whoever may push to the registry could have written it")
    for document in found:
        print(json.dumps(document, indent=2))


def attached(kind: str, stack: Stack, model: str) -> list[Any]:
    """The sbom or the provenance of the image that the stack runs: one for each platform, [] where there is none.

    Raises ToolchainError for a model that is not deployed, and where the stack's key signed none of what there is.
    """
    step = f"{kind} of {model}"
    return attached_to(kind, stack, str(engine.deployed_model(stack, model, step)["image"]), step)


def attached_to(kind: str, stack: Stack, image: str, step: str) -> list[Any]:
    """As `attached`, of an image that is known already. Raises ToolchainError about ``step``."""
    public_key = _public_key(stack)
    call = _Programs(stack, step)
    try:
        if public_key is not None:
            return list(_signed(call, image, KINDS[kind], public_key))
        return list(_unsigned(call, image, KINDS[kind]))
    except programs.ProgramFailed as error:
        raise ToolchainError(
            step, programs.said(error), "Log in to its registry (docker login), or see what it says."
        ) from None


def make_sbom(image: str, stack: Stack) -> Any:
    """A list of the packages of any image in a registry (CycloneDX), made now. Raises ToolchainError."""
    step = f"list the packages of {image}"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "sbom.cdx.json"
        try:
            _Programs(stack, step).run("syft", attestations.sbom_command(image, None, target))
        except programs.ProgramFailed as error:
            raise ToolchainError(step, programs.said(error)) from None
        return json.loads(target.read_text())


class _Programs:
    """The programs of a stack: on a local one they are got when they are missing."""

    def __init__(self, stack: Stack, step: str) -> None:
        self._stack, self._step = stack, step

    def run(self, name: str, arguments: list[str], **variables: str) -> str:
        path = {**os.environ, **engine.environment(self._stack)}.get("PATH")
        if shutil.which(name, path=path) is None and self._stack.local:
            local.install_addons([name], Progress(err))
        program = shutil.which(name, path=path)
        if program is None:
            raise ToolchainError(self._step, f"{name} is not on PATH", f"To have it, {programs.INSTALL[name]}")
        return programs.run([program, *arguments], variables=variables)


def _public_key(stack: Stack) -> str | None:
    signing = stack.settings.get("imageSigning")
    return str(signing["publicKey"]) if isinstance(signing, dict) and signing.get("publicKey") else None


def _signed(call: _Programs, image: str, kind: str, public_key: str) -> Iterator[Any]:
    variables = {attestations.PUBLIC_KEY: attestations.pem(public_key)}
    for line in call.run("cosign", attestations.fetch_command(image, kind), **variables).splitlines():
        if line.strip():
            yield json.loads(base64.b64decode(json.loads(line)["payload"]))["predicate"]


def _unsigned(call: _Programs, image: str, kind: str) -> Iterator[Any]:
    repository = image.partition("@")[0]
    listed = attestations.discovered(call.run("oras", attestations.discover_command(image)))
    for reference in listed.get(kind, ()):
        manifest = json.loads(call.run("oras", ["manifest", "fetch", reference]))
        blob = f"{repository}@{manifest['layers'][0]['digest']}"
        document = json.loads(call.run("oras", ["blob", "fetch", "--output=-", blob]))
        # Provenance is a statement about the image, a list of packages is itself.
        yield document["predicate"] if "predicateType" in document else document

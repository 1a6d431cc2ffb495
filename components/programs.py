"""Programs of the user's machine that this program calls, as Helm and cosign."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.errors import UserError

# Where people get the programs that look after images, and the one that fetches charts.
INSTALL = {
    "helm": "install Helm 3: https://helm.sh/docs/intro/install/",
    "cosign": "install cosign 3: https://docs.sigstore.dev/cosign/system_config/installation/",
    "oras": "install oras: https://oras.land/docs/installation",
    "syft": "install syft: https://github.com/anchore/syft#installation",
}


class ProgramFailed(Exception):
    """A program ended with an error; the text is what it said."""


def find(program: str, where: str, purpose: str, install: str) -> str:
    """The path of a program on PATH.

    Raises:
        UserError: it is not there; `where` is the setting that needs it, `purpose` what for, `install` how to get it.
    """
    found = shutil.which(program)
    if found is None:
        raise UserError(f"{where}: {purpose} by the program {program}, which is not on PATH -> {install}")
    return found


def run(command: Sequence[str], *, variables: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """What a program writes to its standard output. It gets no input, and `variables` beside the environment.

    Raises:
        ProgramFailed: it ended with an error.
    """
    return run_binary(command, variables=variables, folder=folder).decode()


def run_binary(
    command: Sequence[str], *, variables: Mapping[str, str] | None = None, folder: Path | None = None
) -> bytes:
    """As `run`, for output that is no text."""
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=environment, cwd=folder)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ProgramFailed(said or f"it ended with {done.returncode}")
    return done.stdout


def said(error: ProgramFailed) -> str:
    """What went wrong in one line, without the warnings around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if line.lower().startswith("error")), lines[-1])
    return told.partition(": ")[2] if told.lower().startswith(("error: ", "error during command execution: ")) else told

"""Virtual environments in the cache folder, each under the hash of its pinned requirements. Standard library only."""

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from toolchain import paths

_TAIL_LINES = 15


class EnvironmentFailure(Exception):
    """An environment could not be created; the text is meant for the user as it stands."""


def ensure(requirements: Path) -> Path:
    """Python of the virtual environment with exactly ``requirements`` (a file with hashes), created when missing.

    Raises EnvironmentFailure with the end of pip's output when it cannot be created.
    """
    folder = _folder(requirements)
    if not _complete(folder):
        with _lock(folder):
            if not _complete(folder):
                _create(folder, requirements)
    return folder / "bin" / "python"


def _folder(requirements: Path) -> Path:
    key = hashlib.sha256(requirements.read_bytes() + repr(sys.version_info[:2]).encode()).hexdigest()[:12]
    return paths.cache() / "venvs" / f"{requirements.parent.name}-{key}"


def _complete(folder: Path) -> bool:
    # A virtual environment cannot be moved, so it is built in place and marked when whole. Its Python is a link to the
    # one that made it, which may have been removed since.
    return (folder / ".complete").exists() and (folder / "bin" / "python").exists()


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _create(folder: Path, requirements: Path) -> None:
    name = f"{requirements.parent.name}/{requirements.name}"
    print(f"Installing {name} into {folder} (once) ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    _step(name, [sys.executable, "-m", "venv", str(folder)])
    _step(
        name,
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        + ["--require-hashes", "--requirement", str(requirements)],
    )
    (folder / ".complete").touch()
    print(f"  done in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _step(name: str, command: list[str]) -> None:
    with tempfile.TemporaryFile("w+") as log:
        if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode == 0:
            return
        log.seek(0)
        tail = "".join(log.readlines()[-_TAIL_LINES:]).rstrip()
    raise EnvironmentFailure(
        f"cannot install {name}: `{' '.join(command)}` failed:\n{tail}\n"
        "Check that pip reaches a package index (`pip config list`) and that Python has venv"
        " (Debian: apt-get install python3-venv)."
    )

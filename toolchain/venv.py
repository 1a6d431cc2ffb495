"""Virtual environments in the cache folder, each under the hash of its pinned requirements. Standard library only."""

import contextlib
import fcntl
import hashlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from toolchain import disk, paths, shell


def ensure(requirements: Path, interpreter: Path | None = None) -> Path:
    """Python of the virtual environment with exactly ``requirements`` (a file with hashes), created when missing.

    It is made of ``interpreter``, or of the Python that runs this, and must be of the same version.
    Raises ToolchainError with the end of pip's output when it cannot be created; nothing is left of it then.
    """
    folder = _folder(requirements, interpreter)
    if not _complete(folder):
        try:
            with _lock(folder):
                if not _complete(folder):
                    _create(folder, requirements, interpreter or Path(sys.executable))
        except OSError as error:
            if not disk.is_full(error):
                raise
            raise disk.failure(f"install {_name(requirements)}", str(error)) from None
    return folder / "bin" / "python"


def _folder(requirements: Path, interpreter: Path | None) -> Path:
    made_of = repr(sys.version_info[:2]) + (str(interpreter) if interpreter else "")
    key = hashlib.sha256(requirements.read_bytes() + made_of.encode()).hexdigest()[:12]
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


def _create(folder: Path, requirements: Path, interpreter: Path) -> None:
    print(f"Installing {_name(requirements)} into {folder} (once) ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    step = f"install {_name(requirements)}"
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        shell.run(
            [interpreter, "-m", "venv", folder],
            step,
            todo="Check that Python has venv (Debian: apt-get install python3-venv).",
        )
        shell.run(
            [*pip, "--require-hashes", "--requirement", requirements],
            step,
            todo="Check that pip reaches a package index (pip config list).",
        )
        (folder / ".complete").touch()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    print(f"  done in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _name(requirements: Path) -> str:
    return f"{requirements.parent.name}/{requirements.name}"

"""Virtual environments in the cache folder, each under the hash of its pinned requirements. Standard library only.

uv installs them, in a tenth of the time that pip takes; pip installs uv.
"""

import ast
import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from toolchain import disk, paths, shell

_UV = paths.REPOSITORY / "toolchain" / "requirements" / "uv.txt"
_NO_INDEX = "Check that pip reaches a package index (pip config list)."

# uv's variables for what pip may be set up with.
_UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
}

# What counts for installing, the strongest last: sections of files, and the environment.
_PIP_SECTIONS = ("global", "install", ":env:")


def ensure(requirements: Path, interpreter: Path | None = None) -> Path:
    """Python of the virtual environment with exactly ``requirements`` (a file with hashes), created when missing.

    It is made of ``interpreter``, or of the Python that runs this, and must be of the same version.
    Raises ToolchainError with the end of the installer's output when it cannot be created; nothing is left of it then.
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


def install(folder: Path, requirements: Path, interpreter: Path | None = None) -> None:
    """Install ``requirements`` into the virtual environment ``folder``, which is made where there is none.

    Raises ToolchainError with the end of the installer's output.
    """
    step = f"install {_name(requirements)}"
    if not (folder / "bin" / "python").exists():
        shell.run(
            [interpreter or sys.executable, "-m", "venv", folder],
            step,
            todo="Check that Python has venv (Debian: apt-get install python3-venv).",
        )
    python = folder / "bin" / "python"
    # As pip has it: hashes for all, or for none. A fork may require what it has no hashes of.
    hashed = ["--require-hashes"] if "--hash=" in requirements.read_text() else []
    exactly = ["--quiet", *hashed, "--requirement", requirements]
    if requirements == _UV:
        shell.run([python, "-m", "pip", "install", "--disable-pip-version-check", *exactly], step, todo=_NO_INDEX)
        return
    # What is imported is compiled then, where Python may write.
    compiled = ["--compile-bytecode"] if os.environ.get("PYTHONDONTWRITEBYTECODE") else []
    command = [uv(), "pip", "install", f"--python={python}", *compiled, *exactly]
    shell.run(command, step, environment=uv_environment(), todo=_NO_INDEX)


def uv() -> Path:
    """The program. Raises ToolchainError where it cannot be installed."""
    return ensure(_UV).parent / "uv"


def uv_environment() -> dict[str, str]:
    """uv's variables for the package index, the certificates and the like that pip is set up with, whose files uv does
    not read, and for a cache of ours.

    They are variables, not arguments: an index may be named with a password.
    """
    told = {
        "UV_CACHE_DIR": str(paths.cache() / "uv"),
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        # As pip does it; hashes say what is taken of an index.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_SYSTEM_CERTS": "1",
        # Of one file, on a busy machine.
        "UV_COMPILE_BYTECODE_TIMEOUT": "600",
    }
    settings: dict[str, str] = {}
    listed = shell.output([ensure(_UV), "-m", "pip", "config", "list"]).splitlines()
    for section in _PIP_SECTIONS:
        for line in listed:
            where, _, value = line.partition("=")
            of, _, option = where.partition(".")
            if of == section:
                settings[option.removeprefix("default-")] = ast.literal_eval(value)
    for option, variable in _UV_VARIABLES.items():
        if value := settings.get(option):
            told[variable] = ("," if option == "find-links" else " ").join(value.split())
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        told["UV_OFFLINE"] = "1"  # folders of find-links are read all the same
    return told


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
    try:
        install(folder, requirements, interpreter)
        (folder / ".complete").touch()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    print(f"  done in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _name(requirements: Path) -> str:
    return f"{requirements.parent.name}/{requirements.name}"

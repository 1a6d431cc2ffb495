"""Tests and benchmarks, in a virtual environment of their own."""

import os
import signal
from pathlib import Path

from toolchain import paths, shell, venv
from toolchain.parts.install import bin_folder

# Folders of tests that use the local services, which are one for all.
SHARING = ("integration", "contract")

# What make hands to what it runs.
MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")


def pytest(*arguments: str) -> int:
    """Run pytest with ``arguments`` in the repository. Returns its exit code."""
    return _run("pytest", *arguments)


def quick(*arguments: str) -> int:
    """Like ``pytest``, on both cores."""
    # The type checker takes one core for most of the time that all other tests take.
    return _run("pytest", "-n", "2", "--dist", "worksteal", *arguments)


def sharing() -> int:
    """Run the tests that use the local services, which have to run. Returns the exit code."""
    folders = [f"tests/{folder}" for folder in SHARING]
    # Three files at a time, of those whose pods are few; the toolchain's commands wait for each other.
    at_once = ("-n", "3", "--dist", "loadfile", "-m", "shared")
    beside = _run("pytest", "-v", *at_once, *folders, LOCK_TIMEOUT="600")
    return _run("pytest", "-v", "-m", "not shared", *folders) or beside


def bench(name: str, json: Path | None) -> int:
    """Run one benchmark, its figures going to ``json``. Returns the exit code."""
    return _run("bench", name, *(["--json", str(json.absolute())] if json else []))


def _run(module: str, *arguments: str, **variables: str) -> int:
    python = venv.ensure(paths.REPOSITORY / "tests" / "requirements.txt")
    path = os.pathsep.join([str(python.parent), str(bin_folder()), os.environ.get("PATH", "")])
    # A test's own make is nobody's sub-make: it would say so in its output, and take over the flags of this one.
    inherited = {name: value for name, value in os.environ.items() if name not in MAKE}
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # As a shell's job in the background. Tests press Ctrl-C, and what ignores it hands that on to its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Also for who keeps byte code out of trees: tests start hundreds of Pythons, which would compile everything anew.
    inherited["PYTHONDONTWRITEBYTECODE"] = ""
    # __pycache__ and .pytest_cache are ignored by git.
    return shell.foreground(
        [python, "-m", module, *arguments],
        folder=paths.REPOSITORY,
        environment={**inherited, "PATH": path, "VIRTUAL_ENV": str(python.parent.parent), **variables},
    )

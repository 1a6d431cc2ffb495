"""The requirements files of the repository, and what they pin."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from toolchain import paths
from toolchain.errors import ToolchainError

_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")
# Of what is made here, and what Python and Git keep.
_NOT_OURS = frozenset({"__pycache__", "node_modules", "rendered"})


@dataclass(frozen=True, order=True)
class Pin:
    """One version of a package of PyPI, its name as PEP 503 normalizes it."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def requirements_files(root: Path = paths.REPOSITORY) -> list[Path]:
    """Every file of pinned requirements, in the order of their paths: `requirements.txt`, `requirements/*.txt`."""
    found = []
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in _NOT_OURS)
        here = Path(folder)
        found += [
            here / name
            for name in files
            if name.endswith("requirements.txt") or (here.name == "requirements" and name.endswith(".txt"))
        ]
    return sorted(found)


def entries(text: str) -> list[str]:
    """Each requirement of a file with its hashes, on one line."""
    lines = (line for line in text.replace("\\\n", " ").splitlines() if line.strip())
    return [line for line in lines if not line.lstrip().startswith("#")]


def read(file: Path) -> list[Pin]:
    """What one file pins, whichever platform it is for. Raises ToolchainError for a line that is no exact version."""
    found = []
    for entry in entries(file.read_text()):
        match = _ENTRY.match(entry)
        if match is None:
            raise ToolchainError(
                f"read {file.relative_to(paths.REPOSITORY) if file.is_relative_to(paths.REPOSITORY) else file}",
                f"no exact version of a package: {entry.split(' --hash')[0].strip()}",
                "Write it into the .in file beside it, and run: make update WHAT=requirements",
            )
        found.append(Pin(re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"]))
    return found


def pinned(root: Path = paths.REPOSITORY) -> dict[Pin, list[str]]:
    """Every pin of the repository with the files that have it, relative to ``root``."""
    found: dict[Pin, list[str]] = {}
    for file in requirements_files(root):
        for pin in read(file):
            found.setdefault(pin, []).append(file.relative_to(root).as_posix())
    return dict(sorted(found.items()))

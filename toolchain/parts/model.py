"""What a part of the toolchain is, and the places it can be had from."""

import hashlib
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from toolchain import paths
from toolchain.progress import Step

Executables = Mapping[str, Path]


@dataclass(frozen=True)
class Found:
    """A part that is there already. ``where`` is for people; ``executables`` are put on the PATH of what we run."""

    version: str
    where: str
    executables: Executables = field(default_factory=dict)


class Source(Protocol):
    """A place that a part can be had from, tried in the order of the part's list."""

    @property
    def label(self) -> str:
        """How the part is had, as in "build from Go module x"."""
        ...

    def available(self) -> bool:
        """Whether this place can be reached at all; one that cannot is passed over without a word."""
        ...

    def missing(self) -> list[str]:
        """Rights and programs that this place needs and the machine lacks, a line each with what to do."""
        ...

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        """Put the part into the empty ``folder``; ``tools`` holds the parts that this one needs.

        Raises ToolchainError.
        """
        ...


@dataclass(frozen=True)
class Part:
    """One thing that a local stack needs, with its pinned version."""

    name: str
    version: str
    sources: tuple[Source, ...]
    executables: tuple[str, ...] = ()
    detect: Callable[[], Found | None] = lambda: None
    key: str = ""
    """Hash of what is built beside the version, such as go.sum."""
    needs: tuple["Part", ...] = ()
    """Parts that must be there before this one is obtained."""
    plugin: str = ""
    """Name of the resource plugin that this part is. Pulumi keeps those in folders of their own."""
    provisional: bool = False
    """The last source is a makeshift: a copy of it is used only while no better source can be reached."""

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def folder(self) -> Path:
        """Where the part lies once it was had."""
        return paths.cache() / "tools" / "-".join(filter(None, [self.slug, self.version, self.key]))

    def in_cache(self) -> Found | None:
        """The copy of an earlier run."""
        if not self.folder.is_dir():
            return None
        return Found(self.version, str(self.folder), {path.name: path for path in sorted(self.folder.iterdir())})


def digest(*items: Path | str) -> str:
    """A short hash over files (their content), folders (all files below) and texts."""
    result = hashlib.sha256()
    for item in items:
        if isinstance(item, str):
            result.update(item.encode() + b"\0")
            continue
        files = sorted(path for path in item.rglob("*") if path.is_file()) if item.is_dir() else [item]
        for file in files:
            result.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return result.hexdigest()[:12]


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: "v1.34.4-rc.1" gives (1, 34, 4)."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(number) for number in match.group(1).split(".")) if match else ()


def same_major(version: str, pinned: str) -> bool:
    """Whether a version is new enough and promises the same interface: the pinned major version, not older."""
    have, want = numbers(version), numbers(pinned)
    return bool(have) and have[0] == want[0] and have >= want


def same_minor(version: str, pinned: str) -> bool:
    """Whether a version is a later patch of the pinned minor version, as the parts of one Kubernetes node must be."""
    have, want = numbers(version), numbers(pinned)
    return have[:2] == want[:2] and have >= want


def system() -> str:
    """This operating system as Go and most downloads name it."""
    return {"darwin": "darwin", "linux": "linux"}.get(sys.platform, sys.platform)


def machine() -> str:
    """This processor as Go and most downloads name it."""
    name = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(name, name)

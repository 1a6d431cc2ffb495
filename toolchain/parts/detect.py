"""Finding what is installed already."""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from toolchain import paths, shell
from toolchain import versions as pinned_versions
from toolchain.parts.model import Found, same_major

# Where systems keep programs that only root's PATH has.
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_VERSION = re.compile(r"v?(\d+\.\d+(?:\.\d+)?)")

Accept = Callable[[str, str], bool]


def search_path() -> str:
    """The user's PATH without the toolchain's own folders, and the system's folders behind it."""
    own = str(paths.cache())
    entries = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if not entry.startswith(own)]
    return os.pathsep.join([*entries, _SYSTEM_FOLDERS])


def which(name: str) -> Path | None:
    """A program of the user's, never one that the toolchain installed."""
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None


def programs(
    *names: str,
    pinned: str,
    accept: Accept = same_major,
    version: tuple[str, ...] = ("--version",),
    versions: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Callable[[], Found | None]:
    """Detect programs on PATH: all of them, each of a version that ``accept`` takes.

    ``version`` are the arguments that make a program print its version, ``versions`` those of single programs.
    """

    def detect() -> Found | None:
        have, where = "", ""
        for name in names:
            path = which(name)
            if path is None:
                return None
            match = _VERSION.search(shell.output([path, *versions.get(name, version)], timeout=5))
            if match is None or not accept(match.group(1), pinned):
                return None
            have, where = match.group(1), where or str(path)
        return Found(have, where)

    return detect


def language_host() -> Found | None:
    """The Python language host that came with an installed Pulumi CLI, when that CLI itself is used."""
    cli = programs("pulumi", version=("version",), pinned=pinned_versions.PULUMI)()
    host = which("pulumi-language-python")
    return Found(cli.version, str(host)) if cli and host else None


def plugin(name: str, version: str) -> Callable[[], Found | None]:
    """Detect a resource plugin in the user's own plugin folder: this very version, which is what the SDK asks for."""

    def detect() -> Found | None:
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        binary = f"pulumi-resource-{name}"
        path = home / "plugins" / f"resource-{name}-v{version}" / binary
        if home == paths.pulumi_home() or not os.access(path, os.X_OK):
            return None
        return Found(version, str(path), {binary: path})

    return detect

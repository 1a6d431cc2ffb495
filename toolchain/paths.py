"""The folders of the toolchain. Tools can be had again, so they are cache; state and cluster data are the user's."""

import os
import sys
from pathlib import Path

NAME = "model-serving"
REPOSITORY = Path(__file__).resolve().parent.parent
MODULES = REPOSITORY / "toolchain" / "modules"


def cache() -> Path:
    """Folder of tools and virtual environments: $XDG_CACHE_HOME, ~/.cache, or ~/Library/Caches on macOS."""
    return _base("XDG_CACHE_HOME", ".cache", "Library/Caches") / NAME


def data() -> Path:
    """Folder of state, passphrase, registry and cluster: $XDG_DATA_HOME, ~/.local/share, or macOS's counterpart."""
    return _base("XDG_DATA_HOME", ".local/share", "Library/Application Support") / NAME


def pulumi_home() -> Path:
    """PULUMI_HOME of what runs for local stacks, so that ~/.pulumi is left alone."""
    return data() / "pulumi"


def _base(variable: str, linux: str, macos: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification: a relative path is invalid and must be ignored.
    if value and Path(value).is_absolute():
        return Path(value)
    return Path.home() / (macos if sys.platform == "darwin" else linux)

"""A full disk: which one it is."""

import errno
import os
import shutil
from pathlib import Path

from toolchain import paths
from toolchain.errors import DiskFull

_SCARCE, _NOTHING = 200 * 10**6, 64 * 10**3
_SAID = ("no space left on device", "disk quota exceeded", "no usable temporary directory")


def is_full(error: OSError) -> bool:
    """Whether a system call failed for want of space."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or _SAID[-1] in str(error).lower()


def says_full(text: str) -> bool:
    """Whether a program's output tells of a full disk, or else a disk that we write to is full: not all say it."""
    return any(words in text.lower() for words in _SAID) or any(_free(folder) < _NOTHING for folder in _folders())


def failure(step: str, why: str) -> DiskFull:
    """The error for a step that a full disk ended, with the folders to make room for."""
    scarce = {folder: free for folder in _folders() if (free := _free(folder)) < _SCARCE}
    where = ", ".join(f"{folder} ({free / 1e6:.0f} MB free)" for folder, free in scarce.items())
    return DiskFull(
        step,
        f"the disk is full: {why}",
        f"Make room on the disk of {where or 'the folder named above'}, and run the command again.",
    )


def _folders() -> list[Path]:
    """Where the toolchain and what it runs write."""
    temporary = Path(os.environ.get("TMPDIR") or "/tmp")  # tempfile.gettempdir() tries to write
    go = Path(os.environ.get("GOCACHE") or paths.cache().parent / "go-build")
    return list(dict.fromkeys([paths.cache(), paths.data(), go, temporary]))


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free

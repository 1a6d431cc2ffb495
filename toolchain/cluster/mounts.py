"""Mounts: the data folder's short path, and removing whatever was mounted below it."""

import ctypes
import os
import re
import shutil
from pathlib import Path

from toolchain.cluster.command import run
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.layout import Layout

_MNT_DETACH = 2


def below(folder: Path, mountinfo: str | None = None) -> list[Path]:
    """Mount points at and below ``folder``, deepest first."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    points = [Path(unescape(line.split()[4])) for line in text.splitlines()]
    return [point for point in reversed(points) if point == folder or folder in point.parents]


def unescape(field: str) -> str:
    """A field of mountinfo as a path: the kernel writes blanks and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def set_up(layout: Layout) -> None:
    """Bind-mount the data folder at its short path, once."""
    layout.data.mkdir(parents=True, exist_ok=True)
    layout.data.chmod(0o700)
    layout.home.mkdir(parents=True, exist_ok=True)
    if layout.home in below(layout.home):
        if os.path.samestat(layout.home.stat(), layout.data.stat()):
            return
        raise ClusterError(
            f"{layout.data}: was removed and made again while its cluster ran; stop the cluster first, then start it"
        )
    run(["mount", "--bind", str(layout.data), str(layout.home)], what="data folder")
    # What is mounted below it shall not appear a second time below the data folder itself.
    run(["mount", "--make-rprivate", str(layout.home)], what="data folder")


def unmount(folder: Path) -> None:
    """Unmount everything at and below ``folder``."""
    libc = ctypes.CDLL(None, use_errno=True)
    for point in below(folder):
        # Detached: whatever a dying process still holds open goes with it.
        if libc.umount2(os.fsencode(point), _MNT_DETACH) != 0 and point in below(point):
            raise ClusterError(f"{point}: cannot unmount: {os.strerror(ctypes.get_errno())}")


def remove(folder: Path) -> None:
    """Delete a folder, never through a mount.

    Raises ClusterError, and deletes nothing, when something is mounted below it.
    """
    if mounted := below(folder):
        raise ClusterError(f"{folder}: not deleted, {mounted[0]} is still mounted")
    if folder.exists():
        shutil.rmtree(folder)

"""What a local stack needs on this machine."""

import sys
from collections.abc import Sequence

from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.parts import install as installing
from toolchain.parts.build import is_root
from toolchain.parts.model import Part
from toolchain.progress import Progress


def parts() -> Sequence[Part]:
    """The parts of a local stack on this machine."""
    return [*catalog.engine_parts(), *catalog.node_parts()]


def install(progress: Progress) -> None:
    """Get every missing part. Raises ToolchainError, before anything starts, when the machine lacks a right."""
    check_rights()
    installing.install(parts(), progress)


def check_rights() -> None:
    """Raises ToolchainError when this machine cannot run a local cluster, with everything that stands against it."""
    lacking = []
    if sys.platform != "linux":
        lacking.append("a local cluster without Docker needs Linux: start Docker Desktop")
    elif not is_root():
        lacking.append("a local cluster needs root: run as root (sudo), or start a Docker Engine")
    if lacking:
        why = "this machine lacks:\n" + "\n".join(f"  - {line}" for line in lacking)
        raise ToolchainError("run a local stack", why, "Nothing was started.")

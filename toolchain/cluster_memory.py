"""Which cluster a local stack was deployed to: a cluster that was wiped has nothing of what the state tells."""

import hashlib
from pathlib import Path

from toolchain import engine, paths
from toolchain.kube import Kube
from toolchain.stack import Stack


def changed(stack: Stack) -> bool:
    """Whether the cluster that runs now is another one than at the last update. Only local clusters are wiped."""
    file = _file(stack)
    return stack.local and file.exists() and file.read_text() != _identity(stack)


def remember(stack: Stack) -> None:
    """After an update: this is the stack's cluster."""
    if stack.local:
        _file(stack).parent.mkdir(parents=True, exist_ok=True)
        _file(stack).write_text(_identity(stack))


def forget(stack: Stack) -> None:
    """After everything was deleted: the stack may go to any cluster."""
    _file(stack).unlink(missing_ok=True)


def _identity(stack: Stack) -> str:
    # The namespace lives as long as the cluster.
    return Kube(stack).get("/api/v1/namespaces/kube-system")["metadata"]["uid"]


def _file(stack: Stack) -> Path:
    key = hashlib.sha256(f"{engine.backend(stack)}\0{stack.project}\0{stack.name}".encode()).hexdigest()[:16]
    return paths.data() / "clusters" / key

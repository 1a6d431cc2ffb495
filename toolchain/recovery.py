"""Getting a stack out of an update that was cut off: its lock, and the objects that may or may not be there.

An engine that is killed leaves its lock, and in the state a pending operation for each object whose creation it had
asked for. Forgetting a pending object that does exist would leave an orphan and fail the next update with "already
exists"; so those that exist are imported, and only the others forgotten.
"""

import json
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolchain import engine, local, lock
from toolchain.errors import ToolchainError
from toolchain.kube import Kube
from toolchain.progress import Progress, out
from toolchain.stack import Stack

_KUBERNETES = "kubernetes:"


def recover(stack: Stack, progress: Progress) -> int:
    """Clear the lock of a dead update and settle what it left pending. Returns the exit code.

    Raises ToolchainError while the update that holds the lock still runs on this machine.
    """
    with lock.of_stack(stack):
        return _recover(stack, progress)


def _recover(stack: Stack, progress: Progress) -> int:
    if not engine.exists(stack):
        raise ToolchainError(f"recover stack {stack.name}", "its backend has no such stack", "Run: make up")
    if pid := _running_update(stack):
        raise ToolchainError(
            f"recover stack {stack.name}",
            f"an update of it still runs, process {pid}",
            "Wait for its end, or stop it with Ctrl-C or SIGINT.",
        )
    if stack.local and local.kubeconfig() is None:
        raise ToolchainError(
            f"recover stack {stack.name}",
            "the local cluster does not run, so nobody can tell what is there",
            f"Run first: python3 -m toolchain start --stack {stack.name}",
        )
    if stack.docker:
        raise ToolchainError(
            f"recover stack {stack.name}",
            "without a cluster there is nobody who knows what was being created",
            f"Run: pulumi cancel --stack {stack.name}; then look for containers of it: docker ps",
        )
    engine.prepare(stack, progress)
    engine.capture(stack, ["cancel", stack.name, "--yes"])
    state = json.loads(engine.capture(stack, ["stack", "export", "--stack", stack.name]))
    pending = created_in_doubt(state)
    if not pending:
        out.print("no creation is in doubt", markup=False)
        return 0
    kube = Kube(stack)
    found = {urn: _id_in_cluster(kube, resource) for urn, resource in pending.items()}
    for urn, identifier in found.items():
        out.print(f"{urn}: {f'is there, as {identifier}' if identifier else 'is not there'}", markup=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.json"
        file.write_text(json.dumps(settled(state, found)))
        engine.capture(stack, ["stack", "import", "--stack", stack.name, "--file", str(file)])
    # Fills in what the cluster made of the imported objects, and settles updates that were cut off.
    return engine.operate(stack, "refresh", ["--yes", "--skip-preview"])


def settled(state: dict[str, Any], found: Mapping[str, str]) -> dict[str, Any]:
    """An exported state without doubts: a pending object becomes a resource where ``found`` has an id for its URN.

    `pulumi refresh --import-pending-creates` is meant for this, but the engine (3.259) only renames the operation and
    the object stays unknown to it.
    """
    deployment = dict(state["deployment"])
    operations = deployment.pop("pending_operations")
    kept = [operation for operation in operations if operation["type"] != "creating"]
    created = [
        {
            **operation["resource"],
            "id": found[operation["resource"]["urn"]],
            # As the Kubernetes provider records them; the refresh that follows adds the rest.
            "outputs": {
                **operation["resource"]["inputs"],
                "__inputs": operation["resource"]["inputs"],
                "__initialApiVersion": operation["resource"]["inputs"]["apiVersion"],
            },
        }
        for operation in operations
        if operation["type"] == "creating" and found.get(operation["resource"]["urn"])
    ]
    deployment["resources"] = [*deployment["resources"], *created]
    if kept:
        deployment["pending_operations"] = kept
    return {**state, "deployment": deployment}


def created_in_doubt(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources whose creation was asked for and never answered, by URN, from an exported state."""
    pending = (state.get("deployment") or {}).get("pending_operations") or []
    return {entry["resource"]["urn"]: entry["resource"] for entry in pending if entry.get("type") == "creating"}


def _id_in_cluster(kube: Kube, resource: dict[str, Any]) -> str:
    """The id by which the Kubernetes provider knows an object that exists, else empty."""
    inputs = resource.get("inputs", {})
    name = inputs.get("metadata", {}).get("name")
    if not resource["type"].startswith(_KUBERNETES) or not name:
        return ""
    namespace = inputs["metadata"].get("namespace", "")
    if not kube.exists(inputs["apiVersion"], inputs["kind"], namespace, name):
        return ""
    return f"{namespace}/{name}" if namespace else name


def _running_update(stack: Stack) -> int | None:
    """Process of this machine that holds the stack's lock, where the backend is a folder."""
    backend = engine.backend(stack)
    if not backend.startswith("file://"):
        return None
    locks = Path(backend.removeprefix("file://")) / ".pulumi" / "locks" / "organization" / stack.project / stack.name
    for file in locks.glob("*.json"):
        lock = json.loads(file.read_text())
        if lock.get("hostname") == socket.gethostname() and _is_pulumi(int(lock["pid"])):
            return int(lock["pid"])
    return None


def _is_pulumi(pid: int) -> bool:
    """Whether the process lives and is Pulumi: a dead one's number may be another's by now."""
    try:
        return b"pulumi" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False

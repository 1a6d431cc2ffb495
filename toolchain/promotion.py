"""Which image an environment runs: the one that another proved, or the one that it ran before."""

import re
from collections.abc import Mapping
from typing import Any

from toolchain import engine, operations, stack_file
from toolchain.errors import ToolchainError
from toolchain.kube import Kube
from toolchain.progress import Progress, out
from toolchain.stack import Stack

_BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}$")
_REVISION = "deployment.kubernetes.io/revision"
_HERE = ("localhost", "127.0.0.1")


def promote(model: str, origin: Stack, target: Stack) -> int:
    """Write the image that ``origin`` runs, and that is healthy there, into the stack file of ``target``.

    Nothing is deployed. Raises ToolchainError where nothing is proved: not deployed, not by digest, not healthy.
    """
    step = f"promote {model} from {origin.name} to {target.name}"
    if origin.name == target.name:
        raise ToolchainError(step, "both are the same stack", "Give FROM=<stack> and TO=<another stack>.")
    image = _deployed(origin, model, step)["image"]
    host = str(image).partition("/")[0].partition(":")[0]
    if host in _HERE and not target.local:
        raise ToolchainError(
            step,
            f"{image} is in a registry of this machine, which the cluster of {target.name} cannot pull from",
            f"Let {origin.name} push to a registry that both reach: registry.repository.",
        )
    if why := unproved(_deployment(origin, model, step), str(image)):
        raise ToolchainError(step, f"{origin.name} does not prove it: {why}", f"See: make status STACK={origin.name}")
    before = stack_file.set_image(target, model, str(image))
    out.print(f"{target.file.name}: {before}", markup=False)
    out.print(f"{' ' * len(target.file.name)}-> image: {image}", markup=False)
    out.print(f"Nothing is deployed yet. Next: make preview STACK={target.name}", markup=False)
    return 0


def rollback(model: str, stack: Stack, progress: Progress) -> int:
    """Write the image that the model ran before into the stack file, and deploy that. Returns the exit code.

    Raises ToolchainError where the cluster remembers none.
    """
    step = f"roll back {model} of {stack.name}"
    deployment = _deployment(stack, model, step)
    namespace = deployment["metadata"]["namespace"]
    listed = Kube(stack).get(f"/apis/apps/v1/namespaces/{namespace}/replicasets")["items"]
    image = previous(deployment, listed)
    if image is None:
        raise ToolchainError(
            step,
            "the cluster remembers no other image of it (its last three ReplicaSets)",
            f"Name one: pulumi config set --path 'model-serving:models.{model}.image' <image> --stack {stack.name}",
        )
    before = stack_file.set_image(stack, model, image)
    out.print(f"{stack.file.name}: {before} -> image: {image}", markup=False)
    out.print("Commit that file too, or the next deployment takes the newer image again.", markup=False)
    return operations.up(stack, progress)


def previous(deployment: Mapping[str, Any], replica_sets: list[dict[str, Any]]) -> str | None:
    """The image of the newest revision that ran another than the Deployment names now; None if there is none."""
    own = [
        entry
        for entry in replica_sets
        if any(owner["uid"] == deployment["metadata"]["uid"] for owner in entry["metadata"].get("ownerReferences", ()))
    ]
    newest_first = sorted(own, key=_revision, reverse=True)
    current = served_image(deployment)
    return next((image for entry in newest_first if (image := served_image(entry)) != current), None)


def _revision(entry: Mapping[str, Any]) -> int:
    return int(entry["metadata"].get("annotations", {}).get(_REVISION, "0"))


def served_image(workload: Mapping[str, Any]) -> str:
    """The image of a workload's serving container, its first."""
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def _deployed(stack: Stack, model: str, step: str) -> dict[str, Any]:
    """What the stack's outputs say of a model."""
    deployed = engine.deployed_model(stack, model, step)
    if not _BY_DIGEST.match(str(deployed.get("image"))):
        raise ToolchainError(step, f"the image of stack {stack.name} has no digest: {deployed.get('image')}")
    return deployed


def _deployment(stack: Stack, model: str, step: str) -> dict[str, Any]:
    name = _deployed(stack, model, step)["deployment"]
    namespace = engine.outputs(stack)["namespace"]
    return Kube(stack).get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")


def unproved(deployment: Mapping[str, Any], image: str) -> str:
    """Why a Deployment does not prove an image: all its pods run it and are ready. Empty if it does."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    if served_image(deployment) != image:
        return f"its Deployment runs {served_image(deployment)}, not {image}, which its outputs name"
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return "its Deployment has just been changed"
    updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if wanted == 0 or status.get("replicas", 0) != wanted or updated != wanted or ready != wanted:
        return f"of {wanted} pods {updated} run it and {ready} are ready"
    return ""

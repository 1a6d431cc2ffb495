"""Which images and models a preview changes: from digest to digest, or to what a build will give."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.review.preview import Change, Preview

# What the engine writes for a value that only the update will know.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_BUILD = "docker-build:index:Image"
_CONTAINER = "docker:index/container:Container"
_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_DIGEST = re.compile(r"@sha256:([0-9a-f]{12})[0-9a-f]*$")


@dataclass(frozen=True)
class ImageChange:
    """The image of a container, of a volume with a model's files, or the model in an image. None: not on that side."""

    model: str
    where: str
    old: str | None
    new: str | None


def builds(preview: Preview) -> list[Change]:
    """The images that the update will build."""
    return [change for change in preview.changes if change.type == _BUILD and change.operation != "delete"]


def image_changes(preview: Preview) -> list[ImageChange]:
    """Every image that a Deployment, or Docker, will run and did not run before, or the other way round; and every
    finished model that an image is built of.
    """
    found = []
    for change in preview.changes:
        if change.type not in (_DEPLOYMENT, _CONTAINER, _BUILD):
            continue
        old, new = dict(_images(change.old)), dict(_images(change.new))
        if change.operation == "delete":
            new = {}
        for where in dict.fromkeys([*old, *new]):
            if old.get(where) != new.get(where):
                found.append(ImageChange(change.model or change.name, where, old.get(where), new.get(where)))
    return found


def _images(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(image := inputs.get("image"), str):
        yield str(inputs.get("name")), image
    if artifact := (inputs.get("buildArgs") or {}).get("ARTIFACT"):
        yield "finished model", str(artifact)
    pod = inputs.get("spec", {}).get("template", {}).get("spec", {})
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind) or ():
            yield str(container.get("name")), str(container.get("image"))
    for volume in pod.get("volumes") or ():
        if reference := (volume.get("image") or {}).get("reference"):
            yield f"volume {volume.get('name')}", str(reference)


def shortened(image: str | None) -> str:
    """An image for a person: the digest's first 12 digits tell it from every other."""
    if image is None:
        return "none"
    return "known after the build" if UNKNOWN in image else _DIGEST.sub(r"@sha256:\1", image)

"""What this machine knows of the build of an image that was just pushed."""

import io
import json
import platform
import shutil
import tarfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components import programs
from components.planning import build_context, provenance
from components.planning.provenance import Record, Source

_CONTRACT = "model/contract.json"
# How many of a builder's newest records are looked through for an image.
_RECORDS = 20


def source(folder: Path, artifact: Path | None = None, root: Path = Path()) -> Source | None:
    """The commit of the files that the build of the model in `folder` reads, of the project in `root`.

    None without Git, and outside of a clone.
    """
    git = shutil.which("git")
    if git is None:
        return None
    parts = [path.as_posix() for path in build_context.origins(folder, artifact).values()]
    try:
        commit = programs.run([git, "rev-parse", "HEAD"], folder=root).strip()
        # Both name files relative to the folder that they run in, which may be a part of a repository.
        changed = programs.run([git, "diff", "--name-only", "--relative", "-z", "HEAD", "--", *parts], folder=root)
        changed += programs.run([git, "ls-files", "--others", "--exclude-standard", "-z", "--", *parts], folder=root)
    except programs.ProgramFailed:
        return None
    try:
        remote = programs.run([git, "remote", "get-url", "origin"], folder=root).strip()
    except programs.ProgramFailed:
        remote = ""
    dirty = any(build_context.belongs(Path(name), folder, artifact) for name in changed.split("\0") if name)
    return Source(commit=commit, repository=provenance.repository_uri(remote), dirty=dirty)


def contract(image: str) -> Mapping[str, Any]:
    """What the exporter wrote about the model, read from the image's last layer; {} where there is no such file.

    Raises:
        ProgramFailed: the registry does not hand it out.
    """
    repository, oras = image.partition("@")[0], "oras"
    manifest = json.loads(programs.run([oras, "manifest", "fetch", image]))
    if "manifests" in manifest:
        # The model is the same for every processor.
        image = f"{repository}@{manifest['manifests'][0]['digest']}"
        manifest = json.loads(programs.run([oras, "manifest", "fetch", image]))
    layer = manifest["layers"][-1]["digest"]
    content = programs.run_binary([oras, "blob", "fetch", "--output=-", f"{repository}@{layer}"])
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        try:
            found = files.extractfile(_CONTRACT)
        except KeyError:
            return {}
        return json.load(found) if found is not None else {}


def versions() -> dict[str, str]:
    """The programs that built. Which BuildKit it was, the plugin does not tell."""
    packages = {name: version(name) for name in ("pulumi", "pulumi-docker-build")}
    return {**packages, "python": platform.python_version()}


def record(image: str) -> Record | None:
    """What the builder remembers of the build of an image; None where it cannot be asked, or has forgotten it.

    The plugin keeps the builder's own provenance off the image, but the builder has it.
    """
    buildx = next((words for words in (("buildx",), ("docker", "buildx")) if shutil.which(words[0])), None)
    if buildx is None:
        return None
    try:
        listed = programs.run([*buildx, "history", "ls", "--format=json", "--no-trunc"])
        for line in listed.splitlines()[:_RECORDS]:
            name = json.loads(line)["ref"].rpartition("/")[2]
            inspected = programs.run([*buildx, "history", "inspect", name, "--format=json"])
            if (found := provenance.record(json.loads(inspected), image)) is not None:
                return found
    except (programs.ProgramFailed, ValueError, KeyError):
        # A builder without a history, or a buildx of before there was one.
        return None
    return None

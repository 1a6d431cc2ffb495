"""Where an image came from, as a SLSA provenance predicate (https://slsa.dev/spec/v1.0/provenance).

It states what is known, and leaves out what is not: a machine without Git, or a builder that keeps no history, makes a
shorter statement, never a guess.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# The form of `externalParameters`, for whoever reads them: docs/supply-chain.md.
BUILD_TYPE = "urn:x-model-serving:image-build:v1"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The commit of the files that a build read.

    Attributes:
        commit: Git's name of it, 40 hex digits.
        repository: where others find it, without credentials; None if it is on this machine only.
        dirty: whether files of the build differ from the commit.
    """

    commit: str
    repository: str | None
    dirty: bool


@dataclass(frozen=True, kw_only=True)
class Record:
    """What BuildKit remembers of a build.

    Attributes:
        name: BuildKit's reference of it.
        started: when, and `finished`, as RFC 3339 has times, in UTC.
        materials: the digests of what it read beside its context, base images above all, by their package URLs.
    """

    name: str
    started: str
    finished: str
    materials: Mapping[str, str]


def record(inspected: Mapping[str, Any], image: str) -> Record | None:
    """BuildKit's record, as `buildx history inspect --format json` tells it; None if it is not that of the image."""
    digests = {entry.get("Digest") for entry in inspected.get("Attachments") or ()}
    if image.partition("@")[2] not in digests:
        return None
    return Record(
        name=str(inspected["Ref"]),
        started=_utc(str(inspected["StartedAt"])),
        finished=_utc(str(inspected["CompletedAt"])),
        materials={
            str(entry["URI"]): str(entry["Digests"][0])
            for entry in inspected.get("Materials") or ()
            if entry.get("Digests")
        },
    )


def _utc(time: str) -> str:
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is known of the build of an image.

    Attributes:
        project: Pulumi's project, and `stack` its stack, which ran the build.
        build_args: arguments of the Dockerfile.
        context: the hash of the files that the builder was given (see `folder_hash`).
        contract: what the exporter wrote into the image about its model, {} if it cannot be read.
        versions: of the programs that built, by name.
    """

    project: str
    stack: str
    model: str
    build_args: Mapping[str, str]
    platforms: tuple[str, ...]
    context: str
    versions: Mapping[str, str]
    source: Source | None = None
    record: Record | None = None
    contract: Mapping[str, Any] = field(default_factory=dict)


def predicate(build: Build) -> dict[str, Any]:
    """The predicate of type https://slsa.dev/provenance/v1."""
    external: dict[str, Any] = {"model": build.model, "buildArgs": dict(sorted(build.build_args.items()))}
    if build.platforms:
        external["platforms"] = list(build.platforms)
    internal: dict[str, Any] = {"stack": build.stack}
    if framework := build.contract.get("framework"):
        internal["framework"] = framework
    metadata = {}
    if build.record is not None:
        metadata = {
            "invocationId": build.record.name,
            "startedOn": build.record.started,
            "finishedOn": build.record.finished,
        }
    byproducts = [
        {"name": f"model/{name}", "digest": {"sha256": digest}}
        for name, digest in sorted(build.contract.get("files", {}).items())
    ]
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": external,
            "internalParameters": internal,
            "resolvedDependencies": list(_dependencies(build)),
        },
        "runDetails": {
            "builder": {
                "id": f"urn:x-model-serving:pulumi:{build.project}:{build.stack}",
                "version": dict(sorted(build.versions.items())),
            },
            **({"metadata": metadata} if metadata else {}),
            **({"byproducts": byproducts} if byproducts else {}),
        },
    }


def _dependencies(build: Build) -> Iterator[dict[str, Any]]:
    if build.source is not None:
        where = {"uri": build.source.repository} if build.source.repository else {}
        yield {
            "name": "source",
            **where,
            "digest": {"gitCommit": build.source.commit},
            "annotations": {"dirty": build.source.dirty},
        }
    yield {"name": "context", "digest": {"dirHash": build.context}}
    for uri, digest in build.record.materials.items() if build.record is not None else ():
        algorithm, _, value = digest.partition(":")
        yield {"uri": uri, "digest": {algorithm: value}}


def repository_uri(remote: str) -> str | None:
    """Where Git gets a repository from, as provenance names it: without credentials, and None for a local folder."""
    if "://" in remote:
        parts = urlsplit(remote)
        if parts.scheme == "file" or not parts.hostname:
            return None
        host = parts.hostname + (f":{parts.port}" if parts.port else "")
        return f"git+{parts.scheme}://{host}{parts.path}"
    match = re.fullmatch(r"(?:[^@/:]+@)?([^@/:]+):(?!/)(.+)", remote)
    return f"git+ssh://{match.group(1)}/{match.group(2)}" if match else None


def folder_hash(folder: Path) -> str:
    """The hash of a folder's files: in-toto's `dirHash`, which is Go's Hash1 in hex.

    By hand: find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()

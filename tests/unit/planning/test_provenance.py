import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from components.planning import provenance
from components.planning.provenance import Build, Record, Source

HEX = "0123456789abcdef" * 4
IMAGE = f"localhost:5001/models/digits@sha256:{HEX}"
BUILD = Build(
    project="model-serving",
    stack="dev",
    model="digits",
    build_args={"FRAMEWORK": "keras"},
    platforms=(),
    context="c" * 64,
    versions={"pulumi": "3.272.0"},
)
INSPECTED = {
    "Ref": "k3x",
    "StartedAt": "2026-11-30T17:04:05.123456789+01:00",
    "CompletedAt": "2026-11-30T16:05:06Z",
    "Materials": [
        {"URI": "pkg:docker/debian@bookworm-slim?platform=linux%2Famd64", "Digests": [f"sha256:{HEX}"]},
        {"URI": "https://example.com/unpinned"},
    ],
    "Attachments": [{"Digest": f"sha256:{HEX}", "Type": "application/vnd.oci.image.manifest.v1+json"}],
}


def test_what_is_not_known_is_not_said() -> None:
    told = provenance.predicate(BUILD)
    assert told["buildDefinition"]["externalParameters"] == {"model": "digits", "buildArgs": {"FRAMEWORK": "keras"}}
    assert told["buildDefinition"]["internalParameters"] == {"stack": "dev"}
    assert told["buildDefinition"]["resolvedDependencies"] == [{"name": "context", "digest": {"dirHash": "c" * 64}}]
    assert told["runDetails"] == {
        "builder": {"id": "urn:x-model-serving:pulumi:model-serving:dev", "version": {"pulumi": "3.272.0"}}
    }


def test_what_is_known_is_said() -> None:
    known = replace(
        BUILD,
        platforms=("linux/arm64",),
        source=Source(commit="a" * 40, repository="git+https://git.example.com/team/models", dirty=True),
        record=provenance.record(INSPECTED, IMAGE),
        contract={"framework": {"name": "keras", "versions": {"keras": "3.15.1"}}, "files": {"model.onnx": HEX}},
    )
    told = provenance.predicate(known)
    definition, details = told["buildDefinition"], told["runDetails"]
    assert definition["externalParameters"]["platforms"] == ["linux/arm64"]
    assert definition["internalParameters"]["framework"] == {"name": "keras", "versions": {"keras": "3.15.1"}}
    source, _, base = definition["resolvedDependencies"]
    assert source == {
        "name": "source",
        "uri": "git+https://git.example.com/team/models",
        "digest": {"gitCommit": "a" * 40},
        "annotations": {"dirty": True},
    }
    assert base == {"uri": "pkg:docker/debian@bookworm-slim?platform=linux%2Famd64", "digest": {"sha256": HEX}}
    assert details["metadata"] == {
        "invocationId": "k3x",
        "startedOn": "2026-11-30T16:04:05Z",
        "finishedOn": "2026-11-30T16:05:06Z",
    }
    assert details["byproducts"] == [{"name": "model/model.onnx", "digest": {"sha256": HEX}}]


def test_a_record_of_another_image_is_not_taken() -> None:
    found = provenance.record(INSPECTED, IMAGE)
    assert isinstance(found, Record)
    assert provenance.record(INSPECTED, IMAGE.replace(HEX, "f" * 64)) is None
    assert provenance.record(INSPECTED | {"Attachments": None}, IMAGE) is None


@pytest.mark.parametrize(
    ("remote", "uri"),
    [
        ("https://user:canary@git.example.com/team/models.git", "git+https://git.example.com/team/models.git"),
        ("https://canary@git.example.com:8443/models", "git+https://git.example.com:8443/models"),
        ("ssh://git@git.example.com/team/models.git", "git+ssh://git.example.com/team/models.git"),
        ("git@git.example.com:team/models.git", "git+ssh://git.example.com/team/models.git"),
        ("/srv/models.git", None),
        ("../models", None),
        ("file:///srv/models.git", None),
        ("", None),
    ],
)
def test_a_repository_is_named_without_credentials_and_not_as_a_folder(remote: str, uri: str | None) -> None:
    assert provenance.repository_uri(remote) == uri


def test_a_folders_hash_is_what_the_documented_command_prints(tmp_path: Path) -> None:
    for name, content in {"b": "2", "a/c": "1", "a.txt": "3", "Z": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    command = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert provenance.folder_hash(tmp_path) == printed.split()[0]
    assert command in (provenance.folder_hash.__doc__ or "")

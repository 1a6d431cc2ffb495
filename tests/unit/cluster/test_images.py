"""The node's image: a valid OCI layout, the same bytes for the same programs."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from toolchain.cluster import images


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, Path]:
    for name in ("pause", "coredns"):
        (tmp_path / name).write_bytes(f"the program {name}".encode() * 1000)
    return {"pause": tmp_path / "pause", "coredns": tmp_path / "coredns"}


def read(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # pyright: ignore[reportOptionalMemberAccess]


def test_the_archive_is_a_consistent_oci_layout(tmp_path: Path, programs: dict[str, Path]) -> None:
    name = images.reference(programs)
    images.write_archive(tmp_path / "image.tar", name, programs)
    files = read(tmp_path / "image.tar")

    for path, content in files.items():
        if path.startswith("blobs/"):
            assert path == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    [entry] = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == name

    def blob(descriptor: dict[str, str]) -> bytes:
        content = files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(content) == descriptor["size"]
        return content

    manifest = json.loads(blob(entry))
    config = json.loads(blob(manifest["config"]))
    [layer] = [blob(descriptor) for descriptor in manifest["layers"]]
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert {member.name: member.mode for member in tar} == {"pause": 0o755, "coredns": 0o755}


def test_same_programs_same_image(tmp_path: Path, programs: dict[str, Path]) -> None:
    name = images.reference(programs)
    images.write_archive(tmp_path / "one.tar", name, programs)
    programs["pause"].touch()
    images.write_archive(tmp_path / "two.tar", images.reference(programs), programs)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_another_program_is_another_image(programs: dict[str, Path]) -> None:
    before = images.reference(programs)
    programs["pause"].write_bytes(b"changed")

    assert images.reference(programs) != before

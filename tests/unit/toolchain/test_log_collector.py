"""What the log collector's pods find on a local node: their image, and the pods' logs in their usual place."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from toolchain.cluster.configuration import mirror_hosts
from toolchain.errors import ToolchainError
from toolchain.services import log_collector


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where kubelets put logs, on a machine of the test's own."""
    monkeypatch.setattr(log_collector, "_POD_LOGS", tmp_path / "pods")
    return tmp_path / "pods"


def test_the_link_is_made_once_and_made_again_for_another_cluster(place: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    for _ in range(2):
        log_collector._link(first)
        assert place.readlink() == first
    first.rmdir()
    log_collector._link(second)
    assert place.readlink() == second


def test_logs_of_another_kubelet_stay(place: Path, tmp_path: Path) -> None:
    place.mkdir()
    with pytest.raises(ToolchainError, match="another kubelet has its logs there"):
        log_collector._link(tmp_path / "ours")
    assert not place.is_symlink()


def test_the_image_runs_the_program_and_is_made_once(tmp_path: Path) -> None:
    program = tmp_path / "otelcol-contrib"
    program.write_bytes(b"a program")
    program.chmod(0o755)
    image = log_collector._image(program, tmp_path / "images")
    made = (image / "manifest.json").stat().st_mtime_ns
    assert log_collector._image(program, tmp_path / "images") == image
    assert (image / "manifest.json").stat().st_mtime_ns == made
    assert json.loads((image / "config.json").read_text())["config"]["Entrypoint"] == ["/otelcol-contrib"]
    with tarfile.open(image / "layer.tar.gz") as layer:
        file = layer.getmember("./otelcol-contrib")
        content = layer.extractfile(file)
        assert content is not None
        assert hashlib.sha256(content.read()).digest() == hashlib.sha256(b"a program").digest()
        assert file.mode & 0o111
    program.write_bytes(b"another program")
    assert log_collector._image(program, tmp_path / "images") != image


def test_the_registry_is_asked_before_docker_hub() -> None:
    assert mirror_hosts("localhost:5001").splitlines() == [
        'server = "https://registry-1.docker.io"',
        "",
        '[host."http://localhost:5001"]',
        'capabilities = ["pull", "resolve"]',
    ]

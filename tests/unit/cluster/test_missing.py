"""What a machine lacks is told at once, with where it comes from."""

from pathlib import Path

import pytest

from toolchain.cluster import ClusterError, binaries


@pytest.fixture
def empty_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(binaries, "_SYSTEM_PATH", "/nonexistent")
    monkeypatch.setattr(binaries, "_CNI_FOLDERS", ())


def program(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch(mode=0o755)


@pytest.mark.usefixtures("empty_machine")
def test_everything_missing_is_told_at_once(tmp_path: Path) -> None:
    told = "\n".join(binaries.missing(tmp_path))

    for name in ("kube-apiserver", "etcd", "coredns", "bridge", "pause"):
        assert name in told
    assert "runc: not on PATH (Debian package runc)" in told


@pytest.mark.usefixtures("empty_machine")
def test_what_is_in_the_tools_folder_is_not_missing(tmp_path: Path) -> None:
    for name in (*binaries._BUILT, *binaries._PACKAGED, "pause"):
        program(tmp_path, name)
    for name in binaries._CNI_PLUGINS:
        program(tmp_path / "cni", name)

    assert binaries.missing(tmp_path) == []
    assert binaries.find("etcd", tmp_path) == tmp_path / "etcd"
    assert binaries.cni_folder(tmp_path) == tmp_path / "cni"


@pytest.mark.usefixtures("empty_machine")
def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="etcd: not found"):
        binaries.find("etcd", tmp_path)


def test_the_tools_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "path", "etcd")
    program(tmp_path / "tools", "etcd")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))

    assert binaries.find("etcd", tmp_path / "tools") == tmp_path / "tools" / "etcd"
    assert binaries.find("etcd", tmp_path / "elsewhere") == tmp_path / "path" / "etcd"

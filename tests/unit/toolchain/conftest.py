"""What the toolchain's tests share: folders of their own, and parts that are made of nothing."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain import local, network


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or touches the user's folders; what is remembered within a run is forgotten."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    passphrase = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
    for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL", *passphrase, "LOCK_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    for remembered in (network.reachable, local.platform, local.docker_engine):
        remembered.cache_clear()
    return tmp_path


Program = Callable[[str, str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes a shell script of a name, first on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(name: str, body: str) -> Path:
        script = folder / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return script

    return make

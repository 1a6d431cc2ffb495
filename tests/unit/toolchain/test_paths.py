"""Where the toolchain keeps its things."""

import sys
from pathlib import Path

import pytest

from toolchain import paths


def test_xdg_variables_win(own_folders: Path) -> None:
    assert paths.cache() == own_folders / "cache" / "model-serving"
    assert paths.data() == own_folders / "data" / "model-serving"


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_an_xdg_variable_that_is_no_absolute_path_is_ignored(
    value: str, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("XDG_DATA_HOME", value)
    assert paths.cache() == own_folders / "home" / ".cache" / "model-serving"
    assert paths.data() == own_folders / "home" / ".local" / "share" / "model-serving"


def test_macos_has_its_own_places(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert paths.cache() == own_folders / "home" / "Library" / "Caches" / "model-serving"
    assert paths.data() == own_folders / "home" / "Library" / "Application Support" / "model-serving"

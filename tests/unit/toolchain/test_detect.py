"""Finding what is installed already."""

import os
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Program
from toolchain import paths
from toolchain.parts import detect
from toolchain.parts.model import Found, same_major, same_minor


@pytest.mark.parametrize(
    ("have", "pinned", "major", "minor"),
    [
        ("3.259.0", "3.259.0", True, True),
        ("v3.260.1", "3.259.0", True, False),
        ("3.258.9", "3.259.0", False, False),
        ("4.0.0", "3.259.0", False, False),
        ("1.34.9", "1.34.4", True, True),
        ("1.34.3", "1.34.4", False, False),
        ("1.100.0", "1.34.4", True, False),
        ("nonsense", "1.34.4", False, False),
    ],
)
def test_new_enough(have: str, pinned: str, major: bool, minor: bool) -> None:
    assert same_major(have, pinned) is major
    assert same_minor(have, pinned) is minor


def test_programs_on_path(program: Program) -> None:
    tool = program("some-tool", "echo 'some-tool version v1.5.2, built today'")
    assert detect.programs("some-tool", pinned="1.5.0")() == Found("1.5.2", str(tool))


def test_an_older_program_is_not_enough(program: Program) -> None:
    program("some-tool", "echo v1.4.9")
    assert detect.programs("some-tool", pinned="1.5.0")() is None


def test_all_programs_of_a_part_must_be_there(program: Program) -> None:
    program("some-tool", "echo v1.5.0")
    assert detect.programs("some-tool", "another-tool", pinned="1.5.0")() is None
    program("another-tool", "echo v1.5.0")
    assert detect.programs("some-tool", "another-tool", pinned="1.5.0")() is not None


def test_a_program_that_fails_is_not_found(program: Program) -> None:
    program("some-tool", "echo v1.5.0; exit 1")
    assert detect.programs("some-tool", pinned="1.5.0")() is None


def test_our_own_programs_are_not_taken_for_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = paths.cache() / "bin" / "x"
    folder.mkdir(parents=True)
    (folder / "some-tool").write_text("#!/bin/sh\necho v1.5.0\n")
    (folder / "some-tool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert detect.which("some-tool") is None


def plugin_file(home: Path, version: str) -> Path:
    file = home / "plugins" / f"resource-kubernetes-v{version}" / "pulumi-resource-kubernetes"
    file.parent.mkdir(parents=True)
    file.touch(mode=0o755)
    return file


def test_a_plugin_of_the_users_own_pulumi(own_folders: Path) -> None:
    file = plugin_file(own_folders / "home" / ".pulumi", "4.34.2")
    found = detect.plugin("kubernetes", "4.34.2")()
    assert found == Found("4.34.2", str(file), {"pulumi-resource-kubernetes": file})
    assert detect.plugin("kubernetes", "4.34.1")() is None


def test_a_plugin_that_we_put_there_is_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_file(paths.pulumi_home(), "4.34.2")
    monkeypatch.setenv("PULUMI_HOME", str(paths.pulumi_home()))  # as after `eval "$(toolchain env)"`
    assert detect.plugin("kubernetes", "4.34.2")() is None

"""What the tests and benchmarks are run with."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from toolchain import checks, shell, venv


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Mapping[str, str]]:
    """The environments that commands were started with; none of them runs."""
    python = tmp_path / "venv" / "bin" / "python"
    environments: list[Mapping[str, str]] = []

    def foreground(command: Any, *, environment: Mapping[str, str], folder: Path) -> int:
        environments.append(environment)
        return 0

    monkeypatch.setattr(venv, "ensure", lambda requirements: python)
    monkeypatch.setattr(shell, "foreground", foreground)
    return environments


@pytest.mark.parametrize("run", [lambda: checks.pytest("tests/unit"), lambda: checks.bench("main_job", None)])
def test_a_make_that_a_test_runs_is_no_sub_make_of_ours(
    run: Any, given: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MAKE_IT_SO", "yes")
    run()
    [environment] = given
    assert not {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"} & environment.keys()
    assert environment["MAKE_IT_SO"] == "yes"
    assert os.environ["MAKELEVEL"] == "1", "a variable of this process was taken away too"


def test_pythons_that_tests_start_keep_their_byte_code(
    given: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    checks.pytest()
    assert given[0]["PYTHONDONTWRITEBYTECODE"] == ""


def test_commands_of_two_files_of_tests_wait_for_each_other(given: list[Mapping[str, str]]) -> None:
    checks.sharing()
    beside, alone = given
    assert beside["LOCK_TIMEOUT"] == "600"
    assert "LOCK_TIMEOUT" not in alone


def test_the_tests_python_comes_first_on_the_path(given: list[Mapping[str, str]], tmp_path: Path) -> None:
    checks.pytest()
    assert given[0]["PATH"].split(os.pathsep)[0] == str(tmp_path / "venv" / "bin")


def test_tests_in_the_background_can_be_interrupted(given: list[Mapping[str, str]]) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        checks.pytest()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)

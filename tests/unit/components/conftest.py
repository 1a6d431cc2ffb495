"""A project folder to run the program in."""

from pathlib import Path

import pytest

from .recording import write_build_files


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that a build needs, in the working folder; an Output in a string is an error, not a text."""
    write_build_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "1")
    return tmp_path

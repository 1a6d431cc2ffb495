"""A project folder to run the program in."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that a build needs, in the working folder; an Output in a string is an error, not a text."""
    for name in ("model/Dockerfile", "model/exporter/__main__.py", "model/server/app.py", "model/digits/train.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "1")
    return tmp_path

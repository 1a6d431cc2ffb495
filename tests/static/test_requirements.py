"""Pinned requirements: exact versions with hashes, and no address of a package index of anybody's."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = sorted(
    path
    for pattern in ("*requirements.txt", "requirements/*.txt")
    for path in ROOT.rglob(pattern)
    if not {".venv", ".build"} & set(path.parts)
)


def entries(text: str) -> list[str]:
    """Each requirement with its hashes, on one line."""
    lines = (line for line in text.replace("\\\n", " ").splitlines() if line.strip())
    return [line for line in lines if not line.lstrip().startswith("#")]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_they_are_found() -> None:
    assert {"requirements.txt", "model/server/requirements.txt", "model/exporter/requirements/sklearn.txt"} <= set(
        map(relative, PINNED)
    )


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_every_requirement_is_exact_and_hashed(file: Path) -> None:
    for entry in entries(file.read_text()):
        assert re.match(r"[A-Za-z0-9._\[\]-]+==[^ ;]+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_no_index_is_named(file: Path) -> None:
    assert "://" not in file.read_text()
    options = ("-i", "--index", "--extra", "--find")
    assert not [line for line in file.read_text().splitlines() if line.startswith(options)]


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_what_was_asked_for_is_what_is_pinned(file: Path) -> None:
    asked = file.with_suffix(".in").read_text()
    pinned = {entry.split("==")[0].split("[")[0].lower().replace("_", "-") for entry in entries(file.read_text())}
    for line in entries(asked):
        if not line.startswith("-"):
            name = re.split(r"[=<>~!\[; ]", line, maxsplit=1)[0]
            assert name.lower().replace("_", "-") in pinned, line


def test_no_lock_file_with_addresses_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert not re.search(r"(^|/)(uv|poetry|pdm)\.lock$", tracked, re.MULTILINE)

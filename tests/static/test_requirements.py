"""Pinned requirements: exact versions with hashes, and no address of a package index of anybody's."""

import re
import subprocess
from pathlib import Path

import pytest

from toolchain.supply import pins

from . import pinning

ROOT = Path(__file__).resolve().parents[2]
PINNED = pins.requirements_files(ROOT)
# Of one server each for another accelerator or framework.
SERVERS = ("requirements.txt", "requirements/cuda.txt", "requirements/tensorflow.txt")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_they_are_found() -> None:
    assert {"requirements.txt", "model/server/requirements.txt", "model/exporter/requirements/sklearn.txt"} <= set(
        map(relative, PINNED)
    )


def test_no_other_file_lists_requirements() -> None:
    """A list of packages under any name is one of the pinned files, or what one of them is made of."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.txt", "*.in", "*requirements*"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    known = {relative(file.with_suffix(suffix)) for file in PINNED for suffix in (".txt", ".in")}
    strange = {name for name in listed if not name.endswith(".py") and name not in known}
    assert {name for name in strange if "requirements" in name.lower()} == set()
    assert {name for name in strange if pinning.looks_like_requirements((ROOT / name).read_text())} == set()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("# tools\nnumpy==1.26\nscipy>=1\n", True),
        ("uvicorn[standard]~=0.3\n", True),
        ("numpy==1.26 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n", True),
        ("Some notes.\nnumpy is fast.\n", False),
        ("", False),
    ],
)
def test_a_list_of_requirements_is_known_by_its_content(text: str, is_one: bool) -> None:
    assert pinning.looks_like_requirements(text) == is_one


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_every_requirement_is_exact_and_hashed(file: Path) -> None:
    for entry in pins.entries(file.read_text()):
        assert re.match(r"[A-Za-z0-9._\[\]-]+==[^ ;]+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_no_index_is_named(file: Path) -> None:
    assert "://" not in file.read_text()
    options = ("-i", "--index", "--extra", "--find")
    assert not [line for line in file.read_text().splitlines() if line.startswith(options)]


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_what_was_asked_for_is_what_is_pinned(file: Path) -> None:
    pinned = {entry.split("==")[0].split("[")[0].lower().replace("_", "-") for entry in pins.entries(file.read_text())}
    for line in asked(file.with_suffix(".in")):
        name = re.split(r"[=<>~!\[; ]", line, maxsplit=1)[0]
        assert name.lower().replace("_", "-") in pinned, line


def asked(file: Path) -> list[str]:
    """What an .in file asks for, itself and through those that it takes in with `-r`."""
    found: list[str] = []
    for line in pins.entries(file.read_text()):
        if line.startswith("-r "):
            found += asked(file.parent / line.removeprefix("-r "))
        elif not line.startswith("-"):
            found.append(line)
    return found


def test_the_variants_of_the_server_have_the_same_versions() -> None:
    """Of what they all ask for: a model answers alike, whatever serves it."""
    found = [{pin.name: pin.version for pin in pins.read(ROOT / "model" / "server" / file)} for file in SERVERS]
    names = {re.split(r"[=\[ ]", line, maxsplit=1)[0] for line in asked(ROOT / "model/server/requirements.in")}
    for name in names & found[1].keys() & found[2].keys():
        assert len({pinned[name] for pinned in found}) == 1, name
    assert {"numpy", "granian", "msgspec"} <= names & found[1].keys() & found[2].keys()


def test_no_lock_file_with_addresses_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert not re.search(r"(^|/)(uv|poetry|pdm)\.lock$", tracked, re.MULTILINE)

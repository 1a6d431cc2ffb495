"""`make update` in a checkout, with the package index and the Go proxy that this machine uses."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.workspace import copy_checkout
from toolchain.parts.model import numbers

pytestmark = [pytest.mark.integration, pytest.mark.shared]

OLD = "iniconfig==1.0.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.com")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone whose linter is of a version before, with two more requirements files: one is free, one is bounded."""
    path = copy_checkout(tmp_path / "checkout")
    for name, asked in {"free": "iniconfig", "bounded": "iniconfig<2"}.items():
        folder = path / "tests" / name
        folder.mkdir()
        (folder / "requirements.in").write_text(f"{asked}\n")
        (folder / "requirements.txt").write_text(OLD)
    versions, module = path / "toolchain/versions.py", path / "toolchain/modules/actionlint"
    versions.write_text(re.sub(r'ACTIONLINT = ".+"', 'ACTIONLINT = "1.7.7"', versions.read_text()))
    (module / "go.mod").write_text(re.sub(r"(actionlint) v\S+", r"\1 v1.7.7", (module / "go.mod").read_text()))
    (module / "go.sum").write_text("")
    subprocess.run(["git", "init", "--quiet"], cwd=path, check=True)
    subprocess.run(["git", "add", "--all"], cwd=path, check=True)
    subprocess.run([*GIT, "commit", "--quiet", "--message", "old"], cwd=path, check=True)
    return path


def update(checkout: Path, what: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", "update", f"WHAT={what}"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, env=os.environ, timeout=600)


def changed(checkout: Path) -> set[str]:
    command = ["git", "status", "--porcelain", "--no-renames"]
    said = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout
    return {line[3:] for line in said.splitlines()}


def test_what_is_asked_for_is_renewed_within_its_bounds(checkout: Path) -> None:
    done = update(checkout, "tests/free tests/bounded/requirements.txt toolchain/modules/actionlint")
    assert done.returncode == 0, done.stdout + done.stderr
    module = "toolchain/modules/actionlint"
    assert changed(checkout) == {
        "tests/free/requirements.txt",
        "tests/bounded/requirements.txt",
        f"{module}/go.mod",
        f"{module}/go.sum",
        "toolchain/versions.py",
    }
    free, bounded = ((checkout / f"tests/{name}/requirements.txt").read_text() for name in ("free", "bounded"))
    for text in (free, bounded):
        assert re.fullmatch(r"iniconfig==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n){2,}", text)
        assert "0" * 64 not in text
    assert numbers(free.partition("==")[2]) >= (2,)
    assert (1, 0, 0) < numbers(bounded.partition("==")[2]) < (2,)

    found = re.search(r'^ACTIONLINT = "(.+)"$', (checkout / "toolchain/versions.py").read_text(), re.MULTILINE)
    assert found
    version = found[1]
    assert (1, 7, 7) < numbers(version) < (2,)
    assert f"github.com/rhysd/actionlint v{version}" in (checkout / module / "go.mod").read_text()
    assert f"github.com/rhysd/actionlint v{version} h1:" in (checkout / module / "go.sum").read_text()
    environment = {**os.environ, "GOWORK": "off", "GOTOOLCHAIN": "local"}
    command = ["go", "list", "-mod=readonly", "-deps", "github.com/rhysd/actionlint/cmd/actionlint"]
    listed = subprocess.run(command, cwd=checkout / module, env=environment, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr

    for line in ("  github.com/rhysd/actionlint v1.7.7 -> v", "  ACTIONLINT 1.7.7 -> ", "  iniconfig 1.0.0 -> 2."):
        assert line in done.stdout
    assert "5 files changed. Next: make test" in done.stdout


def test_what_cannot_be_resolved_leaves_everything_as_it_was(checkout: Path) -> None:
    (checkout / "tests/bounded/requirements.in").write_text("iniconfig<2\niniconfig>=2\n")
    done = update(checkout, "tests/free tests/bounded")
    assert done.returncode != 0
    assert "update tests/bounded/requirements.in" in done.stderr
    assert "Nothing was changed." in done.stderr
    assert changed(checkout) == {"tests/bounded/requirements.in"}

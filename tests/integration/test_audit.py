"""`make audit` in a checkout, with pip-audit as it is, and advisories that this machine serves."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import osv
from tests.support.workspace import copy_checkout
from toolchain.supply import pins

pytestmark = [pytest.mark.integration, pytest.mark.shared]

OLD = "tests/old/requirements.txt"
EXCEPTION = '\n[[IgnoredVulns]]\nid = "CVE-2019-10906"\nignoreUntil = {}-01-01\nreason = "its sandbox is not used"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This project with one more requirements file, whose pin has an advisory."""
    path = copy_checkout(tmp_path / "checkout")
    (path / OLD).parent.mkdir()
    (path / OLD).write_text(f"jinja2==2.4.1 \\\n    --hash=sha256:{'0' * 64}\n")
    return path


def keep_few(checkout: Path) -> None:
    """Only the pins of the toolchain and the vulnerable one: a second audit need not ask about all of them."""
    for file in pins.requirements_files(checkout):
        name = file.relative_to(checkout).as_posix()
        if name != OLD and not name.startswith("toolchain/"):
            file.unlink()


def audit(checkout: Path, records: Sequence[osv.Record]) -> tuple[int, str, list[tuple[str, str]]]:
    """Exit code and output of `make audit`, and what it asked about."""
    with osv.serving(records) as (address, asked):
        command = ["make", "--no-print-directory", "audit", f"ADVISORIES={address}"]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, env=os.environ, timeout=600)
    return done.returncode, done.stdout + done.stderr, asked


def test_a_vulnerable_pin_is_found_in_its_file_and_an_exception_bears_it_for_a_while(checkout: Path) -> None:
    code, said, asked = audit(checkout, [osv.PYYAML, osv.JINJA])
    assert code != 0
    [line] = [line for line in said.splitlines() if line.startswith("jinja2 2.4.1: ")]
    for part in ("PYSEC-2019-217", "CVE-2019-10906", "fixed in 2.10.1", OLD):
        assert part in line
    assert "1 findings, 0 borne by exceptions" in said
    everything = {(pin.name, pin.version) for pin in pins.pinned(checkout)}
    assert set(asked) - everything == {("pyyaml", "5.3")}
    assert set(asked) >= everything

    keep_few(checkout)
    with (checkout / "osv-scanner.toml").open("a") as file:
        file.write(EXCEPTION.format(2999))
    code, said, _ = audit(checkout, [osv.PYYAML, osv.JINJA])
    assert code == 0, said
    assert "0 findings, 1 borne by exceptions" in said
    assert "its sandbox is not used" in said


def test_a_service_that_knows_nothing_makes_no_audit_green(checkout: Path) -> None:
    keep_few(checkout)
    code, said, asked = audit(checkout, [])
    assert asked
    assert code != 0
    assert "it has no advisory on pyyaml 5.3" in said
    assert "Nothing was audited." in said

"""`make scan` of SBOMs, with OSV-Scanner as it is, and databases of a few advisories.

test_supply_chain.py scans the image of a stack.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support import osv
from tests.support.cluster import LocalCluster, toolchain
from tests.support.workspace import copy_checkout
from toolchain import attestations, stack
from toolchain.supply import scan

pytestmark = [pytest.mark.integration, pytest.mark.shared]

DEBIAN = "arch=amd64&distro=debian-12"
# As syft lists them: openssl's library by its own name, with that of its source.
PURLS = (
    f"pkg:deb/debian/libssl3@3.0.9-1?{DEBIAN}&upstream=openssl",
    f"pkg:deb/debian/bash@5.2.15-2%2Bb2?{DEBIAN}&upstream=bash%405.2.15-2",
    "pkg:pypi/jinja2@2.4.1",
    "pkg:pypi/numpy@2.4.6",
)
UNFIXED = osv.record("TEST-1", "bash", None, ecosystem="Debian:12")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("scan") / "checkout")


@pytest.fixture
def sbom(tmp_path: Path) -> Path:
    file = tmp_path / "sbom.json"
    components = [{"type": "library", "name": purl, "purl": purl} for purl in PURLS]
    file.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}))
    return file


def run(checkout: Path, sbom: Path, database: Path) -> tuple[int, str]:
    """Exit code and output of `make scan`."""
    command = ["make", "--no-print-directory", "scan", f"SBOM={sbom}", f"DATABASE={database}"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, env=os.environ, timeout=900)
    return done.returncode, done.stdout + done.stderr


def test_what_can_be_fixed_is_found_unless_an_exception_bears_it(checkout: Path, sbom: Path, tmp_path: Path) -> None:
    database = osv.database(tmp_path / "osv", osv.PYYAML, osv.JINJA, osv.OPENSSL, UNFIXED)
    code, said = run(checkout, sbom, database)
    assert code != 0
    assert "openssl 3.0.9-1: DSA-5532-1, CVE-2023-5363, fixed in 3.0.11-1~deb12u2\n" in said
    assert "jinja2 2.4.1: PYSEC-2019-217, " in said
    assert "(no fix yet) bash 5.2.15-2: TEST-1, no version has it fixed\n" in said
    assert "4 packages: 2 findings, 1 more without a fix\n" in said
    assert "pyyaml" not in said

    exceptions = checkout / "osv-scanner.toml"
    before = exceptions.read_text()
    entry = '\n[[IgnoredVulns]]\nid = "{}"\nignoreUntil = {}-01-01\nreason = "not reached"\n'
    exceptions.write_text(before + entry.format("CVE-2023-5363", 2999) + entry.format("CVE-2019-10906", 2999))
    code, said = run(checkout, sbom, database)
    assert code == 0, said
    assert "4 packages: 0 findings, 1 more without a fix\n" in said
    exceptions.write_text(before + entry.format("CVE-2023-5363", 2020) + entry.format("CVE-2019-10906", 2999))
    code, said = run(checkout, sbom, database)
    assert code != 0
    assert "1 findings" in said
    exceptions.write_text(before)


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ((), "it finds nothing in an old package of Debian, PyPI that has advisories"),
        ((osv.PYYAML, osv.JINJA), "it finds nothing in an old package of Debian that has advisories"),
        (None, "no offline version of the OSV database is available"),
    ],
)
def test_a_database_that_knows_nothing_makes_no_scan_green(
    checkout: Path, sbom: Path, tmp_path: Path, records: tuple[osv.Record, ...] | None, why: str
) -> None:
    database = tmp_path / "none" if records is None else osv.database(tmp_path / "osv", *records)
    code, said = run(checkout, sbom, database)
    assert code != 0
    assert why in said
    assert "Nothing was scanned." in said
    assert "findings" not in said


def test_an_image_without_an_sbom_has_one_made(
    local_cluster: LocalCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toolchain("install", "osv-scanner", "syft")
    document = attestations.make_sbom(f"{local_cluster.registry}/library/debian:bookworm-slim", stack.load("dev"))
    newer = osv.record("TEST-2", "openssl", "99.0", ecosystem="Debian:12")
    assert scan.tell(document, osv.database(tmp_path / "osv", osv.PYYAML, osv.OPENSSL, newer)) == 1
    assert ": TEST-2, fixed in 99.0\n" in capsys.readouterr().out

"""What is pinned, which exceptions there are, and what an audit makes of both."""

import datetime
import socket
from pathlib import Path
from typing import Any

import pytest

from toolchain.errors import ToolchainError
from toolchain.supply import audit, exceptions, pins, scan
from toolchain.supply.audit import Finding, report, turns
from toolchain.supply.exceptions import Exemption
from toolchain.supply.pins import Pin

TODAY = datetime.date(2026, 3, 1)
JINJA = Pin("jinja2", "2.4.1")
FOUND = Finding(JINJA, ("PYSEC-2019-217", "CVE-2019-10906"), ("2.10.1",))
WHERE = {JINJA: ["a/requirements.txt", "b/requirements.txt"]}


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_every_file_counts_and_names_are_normalized(tmp_path: Path) -> None:
    write(tmp_path, "requirements.txt", "# ours\nJinja2==2.4.1 \\\n    --hash=sha256:00\n")
    write(tmp_path, "a/requirements/gpu.txt", "typing_Extensions[all]==4.1 ; python_version < '3' --hash=sha256:00\n")
    write(tmp_path, "a/dev-requirements.txt", "jinja2==2.4.1\n")
    for elsewhere in (".venv/requirements.txt", ".build/x/requirements.txt", "rendered/requirements.txt", "notes.txt"):
        write(tmp_path, elsewhere, "old==1\n")
    assert pins.pinned(tmp_path) == {
        JINJA: ["a/dev-requirements.txt", "requirements.txt"],
        Pin("typing-extensions", "4.1"): ["a/requirements/gpu.txt"],
    }


@pytest.mark.parametrize("line", ["jinja2", "jinja2>=2.4", "-e .", "jinja2 @ https://example.com/jinja2.whl"])
def test_a_line_without_a_version_is_an_error(tmp_path: Path, line: str) -> None:
    write(tmp_path, "requirements.txt", f"{line}\n")
    with pytest.raises(ToolchainError, match="no exact version of a package") as caught:
        pins.pinned(tmp_path)
    assert line in caught.value.why


def test_a_package_is_asked_about_in_each_of_its_versions() -> None:
    a, b, c = Pin("a", "1"), Pin("a", "2"), Pin("b", "1")
    assert turns([a, b, c, a]) == [[a, c], [b]]


def test_a_finding_says_what_is_affected_where_and_what_helps() -> None:
    lines, borne = report([FOUND], WHERE, {}, TODAY)
    assert borne == []
    assert lines == [
        "jinja2 2.4.1: PYSEC-2019-217 (CVE-2019-10906), fixed in 2.10.1; in a/requirements.txt, b/requirements.txt"
    ]
    [line], _ = report([Finding(JINJA, ("X-1",), ())], WHERE, {}, TODAY)
    assert "X-1, no version has it fixed" in line


@pytest.mark.parametrize("id", FOUND.ids)
def test_an_exception_bears_an_advisory_under_any_of_its_names_until_its_day(id: str) -> None:
    exempt = {id: Exemption(id, TODAY, "no template of strangers")}
    lines, borne = report([FOUND], WHERE, exempt, TODAY - datetime.timedelta(days=1))
    assert lines == []
    assert borne[0].startswith("until 2026-03-01: jinja2 2.4.1: PYSEC-2019-217")
    assert borne[0].endswith(": no template of strangers")
    lines, borne = report([FOUND], WHERE, exempt, TODAY)
    assert borne == []
    assert len(lines) == 2
    assert f"the exception for {id} ended on 2026-03-01" in lines[1]


def test_an_exception_that_is_over_is_a_finding_though_nothing_needs_it() -> None:
    lines, _ = report([], {}, {"X-1": Exemption("X-1", TODAY, "why")}, TODAY)
    assert lines == ["osv-scanner.toml: the exception for X-1 ended on 2026-03-01: take it out, or renew its reason"]


def test_exceptions_are_read(tmp_path: Path) -> None:
    write(tmp_path, "x.toml", '[[IgnoredVulns]]\nid = "CVE-1"\nignoreUntil = 2026-03-01\nreason = " why "\n')
    assert exceptions.load(tmp_path / "x.toml") == {"CVE-1": Exemption("CVE-1", TODAY, "why")}
    assert exceptions.load(tmp_path / "none.toml") == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[[IgnoredVulns]]\nid = "A"\nreason = "why"', "IgnoredVulns[0].ignoreUntil: a date is needed"),
        (
            '[[IgnoredVulns]]\nid = "A"\nignoreUntil = "2026-03-01"\nreason = "why"',
            "IgnoredVulns[0].ignoreUntil: a",
        ),
        ('[[IgnoredVulns]]\nid = "A"\nignoreUntil = 2026-03-01', "IgnoredVulns[0].reason: a text is needed"),
        ('[[IgnoredVulns]]\nid = "A"\nignoreUntil = 2026-03-01\nreason = " "', "IgnoredVulns[0].reason: a text"),
        ('[[IgnoredVulns]]\nignoreUntil = 2026-03-01\nreason = "why"', "IgnoredVulns[0].id: a text is needed"),
        (
            '[[IgnoredVulns]]\nid = "A"\nignoreuntil = 2026-03-01\nreason = "why"',
            "IgnoredVulns[0].ignoreuntil: there",
        ),
        (
            2 * '[[IgnoredVulns]]\nid = "A"\nignoreUntil = 2026-03-01\nreason = "why"\n',
            "IgnoredVulns[1].id: A is",
        ),
        ('[[PackageOverrides]]\nname = "jinja2"\nignore = true', "PackageOverrides: not allowed here"),
        ("IgnoredVulns = 1", "IgnoredVulns is no list of tables"),
        ("[[IgnoredVulns", "it is not TOML"),
    ],
)
def test_an_exception_without_a_reason_or_an_end_is_an_error(tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, "osv-scanner.toml", text)
    with pytest.raises(ToolchainError) as caught:
        exceptions.load(tmp_path / "osv-scanner.toml")
    assert fault in caught.value.why


def test_a_service_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "requirements.txt", "jinja2==2.4.1\n")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(ToolchainError, match="it cannot be reached") as caught:
        audit.audit(f"http://127.0.0.1:{port}", tmp_path)
    assert caught.value.todo.startswith("Nothing was audited.")


def test_debian_s_packages_are_those_of_their_sources_and_each_counts_once() -> None:
    debian = "arch=amd64&distro=debian-12"
    purls = [
        f"pkg:deb/debian/libssl3@3.0.9-1?{debian}&upstream=openssl",
        f"pkg:deb/debian/openssl@3.0.9-1?{debian}",
        f"pkg:deb/debian/bsdutils@1:2.38.1-5%2Bdeb12u3?{debian}&upstream=util-linux%402.38.1-5%2Bdeb12u3",
        f"pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?{debian}&upstream=gcc-12",
        f"pkg:deb/debian/login@1:4.13%2Bdfsg1-1?{debian}&upstream=shadow",
        "pkg:pypi/numpy@2.4.6",
    ]
    nested = {"components": [{"purl": purls[0], "components": [{"purl": purl} for purl in purls[1:]]}, {"name": "os"}]}
    assert list(scan.purls(nested)) == [
        *["pkg:deb/debian/openssl@3.0.9-1?distro=debian-12"] * 2,
        "pkg:deb/debian/util-linux@2.38.1-5%2Bdeb12u3?distro=debian-12",
        "pkg:deb/debian/gcc-12@12.2.0-14?distro=debian-12",
        "pkg:deb/debian/shadow@1:4.13%2Bdfsg1-1?distro=debian-12",
        "pkg:pypi/numpy@2.4.6",
    ]


def test_a_finding_of_a_scan_says_what_has_it_fixed_in_that_release() -> None:
    def affected(ecosystem: str, fixed: str) -> dict[str, Any]:
        events = [{"introduced": "0"}, {"fixed": fixed}]
        package = {"name": "openssl", "ecosystem": ecosystem}
        return {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}

    entry = {
        "package": {"name": "openssl", "version": "3.0.9-1", "ecosystem": "Debian:12"},
        "groups": [{"ids": ["DSA-1"], "aliases": ["CVE-1", "DSA-1"], "max_severity": "7.5"}],
        "vulnerabilities": [{"id": "DSA-1", "affected": [affected("Debian:11", "1.1"), affected("Debian:12", "3.1")]}],
    }
    [finding] = scan._of(entry)
    assert str(finding) == "openssl 3.0.9-1: DSA-1, CVE-1, severity 7.5, fixed in 3.1"

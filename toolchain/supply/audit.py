"""Every pinned Python package, asked about at a service that knows the published advisories: OSV, through pip-audit."""

import datetime
import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain import network, paths, venv
from toolchain.errors import ToolchainError
from toolchain.progress import out
from toolchain.supply import exceptions
from toolchain.supply.exceptions import Exemption
from toolchain.supply.pins import Pin, pinned

SERVICE = "https://api.osv.dev"
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
# Known since 2021 to run code of the file it reads (CVE-2020-14343). A service that does not say so is no service: an
# empty answer to everything would make every audit green.
KNOWN = Pin("pyyaml", "5.3")


@dataclass(frozen=True, order=True)
class Finding:
    """One advisory on one pin. ``ids`` are its names, the one of the service first; ``fixed`` the versions without."""

    pin: Pin
    ids: tuple[str, ...]
    fixed: tuple[str, ...]


def audit(service: str = SERVICE, root: Path = paths.REPOSITORY) -> int:
    """Print the advisories on what ``root`` pins, and return 1 if there are any that no exception bears.

    Raises ToolchainError where the service cannot be reached, or does not answer as one that has the advisories.
    """
    service = service.rstrip("/")
    exempt = exceptions.load(root / exceptions.FILE.name)
    where = pinned(root)
    files = len({file for listed in where.values() for file in listed})
    out.print(f"{len(where)} pinned packages of {files} files, asked about at {service}", markup=False)
    found = ask(service, where)
    today = datetime.datetime.now(datetime.UTC).date()
    lines, borne = report(found, where, exempt, today)
    for line in lines + borne:
        out.print(line, markup=False)
    out.print(f"{len(lines)} findings, {len(borne)} borne by exceptions", markup=False)
    return 1 if lines else 0


def report(
    found: Iterable[Finding], where: Mapping[Pin, list[str]], exempt: Mapping[str, Exemption], today: datetime.date
) -> tuple[list[str], list[str]]:
    """Lines about findings that count, and about those that an exception bears. An exception that is over counts."""
    lines, borne = [], []
    for finding in sorted(found):
        name, *others = finding.ids
        also = f" ({', '.join(others)})" if others else ""
        fixed = f"fixed in {', '.join(finding.fixed)}" if finding.fixed else "no version has it fixed"
        line = f"{finding.pin}: {name}{also}, {fixed}; in {', '.join(where[finding.pin])}"
        entry = next((exempt[id] for id in finding.ids if id in exempt), None)
        if entry is not None and not entry.over(today):
            borne.append(f"until {entry.until}: {line}: {entry.reason}")
        else:
            lines.append(line)
    lines += [
        f"{exceptions.FILE.name}: the exception for {entry.id} ended on {entry.until}: take it out, or renew its reason"
        for entry in exempt.values()
        if entry.over(today)
    ]
    return lines, borne


def ask(service: str, pins: Iterable[Pin]) -> list[Finding]:
    """What the service knows of the pins. Raises ToolchainError where it cannot be asked about every one of them."""
    if not network.reachable(service):
        raise _failure(service, "it cannot be reached")
    python, wanted = venv.ensure(REQUIREMENTS), set(pins)
    found: list[Finding] = []
    asked: set[Pin] = set()
    for turn in turns([KNOWN, *sorted(wanted)]):
        for entry in _pip_audit(python, service, turn):
            if "skip_reason" in entry:
                raise _failure(service, f"pip-audit passes over {entry['name']}: {entry['skip_reason']}")
            pin = Pin(entry["name"], entry["version"])
            asked.add(pin)
            found += [
                Finding(pin, (known["id"], *known["aliases"]), tuple(known["fix_versions"])) for known in entry["vulns"]
            ]
    if missing := (wanted | {KNOWN}) - asked:
        raise _failure(service, f"pip-audit says nothing of {', '.join(map(str, sorted(missing)))}")
    if not any(finding.pin == KNOWN for finding in found):
        raise _failure(service, f"it has no advisory on {KNOWN}, which has some since 2020: it lacks what is published")
    return [finding for finding in found if finding.pin in wanted]


def turns(pins: Iterable[Pin]) -> list[list[Pin]]:
    """The pins in lists that hold one version of a package each, as pip-audit wants a file; as few as there can be."""
    lists: list[dict[str, Pin]] = []
    for pin in dict.fromkeys(pins):
        free = next((names for names in lists if pin.name not in names), None)
        if free is None:
            lists.append(free := {})
        free[pin.name] = pin
    return [list(names.values()) for names in lists]


def _pip_audit(python: Path, service: str, pins: list[Pin]) -> list[dict[str, Any]]:
    """What pip-audit says of each pin."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        # Without hashes and markers: what other platforms install is asked about as well.
        file.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins))
        options = [
            "--no-deps",
            "--disable-pip",
            "--format=json",
            "--progress-spinner=off",
            "--desc=off",
            "--aliases=on",
        ]
        source = ["--vulnerability-service=osv", f"--osv-url={service}/v1/query", f"--cache-dir={folder}/cache"]
        done = subprocess.run(
            [python, "-m", "pip_audit", f"--requirement={file}", *options, *source],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    try:
        if done.returncode in (0, 1):  # 1: with findings, and with an error that leaves no JSON
            return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        pass
    said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    raise _failure(service, f"pip-audit: {said[-1]}")


def _failure(service: str, why: str) -> ToolchainError:
    return ToolchainError(
        f"ask {service} about advisories",
        why,
        "Nothing was audited. Check the network and HTTPS_PROXY, or name another service with OSV's interface: "
        "make audit ADVISORIES=https://osv.example.com",
    )

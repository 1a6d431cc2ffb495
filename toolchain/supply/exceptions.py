"""Advisories that are known and borne for a while: ``osv-scanner.toml``, in OSV-Scanner's own format.

That program reads the file too, when it scans an image. What is optional there is demanded here: a reason and a date.
"""

import datetime
import tomllib
from dataclasses import dataclass
from pathlib import Path

from toolchain import paths
from toolchain.errors import ToolchainError

FILE = paths.REPOSITORY / "osv-scanner.toml"
_KEYS = {"id", "ignoreUntil", "reason"}


@dataclass(frozen=True)
class Exemption:
    """One advisory that counts as no finding before the day ``until``."""

    id: str
    until: datetime.date
    reason: str

    def over(self, today: datetime.date) -> bool:
        """Whether it has ended: on its day it holds no longer, as OSV-Scanner has it."""
        return today >= self.until


def load(file: Path = FILE) -> dict[str, Exemption]:
    """The exceptions by the identifiers of their advisories; none where there is no file.

    Raises ToolchainError with every entry that lacks something.
    """
    if not file.exists():
        return {}
    try:
        document = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ToolchainError(f"read {file.name}", f"it is not TOML: {error}") from None
    listed = document.get("IgnoredVulns", [])
    faults = [f"{key}: not allowed here, for it would hide whole packages" for key in document if key != "IgnoredVulns"]
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ToolchainError(f"read {file.name}", "IgnoredVulns is no list of tables", "Begin each: [[IgnoredVulns]]")
    found: dict[str, Exemption] = {}
    for number, entry in enumerate(listed):
        faults += [f"IgnoredVulns[{number}]{fault}" for fault in _faults(entry, found)]
        if not faults:
            until = entry["ignoreUntil"]
            day = until.date() if isinstance(until, datetime.datetime) else until
            found[entry["id"]] = Exemption(entry["id"], day, entry["reason"].strip())
    if faults:
        raise ToolchainError(
            f"read {file.name}",
            "\n".join(faults),
            'Each exception has an id, a reason, and the day it ends:\n[[IgnoredVulns]]\nid = "CVE-2030-1234"\n'
            'ignoreUntil = 2030-06-30\nreason = "the code in question is not called: ..."',
        )
    return found


def _faults(entry: dict[str, object], before: dict[str, Exemption]) -> list[str]:
    """What is wrong with an entry, each with the path of its value below the entry."""
    faults = [f".{key}: there is no such setting; allowed: {', '.join(sorted(_KEYS))}" for key in set(entry) - _KEYS]
    for key in ("id", "reason"):
        value = entry.get(key)
        if not isinstance(value, str) or not value.strip():
            faults.append(f".{key}: a text is needed")
    if not isinstance(entry.get("ignoreUntil"), datetime.date):
        faults.append(".ignoreUntil: a date is needed, without quotes: 2030-06-30")
    if entry.get("id") in before:
        faults.append(f".id: {entry['id']} is listed twice")
    return sorted(faults)

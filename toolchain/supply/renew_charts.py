"""Charts that the program installs, at the newest release that its values may fit, with the digest of the archive."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from toolchain import network
from toolchain.errors import ToolchainError
from toolchain.parts.model import numbers
from toolchain.progress import Step

PINS = Path("components/planning")
_CHART = re.compile(r"PinnedChart\((?P<arguments>[^()]*)\)")
_ARGUMENT = re.compile(r'(\w+)="([^"]*)"')
_RELEASE = re.compile(r"v?\d+\.\d+\.\d+")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def targets(root: Path) -> list[Path]:
    """The files with pinned charts."""
    return [file for file in sorted((root / PINS).glob("*.py")) if _pinned(file.read_text())]


def renew(files: Sequence[Path], root: Path, step: Step) -> list[str]:
    """Renew the charts in ``files`` in place. Returns a line for each whose repository cannot be asked."""
    left = []
    for file in files:
        text = file.read_text()
        for chart in _pinned(text):
            step.note = chart["name"]
            try:
                listed = _listed(chart["repository"], chart["name"])
            except (yaml.YAMLError, ToolchainError) as error:
                why = error.why if isinstance(error, ToolchainError) else error
                left.append(f"chart {chart['name']} {chart['version']} is not renewed: {why}")
                continue
            text = text.replace(chart["text"], _renewed(chart, listed))
        file.write_text(text)
    return left


def changes(before: Path, after: Path) -> list[str]:
    """What differs between two files, a line for each chart."""
    old, new = (
        {chart["name"]: f"{chart['version']} ({chart.get('digest', 'no digest')[:19]})" for chart in _pinned(text)}
        for text in (before.read_text() if before.is_file() else "", after.read_text())
    )
    return [f"{name} {old.get(name, 'none')} -> {new[name]}" for name in sorted(new) if old.get(name) != new[name]]


def _pinned(text: str) -> list[dict[str, str]]:
    """The arguments of each chart in a program's text, and their `text`."""
    found = [
        dict(_ARGUMENT.findall(match["arguments"])) | {"text": match["arguments"]} for match in _CHART.finditer(text)
    ]
    return [chart for chart in found if {"name", "repository", "version"} <= chart.keys()]


def _listed(repository: str, name: str) -> list[dict[str, Any]]:
    """The releases of a chart that a repository lists."""
    index = yaml.load(network.read(f"{repository}/index.yaml"), _LOADER)
    entries = index.get("entries", {}) if isinstance(index, dict) else {}
    found = [
        entry
        for entry in entries.get(name) or ()
        if _RELEASE.fullmatch(str(entry.get("version"))) and re.fullmatch(r"[0-9a-f]{64}", str(entry.get("digest")))
    ]
    if not found:
        raise ToolchainError("update", f"{repository} lists no release of it with a digest")
    return found


def _renewed(chart: dict[str, str], listed: list[dict[str, Any]]) -> str:
    """The arguments with the newest release of the same major version, of the same minor version before 1.0."""
    now = numbers(chart["version"])
    same = 1 if now[0] else 2
    allowed = [entry for entry in listed if numbers(entry["version"])[:same] == now[:same]]
    newest = max(allowed, key=lambda entry: numbers(entry["version"]), default=None)
    if newest is None or numbers(newest["version"]) < now:
        return chart["text"]
    text = chart["text"].replace(f'version="{chart["version"]}"', f'version="{newest["version"]}"')
    digest = f'digest="sha256:{newest["digest"]}"'
    if "digest" in chart:
        return text.replace(f'digest="{chart["digest"]}"', digest)
    return re.sub(r'(version="[^"]*"),?', rf"\1, {digest}", text)

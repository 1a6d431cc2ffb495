"""Actions of the workflows, at the commit of the newest release of the same major version."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from toolchain.parts.model import numbers
from toolchain.progress import Step

WORKFLOWS = Path(".github/workflows")
_HOST = "https://github.com"
_USES = re.compile(
    r"uses: (?P<action>(?P<repository>[\w.-]+/[\w.-]+)[\w./-]*)@(?P<commit>[0-9a-f]{40}) # (?P<tag>v\d[\d.]*)"
)
_TAG = re.compile(r"^(?P<commit>[0-9a-f]{40})\trefs/tags/(?P<tag>v\d+\.\d+\.\d+)(?P<peeled>\^\{\})?$", re.MULTILINE)
_SECONDS = 60


def targets(root: Path) -> list[Path]:
    """The workflows that use an action by its commit."""
    return [file for file in sorted((root / WORKFLOWS).glob("*.yml")) if _USES.search(file.read_text())]


def renew(files: Sequence[Path], root: Path, step: Step) -> list[str]:
    """Renew the commits in ``files`` in place. Returns a line for each action whose releases cannot be asked for."""
    left: dict[str, str] = {}
    newest: dict[tuple[str, int], tuple[str, str]] = {}
    for file in files:
        text = file.read_text()
        for match in _USES.finditer(text):
            repository, major = match["repository"], numbers(match["tag"])[0]
            if repository in left:
                continue
            if (repository, major) not in newest:
                step.note = repository
                tags, why = _tags(repository)
                if why:
                    left[repository] = f"{repository} {match['tag']} is not renewed: {why}"
                    continue
                newest[repository, major] = max(
                    ((tag, commit) for tag, commit in tags.items() if numbers(tag)[0] == major),
                    key=lambda entry: numbers(entry[0]),
                    default=(match["tag"], match["commit"]),
                )
            tag, commit = newest[repository, major]
            if numbers(tag) > numbers(match["tag"]):
                text = text.replace(match[0], f"uses: {match['action']}@{commit} # {tag}")
        file.write_text(text)
    return list(left.values())


def changes(before: Path, after: Path) -> list[str]:
    """What differs between two workflows, a line for each action."""
    old, new = _used(before), _used(after)
    return [f"{name} {old.get(name, 'none')} -> {new[name]}" for name in sorted(new) if old.get(name) != new[name]]


def _used(file: Path) -> dict[str, str]:
    found = _USES.finditer(file.read_text()) if file.is_file() else ()
    return {match["action"]: f"{match['tag']} ({match['commit'][:12]})" for match in found}


def _tags(repository: str) -> tuple[dict[str, str], str]:
    """The commits of a repository's releases by their tags, or why they cannot be had."""
    command = ["git", "ls-remote", "--tags", f"{_HOST}/{repository}"]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SECONDS
        )
    except OSError:
        return {}, "git is not installed"
    except subprocess.TimeoutExpired:
        return {}, f"{_HOST} does not answer"
    if done.returncode:
        return {}, (done.stderr.strip().splitlines() or [f"git ended with {done.returncode}"])[-1]
    # An annotated tag is an object of its own; the peeled line, which comes after it, has the commit.
    return {match["tag"]: match["commit"] for match in _TAG.finditer(done.stdout)}, ""

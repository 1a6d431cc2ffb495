"""Which files of a model's image a branch changes, by Git."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from components.planning import build_context
from toolchain.stack import Stack


def changed_files(stack: Stack, base: str) -> dict[str, list[str]] | None:
    """The changed files of the image of each model that is built here, since the branch left ``base``.

    What is not committed yet counts. ``base`` may be empty: the branch that a clone starts from, or ``main``. None
    where Git cannot tell: no repository, no such branch, or a clone that is too shallow.
    """
    folder = stack.file.parent
    start = next(
        (
            found
            for name in _bases(base)
            if (found := _git(folder, "merge-base", "--end-of-options", name, "HEAD")) is not None
        ),
        None,
    )
    if not start:
        return None
    changed = _git(folder, "diff", "--name-only", "--no-renames", "--relative", "-z", start.strip())
    fresh = _git(folder, "ls-files", "--others", "--exclude-standard", "-z")
    if changed is None or fresh is None:
        return None
    names = sorted({name for name in (changed + fresh).split("\0") if name})
    return {
        model: [name for name in names if build_context.belongs(Path(name), _source(entry), _artifact(entry))]
        for model, entry in stack.models.items()
        if "source" in entry
    }


def _bases(base: str) -> tuple[str, ...]:
    return (base,) if base else ("origin/HEAD", "origin/main", "main")


def _source(model: Mapping[str, object]) -> Path:
    source = model.get("source")
    return Path(str(source.get("path", "")) if isinstance(source, dict) else "")


def _artifact(model: Mapping[str, object]) -> Path | None:
    source = model.get("source")
    artifact = source.get("artifact") if isinstance(source, dict) else None
    return Path(artifact) if isinstance(artifact, str) and "://" not in artifact else None


def _git(folder: Path, *arguments: str) -> str | None:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, errors="replace", check=False
    )
    return done.stdout if done.returncode == 0 else None

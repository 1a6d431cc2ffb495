"""What is pinned, at the newest version that is allowed: made in a copy, and taken over when all of it is whole."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain import paths
from toolchain.errors import ToolchainError
from toolchain.progress import Progress, Step, out
from toolchain.supply import renew_actions, renew_charts, renew_modules, renew_requirements, share_modules
from toolchain.supply.pins import requirements_files


@dataclass(frozen=True)
class Kind:
    """One kind of pins: the files or folders that can be asked for, what renews them, and what it changes."""

    targets: Callable[[Path], list[Path]]
    renew: Callable[[Sequence[Path], Path, Step], list[str]]
    changes: Callable[[Path, Path], list[str]]
    written: Callable[[Path], list[Path]]
    """The files that renewing may change."""


KINDS = {
    "requirements": Kind(
        renew_requirements.targets, renew_requirements.renew, renew_requirements.changes, requirements_files
    ),
    "modules": Kind(
        renew_modules.targets,
        lambda folders, root, step: [
            *renew_modules.renew(folders, root, step),
            *share_modules.share(folders, root, step),
        ],
        renew_modules.changes,
        lambda root: [
            *(folder / name for folder in renew_modules.targets(root) for name in ("go.mod", "go.sum")),
            root / renew_modules.VERSIONS,
        ],
    ),
    "charts": Kind(renew_charts.targets, renew_charts.renew, renew_charts.changes, renew_charts.targets),
    "actions": Kind(renew_actions.targets, renew_actions.renew, renew_actions.changes, renew_actions.targets),
}


def update(what: Sequence[str], root: Path = paths.REPOSITORY) -> int:
    """Renew ``what``: kinds, files or folders; all that is pinned where it is empty. Returns 0.

    Raises ToolchainError where something cannot be renewed that should be; no file is changed then.
    """
    root = root.resolve()
    with tempfile.TemporaryDirectory(prefix="update-") as folder:
        copy = Path(folder).resolve()
        _copy(root, copy)
        chosen = select(what, copy)
        left: list[str] = []
        for name, files in chosen.items():
            with Progress().step(f"update {name}") as step:
                left += KINDS[name].renew(files, copy, step)
        changed = {
            file.relative_to(copy): KINDS[name].changes(root / file.relative_to(copy), file)
            for name in chosen
            for file in KINDS[name].written(copy)
            if file.read_bytes() != (root / file.relative_to(copy)).read_bytes()
        }
        _take_over(list(changed), copy, root)
    for file, lines in changed.items():
        out.print(file.as_posix(), markup=False)
        for line in lines or ["hashes only"]:
            out.print(f"  {line}", markup=False)
    for line in left:
        out.print(line, markup=False)
    out.print(f"{len(changed)} files changed." + (" Next: make test" if changed else ""), markup=False)
    return 0


def select(asked: Sequence[str], root: Path) -> dict[str, list[Path]]:
    """What is asked for, of each kind; everything where nothing is asked for.

    Raises ToolchainError for a word that is neither a kind nor the path of something pinned, or of a folder with such.
    """
    every = {name: kind.targets(root) for name, kind in KINDS.items()}
    if not asked:
        return every
    chosen: dict[str, list[Path]] = {}
    for word in asked:
        # A .txt file is asked for as the .in file that it is made of.
        path = (root / word).resolve()
        path = path.with_suffix(".in") if path.suffix == ".txt" else path
        found = {
            name: targets if word == name else [file for file in targets if file.is_relative_to(path)]
            for name, targets in every.items()
        }
        if not any(found.values()):
            raise ToolchainError(
                "update",
                f"WHAT: nothing is pinned at {word}",
                f"It can be {', '.join(KINDS)}, or paths: WHAT='toolchain/requirements.txt toolchain/modules/helm'.",
            )
        for name, targets in found.items():
            chosen.setdefault(name, []).extend(targets)
    # In the order of the kinds, and within them in that of their targets: one may refer to another.
    return {
        name: [file for file in targets if file in chosen.get(name, ())]
        for name, targets in every.items()
        if chosen.get(name)
    }


def _copy(root: Path, copy: Path) -> None:
    """What renewing reads and writes, at the same places."""
    requirements = requirements_files(root)
    files = [*requirements, *(asked for file in requirements if (asked := file.with_suffix(".in")).is_file())]
    files += [root / renew_modules.VERSIONS, *renew_charts.targets(root), *renew_actions.targets(root)]
    for file in files:
        target = copy / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    shutil.copytree(root / renew_modules.MODULES, copy / renew_modules.MODULES, dirs_exist_ok=True)


def _take_over(files: Sequence[Path], copy: Path, root: Path) -> None:
    """Put the files of ``copy`` in the place of those of ``root``: all are there before the first is replaced."""
    ready: list[tuple[Path, Path]] = []
    try:
        for file in files:
            target = root / file
            beside = target.with_name(f".{target.name}.update")
            ready.append((beside, target))
            shutil.copyfile(copy / file, beside)
            shutil.copymode(target, beside)
        for beside, target in ready:
            beside.replace(target)
    finally:
        for beside, _ in ready:
            beside.unlink(missing_ok=True)

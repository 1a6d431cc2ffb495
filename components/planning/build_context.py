"""The build context of a model's image, staged so that it is the same on every machine.

The docker-build plugin hashes a context's file names, contents and *modes*, and compares its location. Straight from a
checkout, the hash would follow the umask, caches and editors' leftovers, and another clone would rebuild every image.
So what a build needs, and nothing else, is copied to a relative folder with fixed modes.
"""

import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from components.errors import UserError

STAGING = Path(".build")
FILE_MODE, FOLDER_MODE = 0o644, 0o755

# What every model's build shares; the model's own folder joins it as `source`.
_SHARED = {"Dockerfile": Path("model/Dockerfile"), "exporter": Path("model/exporter"), "server": Path("model/server")}


class BuildContextError(UserError):
    """The files of a build are missing, or cannot be copied."""


def stage(model: str, source: Path, *, artifact: Path | None = None, root: Path = Path()) -> Path:
    """Bring the staged context of `model` up to date with the project below `root`, and return it, relative to `root`.

    `artifact` is the folder of a finished model, where it is one of the project's.

    Files that did not change are not written, so a second preview costs one comparison. Safe beside another program
    that stages the same model: files appear whole.

    Raises:
        BuildContextError: a file or folder of the build is missing or is a link to a folder.
    """
    target = root / STAGING / model
    files = collect({name: root / path for name, path in origins(source, artifact).items()})
    folders = {Path(), *(parent for name in files for parent in name.parents)}
    _remove_others(target, files.keys(), folders)
    for folder in sorted(folders):
        (target / folder).mkdir(parents=True, exist_ok=True)
        _set_mode(target / folder, FOLDER_MODE)
    for name, origin in files.items():
        _copy(origin, target / name, partial=root / STAGING / f".{model}-{os.getpid()}")
    return STAGING / model


def origins(source: Path, artifact: Path | None = None) -> dict[str, Path]:
    """Where the parts of a context are in the project, by their names in the context."""
    return {**_SHARED, "source": source, **({"artifact": artifact} if artifact else {})}


def collect(parts: Mapping[str, Path]) -> dict[Path, Path]:
    """The files of a context: where each goes (relative) and where it comes from.

    A part is a file or a folder. Hidden files and Python's caches are left out. Links to files are followed.

    Raises:
        BuildContextError: a part is missing, or holds a link to a folder or to nothing.
    """
    files: dict[Path, Path] = {}
    for name, origin in parts.items():
        if origin.is_file():
            files[Path(name)] = origin
        elif origin.is_dir():
            files.update((Path(name) / path.relative_to(origin), path) for path in _walk(origin))
        else:
            raise BuildContextError(f"{origin} does not exist, and every image is built with it; restore it from Git")
    return dict(sorted(files.items()))


def belongs(path: Path, source: Path, artifact: Path | None = None) -> bool:
    """Whether the build of the model in `source` reads this file of the project. All are relative to the project."""
    parts = origins(source, artifact).values()
    inside = [path.relative_to(part).parts for part in parts if path.is_relative_to(part)]
    return any(not any(_left_out(name) for name in names) for names in inside)


def _left_out(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith((".pyc", ".pyo"))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if _left_out(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)
        else:
            raise BuildContextError(
                f"{entry.path} is neither a file nor a folder, and cannot be copied into an image; "
                "put the files themselves there, or move it out of the model's folder"
            )


def _remove_others(target: Path, files: Set[Path], folders: Set[Path]) -> None:
    """Remove what an earlier run staged and this build has no use for, or not as what it is."""
    if not target.is_dir():
        return
    # Longest path first: a folder goes after what is in it.
    for path in sorted(target.rglob("*"), reverse=True):
        is_folder = path.is_dir() and not path.is_symlink()
        if path.relative_to(target) in (folders if is_folder else files):
            continue
        if is_folder:
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _copy(origin: Path, target: Path, partial: Path) -> None:
    if not target.is_file() or not filecmp.cmp(origin, target, shallow=False):
        # Written outside the context and then moved into it: no build ever sees half a file.
        shutil.copyfile(origin, partial)
        partial.replace(target)
    _set_mode(target, FILE_MODE)


def _set_mode(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)

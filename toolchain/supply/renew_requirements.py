"""Requirements files, compiled anew from their .in files by uv, through the package index that pip uses here."""

import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from toolchain import shell, venv
from toolchain.errors import ToolchainError
from toolchain.progress import Step
from toolchain.supply.pins import Pin, read, requirements_files

# The oldest Python of all who install them, that of Debian 12 in the images: pins have to exist for it.
_PYTHON = "3.11"
# For every platform, unless the .in file has other options on a line that begins so.
_DEFAULT = "--universal"
_OPTIONS = re.compile(r"^# uv pip compile (?P<options>.+)$", re.MULTILINE)
_REFERENCE = re.compile(r"^(?:-r|-c|--requirement|--constraint)[ =](?P<file>\S+)", re.MULTILINE)
_HELD = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;]+)", re.MULTILINE)


def targets(root: Path) -> list[Path]:
    """The .in files of ``root``, each before those that refer to it or to what is made of it."""
    files = [file.with_suffix(".in") for file in requirements_files(root)]
    missing = [file.relative_to(root).as_posix() for file in files if not file.is_file()]
    if missing:
        raise ToolchainError("look for requirements", f"there is no {', '.join(missing)}", "Write what is asked for.")
    graph = {
        file: [
            (file.parent / match["file"]).resolve().with_suffix(".in")
            for match in _REFERENCE.finditer(file.read_text())
        ]
        for file in (file.resolve() for file in files)
    }
    try:
        return [file for file in TopologicalSorter(graph).static_order() if file in graph]
    except CycleError as error:
        raise ToolchainError(
            "look for requirements", f"files refer to each other in a circle: {error.args[1]}"
        ) from None


def renew(files: Sequence[Path], root: Path, step: Step) -> list[str]:
    """Compile the .in ``files`` in place. Returns a line for each exact pin of them that has a newer version.

    Raises ToolchainError where one cannot be resolved, or names a package index.
    """
    environment = venv.uv_environment()
    for number, file in enumerate(files):
        name = file.relative_to(root).as_posix()
        step.note = f"{name} ({number + 1} of {len(files)})"
        options = _OPTIONS.search(file.read_text())
        _compile(
            file, shlex.split(options["options"] if options else _DEFAULT), ["--generate-hashes"], environment, name
        )
        if "://" in (text := file.with_suffix(".txt").read_text()):
            line = next(line for line in text.splitlines() if "://" in line)
            raise ToolchainError(f"update {name}", f"what was resolved has an address: {line.strip()}")
    step.note = "newer versions of exact pins"
    return _held(files, root, environment)


def changes(before: Path, after: Path) -> list[str]:
    """What differs between two files of pins, a line for each package."""
    old, new = _versions(before), _versions(after)
    return [
        f"{name} {', '.join(old.get(name, [])) or 'none'} -> {', '.join(new.get(name, [])) or 'none'}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _versions(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pin in read(file) if file.is_file() else ():
        found.setdefault(pin.name, []).append(pin.version)
    return found


def _compile(file: Path, options: list[str], more: list[str], environment: dict[str, str], name: str) -> None:
    uv = [venv.uv(), "pip", "compile", file.name, f"--output-file={file.stem}.txt", "--upgrade", "--quiet"]
    python = [f"--python-version={_PYTHON}", f"--python={sys.executable}"]
    shell.run(
        [*uv, "--no-header", "--no-annotate", *python, *options, *more],
        f"update {name}",
        environment=environment,
        folder=file.parent,
        todo="Nothing was changed. Loosen what the .in file asks for, or hold a version in it.",
    )


def _held(files: Sequence[Path], root: Path, environment: dict[str, str]) -> list[str]:
    """A line for each exact version in an .in file, where the index has a newer one."""
    held: dict[Pin, list[str]] = {}
    for file in files:
        for match in _HELD.finditer(file.read_text()):
            pin = Pin(re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"])
            held.setdefault(pin, []).append(file.relative_to(root).as_posix())
    if not held:
        return []
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "held.in"
        asked.write_text("".join(f"{name}\n" for name in sorted({pin.name for pin in held})))
        # Without dependencies none of them bounds another.
        _compile(asked, ["--no-deps"], [], environment, "exact pins")
        newest = {pin.name: pin.version for pin in read(asked.with_suffix(".txt"))}
    return [
        f"{pin} is held by {', '.join(where)}; the newest is {newest[pin.name]}"
        for pin, where in sorted(held.items())
        if newest[pin.name] != pin.version
    ]

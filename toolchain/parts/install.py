"""Deciding where each part comes from, and getting what is missing."""

import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from toolchain import disk, interruption, lock, network, paths, shell
from toolchain.cluster import mounts
from toolchain.errors import DiskFull, ToolchainError
from toolchain.parts.model import Found, Part, Source
from toolchain.progress import Progress, Step

_SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Plan:
    """How one part is had: it is ``found``, or ``sources`` are tried in their order."""

    part: Part
    found: Found | None
    sources: tuple[Source, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What the machine lacks for the first source that would be tried."""
        return self.sources[0].missing() if self.sources else []


def plan(part: Part) -> Plan:
    """Find a part, installed or in the cache, or the places it can be had from now."""
    if found := part.detect():
        return Plan(part, found)
    cached = part.in_cache()
    if cached and not part.provisional:
        return Plan(part, cached)
    sources = tuple(source for source in part.sources if source.available())
    if cached and len(sources) == 1:
        return Plan(part, cached)
    return Plan(part, None, sources)


def plan_all(parts: Sequence[Part]) -> list[Plan]:
    """Plans in the order of ``parts``; looking for programs and servers goes on side by side."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(plan, parts))


def bin_folder() -> Path:
    """The one folder of programs for the PATH of what this checkout runs."""
    return paths.cache() / "bin" / hashlib.sha256(str(paths.REPOSITORY).encode()).hexdigest()[:12]


def install(parts: Sequence[Part], progress: Progress, lacking_rights: Sequence[str] = ()) -> list[Found]:
    """Get every part that is missing and link all programs into ``bin_folder()``.

    Raises ToolchainError, before anything starts, with ``lacking_rights`` and everything else that the machine lacks;
    later, for a step that failed. What was built until then is kept.
    """
    plans = _plans(parts, lacking_rights)
    if all(entry.found for entry in plans):
        _link(plans)
        return _said(plans, {}, progress)
    with lock.of_cache():
        _remove_leftovers()
        return _install(_plans(parts, lacking_rights), progress)


def _plans(parts: Sequence[Part], lacking_rights: Sequence[str]) -> list[Plan]:
    plans = plan_all(parts)
    lacking = list(dict.fromkeys([*lacking_rights, *(line for entry in plans for line in entry.missing)]))
    if lacking:
        raise ToolchainError(
            "prepare a local stack",
            "this machine lacks:\n" + "\n".join(f"  - {line}" for line in lacking),
            "Nothing was started. `python3 -m toolchain doctor` shows every part.",
        )
    return plans


def _install(plans: list[Plan], progress: Progress) -> list[Found]:
    _link(plans)
    todo = [entry for entry in plans if entry.found is None]
    if todo:
        progress.say(f"{len(todo)} of {len(plans)} parts are to be had: {', '.join(e.part.name for e in todo)}")
    return _said(plans, _obtain_all(todo, progress), progress)


def _said(plans: list[Plan], found: dict[str, Found], progress: Progress) -> list[Found]:
    """Where every part is now; a makeshift among them is told."""
    result = [entry.found or found[entry.part.name] for entry in plans]
    for entry, have in zip(plans, result, strict=True):
        if entry.part.provisional and have.where == str(entry.part.folder):
            instead = entry.part.sources[-1].label
            progress.say(f"{entry.part.name}: the official one can be neither found nor downloaded; using {instead}")
    return result


def _obtain_all(plans: list[Plan], progress: Progress) -> dict[str, Found]:
    futures: dict[str, Future[Found]] = {}
    failed = threading.Event()
    done = 0

    def work(entry: Plan) -> Found:
        nonlocal done
        for needed in entry.part.needs:
            if needed.name in futures:
                futures[needed.name].result()
        if failed.is_set():
            raise interruption.Stopped
        try:
            result = _obtain(entry, progress, f"[{done + 1}/{len(plans)}]")
        except BaseException:
            failed.set()
            raise
        done += 1
        return result

    # A part that others wait for is submitted before them, so that waiting can never fill all places.
    ordered = sorted(plans, key=lambda entry: len(entry.part.needs))
    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as pool:
        try:
            for entry in ordered:
                futures[entry.part.name] = pool.submit(work, entry)
            wait(futures.values())
        except BaseException:  # Ctrl-C: the pool waits for its threads, and they for what they run
            failed.set()
            shell.end_all()
            raise
    errors = [error for future in futures.values() if (error := future.exception())]
    real = [error for error in errors if not isinstance(error, interruption.Stopped)]
    if real:
        raise real[0]
    return {name: future.result() for name, future in futures.items()}


def _obtain(entry: Plan, progress: Progress, count: str) -> Found:
    part = entry.part
    for position, source in enumerate(entry.sources):
        last = position == len(entry.sources) - 1
        if position and (lacking := source.missing()):
            raise ToolchainError(f"install {part.name}", "; ".join(lacking))
        try:
            with progress.step(f"{count} {part.name} {part.version}: {source.label}") as step:
                return _obtain_from(part, source, step)
        except ToolchainError as error:
            if last or isinstance(error, DiskFull):
                raise
            progress.say(f"  {part.name}: {error}\n  trying the next way: {entry.sources[position + 1].label}")
    raise ToolchainError(f"install {part.name}", "there is no way to get it on this system")


def _obtain_from(part: Part, source: Source, step: Step) -> Found:
    """Fill a temporary folder and give it its final name only when it is whole."""
    temporary = None
    try:
        part.folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=part.folder.parent, prefix=f".{part.slug}-"))
        source.obtain(temporary, step, bin_folder())
        absent = [name for name in part.executables if not os.access(temporary / name, os.X_OK)]
        if absent:
            raise ToolchainError(source.label, f"it did not give {', '.join(absent)}")
        if not any(temporary.iterdir()):  # installed into the system
            found = part.detect()
            if found is None:
                raise ToolchainError(source.label, f"{part.name} is still not found afterwards")
            return found
        temporary.chmod(0o755)
        shutil.rmtree(part.folder, ignore_errors=True)
        temporary.replace(part.folder)
    except OSError as error:
        if disk.is_full(error):
            raise disk.failure(f"install {part.name}", str(error)) from None
        raise ToolchainError(f"install {part.name}", str(error)) from None
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
    found = part.in_cache()
    assert found is not None
    _link([Plan(part, found)])  # parts that need this one look for it there
    return found


def prune(parts: Sequence[Part]) -> list[Path]:
    """Delete every tool that is none of ``parts``, and downloads that were cut off. Returns what was deleted."""
    with lock.of_cache():
        _remove_leftovers()
        kept = {part.folder for part in parts}
        old = [path for path in sorted((paths.cache() / "tools").glob("*")) if path not in kept]
        old += sorted(network.kept().glob("*"))
        for path in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return old


def _remove_leftovers() -> None:
    """Drop what a killed run left half done. The cache's lock tells that nobody works on it."""
    for path in (paths.cache() / "tools").glob(".*"):
        if sys.platform == "linux":
            mounts.unmount(path)  # a debootstrap that was killed leaves /proc mounted
        shutil.rmtree(path, ignore_errors=True)


def _link(plans: Iterable[Plan]) -> None:
    for entry in plans:
        folder = bin_folder()
        if entry.part.plugin:
            # Pulumi warns at every run of a resource plugin that it finds on PATH.
            folder = paths.pulumi_home() / "plugins" / f"resource-{entry.part.plugin}-v{entry.part.version}"
        for name in entry.part.executables:
            if entry.found is None:
                continue
            if program := entry.found.executables.get(name):
                _put(program, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)  # the user's own on PATH is not to be hidden


def _put(program: Path, target: Path) -> None:
    """Make ``target`` the same file as ``program``."""
    if target.exists() and not target.is_symlink() and target.samefile(program):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name of this thread's own: parts that come at the same time may have programs of the same name.
    fresh = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    fresh.unlink(missing_ok=True)
    try:
        # Not a symbolic link: Pulumi looks for the language host beside the real file of its own program.
        fresh.hardlink_to(program)
    except OSError:
        shutil.copy2(program, fresh)  # another file system
    fresh.replace(target)
    fresh.unlink(missing_ok=True)  # where both were the same file already, which rename leaves as it is

"""Go modules of the toolchain, at the newest release of the same major version, in step with versions.py."""

import functools
import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.parts.build import GoModule
from toolchain.parts.model import numbers
from toolchain.progress import Step

VERSIONS = Path("toolchain/versions.py")
MODULES = Path("toolchain/modules")
# What is not renewed by itself, and why.
HELD = {
    "pulumi": "the SDK in requirements.in goes with it",
    "language-host": "it is the version of pulumi",
    "docker-build": "it is the version of pulumi, and of the SDK in requirements.in",
    "kubernetes": "its staging modules are replaced one by one, and its minor version is that of the clusters tested",
    "kwok": "from 0.8 on it brings no stages of its own: nodes and pods that it simulates would never be ready",
    "log-collector": "the version of the image that stacks name, and its modules move together",
}
# Of the release of Kubernetes that they are parts of.
_SAME_MINOR = frozenset({"etcd", "coredns"})
_CONSTANTS = {"language-host": "PULUMI", "docker-build": "DOCKER_BUILD_PLUGIN"}
_RELEASE = re.compile(r"v\d+\.\d+\.\d+")
# A registry may list a version that it does not serve, and a release may want a newer Go.
_TRIES = 3


def targets(root: Path) -> list[Path]:
    """The folders of the modules."""
    return sorted(file.parent for file in (root / MODULES).glob("*/go.mod"))


def constant(folder: Path) -> str:
    """The name in versions.py of the version that a module pins."""
    return _CONSTANTS.get(folder.name, folder.name.upper().replace("-", "_"))


def renew(folders: Sequence[Path], root: Path, step: Step) -> list[str]:
    """Renew the modules in ``folders`` and versions.py in place. Returns a line for each that stays behind, and why."""
    left = []
    for number, folder in enumerate(folders):
        step.note = f"{folder.name} ({number + 1} of {len(folders)})"
        module, pinned = pinned_module(folder, root)
        newer = _newer(folder, module, pinned, root)
        if not newer:
            continue
        if folder.name in HELD:
            left.append(f"{folder.name} {pinned} is held; the newest is {newer[0]}: {HELD[folder.name]}")
            continue
        failures = []
        for version in newer[:_TRIES]:
            if not (why := _take(folder, module, pinned, version, root)):
                break
            failures.append(f"{folder.name} {pinned}: {version} cannot be taken: {why}")
        left += failures
    return left


def changes(before: Path, after: Path) -> list[str]:
    """What differs between two go.mod files, or two versions.py, a line for each module or constant."""
    old, new = _requirements(before), _requirements(after)
    return [
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _requirements(file: Path) -> dict[str, str]:
    text = file.read_text() if file.is_file() else ""
    if file.name == VERSIONS.name:
        return dict(re.findall(r'^([A-Z_]+) = "(.+)"$', text, re.MULTILINE))
    direct = "\n".join(line for line in text.splitlines() if not line.endswith("// indirect"))
    return dict(re.findall(r"^(?:require )?\s*(\S+\.\S+/\S+) (v\S+)$", direct, re.MULTILINE))


def pinned_module(folder: Path, root: Path) -> tuple[str, str]:
    """The module that a folder is about and its version: of its requirements, the one that versions.py has."""
    name = constant(folder)
    found = re.search(rf'^{name} = "(.+)"$', (root / VERSIONS).read_text(), re.MULTILINE)
    version = f"v{found[1]}" if found else ""
    module = next((path for path, pin in _requirements(folder / "go.mod").items() if pin == version), None)
    if module is None:
        where = folder.relative_to(root).as_posix()
        raise ToolchainError(f"update {where}", f"its go.mod requires no module in the version {name} of {VERSIONS}")
    return module, version


def _newer(folder: Path, module: str, pinned: str, root: Path) -> list[str]:
    """Releases of a module that are newer than the pinned one, the newest first."""
    listed = run_go(root, "list", "-m", "-versions", "-json", module)
    if listed.returncode:
        raise ToolchainError(
            f"update {folder.name}",
            last_line(listed.stderr),
            "Nothing was changed. Check that Go reaches its module proxy (go env GOPROXY).",
        )
    releases = [version for version in json.loads(listed.stdout).get("Versions", ()) if _RELEASE.fullmatch(version)]
    same = 2 if folder.name in _SAME_MINOR else 1
    allowed = [version for version in releases if numbers(version)[:same] == numbers(pinned)[:same]]
    return sorted((version for version in allowed if numbers(version) > numbers(pinned)), key=numbers, reverse=True)


def _take(folder: Path, module: str, pinned: str, version: str, root: Path) -> str:
    """Require another version of the module. Returns why that cannot be, and leaves the folder as it was then."""
    mod, sums = folder / "go.mod", folder / "go.sum"

    def change() -> str:
        # From what is required directly: what the version before needed is not carried along.
        bare = re.sub(r"^.*// indirect\n", "", mod.read_text(), flags=re.MULTILINE)
        mod.write_text(bare.replace(f"{module} {pinned}", f"{module} {version}"))
        sums.write_text("")
        done = resolve(folder, version)
        taken = not done.returncode and f"{module} {version} h1:" in sums.read_text()
        return "" if taken else last_line(done.stderr)

    if why := attempt(folder, change):
        return why
    versions = root / VERSIONS
    name = constant(folder)
    line = re.compile(rf'^{name} = ".+"$', re.MULTILINE)
    versions.write_text(line.sub(f'{name} = "{version.removeprefix("v")}"', versions.read_text()))
    return ""


def attempt(folder: Path, change: Callable[[], str]) -> str:
    """Let ``change`` rewrite a module. Returns why it could not, and leaves the folder as it was then."""
    files = folder / "go.mod", folder / "go.sum"
    before = [file.read_text() for file in files]
    if why := change():
        for file, text in zip(files, before, strict=True):
            file.write_text(text)
        return why
    return ""


def resolve(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Let Go write down what the programs of this version need, on any platform, and its hashes."""
    tool = ["-tool"] if re.search(r"^tool\b", (folder / "go.mod").read_text(), re.MULTILINE) else []
    packages = [package for package in built_packages()[folder.name] if package != "."]
    return run_go(folder, "get", *tool, *(f"{package}@{version}" for package in packages))


@functools.cache
def built_packages() -> dict[str, tuple[str, ...]]:
    """What is built of each module, by the name of its folder."""
    parts = [*catalog.engine_parts(), *catalog.node_parts(), *catalog.docker_parts()]
    parts += catalog.addon_parts(catalog.addons())
    built = [source for part in parts for source in part.sources if isinstance(source, GoModule)]
    return {source.folder.name: source.packages for source in built}


def run_go(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The Go that is installed: a release that wants a newer one is not taken.
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    try:
        return subprocess.run(
            ["go", *arguments], cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except OSError:
        raise ToolchainError("update Go modules", "go is not installed", "Install it: https://go.dev/dl/") from None


def last_line(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if not line.startswith("go: downloading")]
    return lines[-1] if lines else "go says nothing more"

"""What several of the toolchain's Go modules need, in one version for all: compiled once, and mended at once."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from toolchain.progress import Step
from toolchain.supply import renew_modules
from toolchain.supply.renew_modules import run_go

# Built with the libraries of the pinned Kubernetes. Everything else takes those of whatever minor version.
_KUBERNETES = frozenset(
    {
        "coredns",
        "etcd",
        "karpenter",
        "kube-state-metrics",
        "kubernetes",
        "log-collector",
        "metrics-server",
        "prometheus-operator",
        "registry",
    }
)
# Written for the libraries of Kubernetes 1.30 and 1.33, and compiled with no other's.
_APART = frozenset({"kwok", "prometheus-adapter"})
# They change what they offer from one version to the next, and two of a family do not compile with the same.
_NOT_SHARED = frozenset(
    {
        "github.com/prometheus/prometheus",
        "github.com/sigstore/sigstore-go",
        "go.yaml.in/yaml/v4",
    }
)
# A raised module may need others of a higher version, which the rest of the family then takes too.
_ROUNDS = 5

_BLOCK = re.compile(r"^require \((.*?)^\)|^require (\S+ v\S+)", re.MULTILINE | re.DOTALL)
_REPLACED = re.compile(r"^(?:replace )?\s*(\S+)(?: v\S+)? => (\S+)(?: (v\S+))?$", re.MULTILINE)


def families(root: Path) -> list[list[Path]]:
    """The folders of modules that share versions."""
    folders = [folder for folder in renew_modules.targets(root) if folder.name not in _APART]
    return [[folder for folder in folders if (folder.name in _KUBERNETES) is kind] for kind in (True, False)]


def share(folders: Sequence[Path], root: Path, step: Step) -> list[str]:
    """Raise what the modules in ``folders`` need to the newest version that one of their family needs, in place.

    Returns a line for each that keeps its own, and why.
    """
    left: dict[Path, str] = {}
    for family in families(root):
        for _ in range(_ROUNDS):
            wanted = _newest(family, root)
            behind = {folder: _behind(folder, wanted) for folder in family if folder in folders and folder not in left}
            behind = {folder: raised for folder, raised in behind.items() if raised}
            for folder, raised in behind.items():
                step.note = f"{folder.name}: {len(raised)} shared modules"
                if why := _raise(folder, raised, root):
                    left[folder] = f"{folder.name} keeps its own versions of what others need too: {why}"
            if not behind:
                break
    return list(left.values())


def apart(root: Path) -> list[str]:
    """A line for each module that lags behind the version that others of its family need."""
    lines = []
    for family in families(root):
        wanted = _newest(family, root)
        for folder in family:
            required = _required(folder)
            for path, version in _behind(folder, wanted).items():
                lines.append(f"{folder.name}: {path} {required[path]}, others need {version}")
    return lines


def _newest(family: Sequence[Path], root: Path) -> dict[str, str]:
    """The version to share of each module that several of the family need."""
    # What is built here has the version that versions.py names, whoever else needs a part of it.
    own = _NOT_SHARED | {renew_modules.pinned_module(folder, root)[0] for folder in renew_modules.targets(root)}
    versions: defaultdict[str, list[str]] = defaultdict(list)
    decided: dict[str, str] = {}
    for folder in family:
        replaced = _replaced(folder)
        decided |= {path: version for path, version in replaced.items() if version}
        for path, version in _required(folder).items():
            versions[path].append("" if path in replaced else version)
    newest = {path: max(found, key=order) for path, found in versions.items() if len(found) > 1 and path not in own}
    return newest | {path: version for path, version in decided.items() if path in newest}


def _behind(folder: Path, wanted: dict[str, str]) -> dict[str, str]:
    replaced = _replaced(folder)
    return {
        path: wanted[path]
        for path, version in _required(folder).items()
        if path in wanted and path not in replaced and order(version) < order(wanted[path])
    }


def _raise(folder: Path, versions: dict[str, str], root: Path) -> str:
    """Require these versions. Returns why that cannot be, and leaves the folder as it was then."""

    def change() -> str:
        done = run_go(folder, "mod", "edit", *(f"-require={path}@{version}" for path, version in versions.items()))
        if not done.returncode:
            # Only the sums of what is needed now.
            (folder / "go.sum").write_text("")
            # Go raises what the raised ones need, and writes both files.
            done = renew_modules.resolve(folder, renew_modules.pinned_module(folder, root)[1])
        return renew_modules.last_line(done.stderr) if done.returncode else ""

    return renew_modules.attempt(folder, change)


def _required(folder: Path) -> dict[str, str]:
    blocks = "\n".join(block or line for block, line in _BLOCK.findall((folder / "go.mod").read_text()))
    return dict(re.findall(r"^\s*(\S+) (v\S+)", blocks, re.MULTILINE))


def _replaced(folder: Path) -> dict[str, str]:
    """The version that takes the place of every other, empty where another module does."""
    found = _REPLACED.findall((folder / "go.mod").read_text())
    return {path: version if path == other else "" for path, other, version in found}


def order(version: str) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
    """Sorts versions as Go does: what comes before a release, such as a commit, is lower than the release."""
    release, _, before = version.removeprefix("v").partition("+")[0].partition("-")
    words = [(not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in before.split(".")]
    return [int(number) for number in release.split(".") if number], not before, words

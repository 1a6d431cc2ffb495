"""Parts from package registries: Go modules built here, and Debian's packages."""

import functools
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain import paths, shell, versions
from toolchain.parts.model import digest, numbers
from toolchain.progress import Step


@functools.cache
def go_version() -> str:
    """Version of the installed Go, empty when there is none."""
    # Beside it, Go may warn of what it finds in this folder or above.
    found = re.search(r"^go(\d\S*)$", shell.output(["go", "env", "GOVERSION"]), re.MULTILINE)
    return found[1] if found else ""


@dataclass(frozen=True)
class GoModule:
    """Programs of the Go modules that ``folder`` pins, built without cgo and without paths of this machine."""

    folder: Path
    packages: tuple[str, ...]
    ldflags: str = ""
    rename: tuple[str, str] = ("", "")
    """A program's name as Go gives it, and the name it shall have."""
    extra: tuple[tuple[str, str], ...] = ()
    """Files of a dependency to lay beside the programs: (module, path in it)."""

    @property
    def key(self) -> str:
        """Changes with everything that the programs are built from."""
        return digest(self.folder, *self.packages, self.ldflags)

    @property
    def label(self) -> str:
        return f"build from Go modules ({self.folder.name})"

    def available(self) -> bool:
        return True

    def missing(self) -> list[str]:
        have = go_version()
        if not have:
            return [f"Go {versions.GO} or newer is needed to build: install it from https://go.dev/dl/"]
        if numbers(have) < numbers(versions.GO_WITH_TOOLCHAINS):
            return [f"Go {versions.GO} or newer is needed to build, and {have} is installed: see https://go.dev/dl/"]
        return []

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        compiled = 0

        def on_line(line: str) -> None:
            nonlocal compiled
            if line.startswith("go: downloading "):
                step.note = "downloading " + line.split()[2]
            elif "/" in line or "." not in line:
                compiled += 1
                step.note = f"{compiled} packages compiled"

        # -v names each package when it was compiled; packages in Go's build cache are not named.
        # No debug information is compiled, since the linker would drop it: an eighth of the processor time.
        command = ["go", "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags={self._ldflags}"]
        command += ["-gcflags=all=-dwarf=false"]
        shell.run(
            [*command, "-o", f"{folder}/", *self.packages],
            f"build {self.folder.name}",
            environment=self._environment,
            folder=self.folder,
            on_line=on_line,
            todo="What was compiled stays in Go's build cache: run the command again to go on from there.",
        )
        if self.rename[0]:
            (folder / self.rename[0]).replace(folder / self.rename[1])
        for module, path in self.extra:
            self._copy(module, path, folder)

    def _copy(self, module: str, path: str, folder: Path) -> None:
        environment = {**os.environ, **self._environment}
        listed = shell.output(
            ["go", "list", "-C", self.folder, "-mod=readonly", "-m", "-f", "{{.Dir}}", module], environment=environment
        )
        file = Path(listed.strip()) / path
        target = folder / file.name
        shutil.copyfile(file, target)
        target.chmod(0o755)  # scripts, mostly; the modes of a module cache tell nothing

    @property
    def _ldflags(self) -> str:
        return " ".join(filter(None, ["-s -w", self.ldflags]))

    @property
    def _environment(self) -> dict[str, str]:
        environment = {"CGO_ENABLED": "0", "GOWORK": "off"}
        if "GOGC" not in os.environ:
            # A compiler lives for seconds. Collecting its garbage takes a third of its time and gives nothing back.
            environment |= {"GOGC": "off", "GOMEMLIMIT": f"{_memory_of_a_compiler()}B"}
        if numbers(go_version()) < numbers(versions.GO):
            environment["GOTOOLCHAIN"] = "auto"  # this Go fetches the one that go.mod names
        return environment


def go_module(
    name: str,
    *packages: str,
    ldflags: str = "",
    rename: tuple[str, str] = ("", ""),
    extra: tuple[tuple[str, str], ...] = (),
) -> GoModule:
    """The Go module of that name below toolchain/modules."""
    return GoModule(paths.MODULES / name, packages, ldflags, rename, extra)


def _memory_of_a_compiler() -> int:
    """Bytes from which on it is to collect: two builds have a compiler a processor, and half is for everything else."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (4 * (os.cpu_count() or 1))


def is_root() -> bool:
    """Whether this process may do what only root may."""
    return os.geteuid() == 0


@dataclass(frozen=True)
class DebianPackages:
    """Programs from the distribution. They are installed into the system, but none of their services is started."""

    packages: tuple[str, ...]

    @property
    def label(self) -> str:
        return "apt-get install " + " ".join(self.packages)

    def available(self) -> bool:
        return sys.platform == "linux" and shutil.which("apt-get") is not None

    def missing(self) -> list[str]:
        if is_root():
            return []
        return [f"root is needed to install packages: run as root, or run `sudo {self.label}` once"]

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        def on_line(line: str) -> None:
            step.note = line[:80]

        environment = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "RUNLEVEL": "1"}
        install = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=60"]
        if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
            shell.run(["apt-get", "update"], "apt-get update", environment=environment, on_line=on_line)
        # Packages that a power cut left half configured stop every later installation.
        shell.run(["dpkg", "--configure", "-a"], "dpkg --configure -a", environment=environment, cut_off=False)
        shell.run(
            [*install, *self.packages],
            self.label,
            environment=environment,
            on_line=on_line,
            cut_off=False,
            todo="If the package lists are old, run `apt-get update` and try again.",
        )


@dataclass(frozen=True)
class InstallByHand:
    """The end of the list for a part that the toolchain cannot get on this machine."""

    what: str

    @property
    def label(self) -> str:
        return "by hand"

    def available(self) -> bool:
        return True

    def missing(self) -> list[str]:
        return [self.what]

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        raise NotImplementedError(self.what)

"""Programs of Debian's packages, unpacked beside the other tools: nothing is installed into the system."""

import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain import shell
from toolchain.errors import ToolchainError
from toolchain.parts.base_image import apt_sources
from toolchain.parts.model import digest, machine, numbers
from toolchain.progress import Step

RUNTIME = "runtime.tar"
"""What the programs need around them in a container: their data, the C library they were linked with, certificates."""
# Debian's own public address, for a machine whose apt names no other; what apt is set up with comes first.
_MIRROR = "http://deb.debian.org/debian"
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_CERTIFICATES = "usr/share/ca-certificates"
# Of templates and web pages: a place that Debian's programs have compiled in.
_DATA = "usr/share/prometheus"


@dataclass(frozen=True)
class DebianArchive:
    """Programs of ``package`` in a suite of Debian that need not be this machine's.

    Attributes:
        version: the version of the project that the package must have.
        programs: their names, and where they are in the packages.
        beside: packages beside it that have programs too.
        runtime: whether the programs also run in containers, in what is then beside them as RUNTIME.
    """

    suite: str
    package: str
    version: str
    programs: Mapping[str, str]
    beside: tuple[str, ...] = ()
    runtime: bool = True

    @property
    def key(self) -> str:
        return digest("2", self.suite, self.package, repr(self.programs), machine())

    @property
    def label(self) -> str:
        return f"unpack {self.package} of Debian {self.suite}"

    def available(self) -> bool:
        return sys.platform == "linux" and shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None

    def missing(self) -> list[str]:
        return [] if _KEYS.exists() else [f"{_KEYS} is needed: install debian-archive-keyring"]

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-apt-") as name:
            scratch = Path(name)
            root = self._unpacked(scratch, step)
            for program, path in self.programs.items():
                shutil.copyfile(root / path, folder / program)
                (folder / program).chmod(0o755)
            if self.runtime:
                _write_runtime(folder / RUNTIME, root)

    def _unpacked(self, scratch: Path, step: Step) -> Path:
        def on_line(line: str) -> None:
            step.note = line[:80]

        # This machine's own mirror, where its apt names one: the suite is beside this machine's own.
        mirror = next((line.split()[1] for line in _own_sources() if "security" not in line), _MIRROR)
        (scratch / "sources.list").write_text(f"deb [signed-by={_KEYS}] {mirror} {self.suite} main\n")
        for path in ("lists/partial", "archives/partial"):
            (scratch / path).mkdir(parents=True)
        options = {
            "Dir::Etc::sourcelist": scratch / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": scratch / "lists",
            "Dir::Cache": scratch,
            "APT::Sandbox::User": "",  # which could not write here, where this is root
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        apt = ["apt-get", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
        environment = {"LC_ALL": "C.UTF-8"}
        todo = f"Check that {mirror} can be reached (apt's own sources name it)."
        shell.run([*apt, "update"], f"apt-get update of {self.suite}", environment=environment, todo=todo)
        packages = [self.package, *self.beside, *(["libc6", "ca-certificates"] if self.runtime else [])]
        shell.run(
            [*apt, "download", *packages],
            self.label,
            environment=environment,
            folder=scratch,
            on_line=on_line,
            todo=todo,
        )
        have = shell.output(["dpkg-deb", "--field", *scratch.glob(f"{self.package}_*.deb"), "Version"]).strip()
        if numbers(have) != numbers(self.version):
            raise ToolchainError(
                self.label, f"it is {have} there, and {self.version} is pinned", "Change toolchain/versions.py."
            )
        for archive in scratch.glob("*.deb"):
            shell.run(["dpkg-deb", "--extract", archive, scratch / "root"], f"unpack {archive.name}")
        return scratch / "root"


def _own_sources() -> list[str]:
    words = Path("/etc/os-release").read_text().splitlines() if Path("/etc/os-release").exists() else []
    codename = next((word.partition("=")[2] for word in words if word.startswith("VERSION_CODENAME=")), "")
    return apt_sources(codename) if codename else []


def _write_runtime(target: Path, root: Path) -> None:
    """The C library and the certificates as the root directory of a container, owned by root."""
    certificates = root / "etc/ssl/certs/ca-certificates.crt"
    certificates.parent.mkdir(parents=True, exist_ok=True)
    certificates.write_text("".join(path.read_text() for path in sorted((root / _CERTIFICATES).rglob("*.crt"))))
    libraries = root / "usr/lib" / TRIPLETS[machine()]
    files = [certificates, *sorted((root / "usr/lib64").glob("*")), *sorted(libraries.glob("*.so*"))]
    files += [path for path in sorted((root / _DATA).rglob("*")) if path.is_file()]

    def owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(target, "w") as tar:
        for folder in ("lib", "lib64"):
            link = tarfile.TarInfo(folder)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{folder}"
            tar.addfile(link)
        for path in files:
            tar.add(path, arcname=str(path.relative_to(root)), recursive=False, filter=owned_by_root)

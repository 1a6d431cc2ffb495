"""What looks for known vulnerabilities; only the command that scans needs it."""

import functools

from toolchain import versions
from toolchain.parts import detect
from toolchain.parts.build import go_module
from toolchain.parts.download import Release
from toolchain.parts.model import Part


@functools.cache
def osv_scanner() -> Part:
    """Matches lists of packages with OSV's advisories."""
    release = f"https://github.com/google/osv-scanner/releases/download/v{versions.OSV_SCANNER}"
    built = go_module("osv-scanner", "github.com/google/osv-scanner/v2/cmd/osv-scanner")
    return Part(
        name="OSV-Scanner",
        version=versions.OSV_SCANNER,
        executables=("osv-scanner",),
        detect=detect.programs("osv-scanner", pinned=versions.OSV_SCANNER),
        sources=(
            Release(
                url=f"{release}/{{program}}_{{os}}_{{arch}}",
                checksums=f"{release}/osv-scanner_SHA256SUMS",
                programs=("osv-scanner",),
                systems=("linux", "darwin"),
            ),
            built,
        ),
        key=built.key,
    )

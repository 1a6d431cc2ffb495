"""The list of parts."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolchain import paths
from toolchain.parts import catalog
from toolchain.parts.base_image import Debootstrap
from toolchain.parts.build import DebianPackages, GoModule, InstallByHand
from toolchain.parts.debian_archive import DebianArchive
from toolchain.parts.download import Beside, PulumiPlugin, Release, Wheel
from toolchain.parts.model import Part
from toolchain.parts.stand_in import StandIn

ADDONS = {part.slug: part for part in catalog.addon_parts(catalog.addons())}
PARTS = {part.slug: part for part in [*catalog.engine_parts(), *catalog.node_parts(), *catalog.docker_parts()]}


def test_every_part_can_be_told_from_the_others() -> None:
    names = [part.slug for part in [*catalog.engine_parts(), *catalog.node_parts()]]
    assert len(names) == len(set(names))
    programs = [name for part in PARTS.values() for name in part.executables]
    assert len(programs) == len(set(programs))


@pytest.mark.parametrize("name", PARTS)
def test_what_a_part_needs_is_had_with_it(name: str) -> None:
    assert all(needed.slug in PARTS for needed in PARTS[name].needs)


def urls(part: Part) -> list[str]:
    releases = [source for source in part.sources if isinstance(source, Release)]
    return [
        template.format(os="linux", arch=release.architectures.get("amd64", "amd64"), program=release.programs[0])
        for release in releases
        for template in (release.url, release.checksums)
    ]


def test_official_places() -> None:
    """As the projects' own installation guides name them."""
    pulumi = "https://get.pulumi.com/releases/sdk/pulumi"
    assert urls(PARTS["pulumi-cli"]) == [f"{pulumi}-v3.259.0-linux-x64.tar.gz", f"{pulumi}-3.259.0-checksums.txt"]
    kubernetes = "https://dl.k8s.io/v1.34.4/bin/linux/amd64/kube-apiserver"
    assert urls(PARTS["kubernetes"]) == [kubernetes, f"{kubernetes}.sha256"]
    kind = "https://github.com/kubernetes-sigs/kind/releases/download/v0.30.0/kind-linux-amd64"
    assert urls(PARTS["kind"]) == [kind, f"{kind}.sha256sum"]


def test_every_download_has_a_checksum_and_comes_before_the_build() -> None:
    for part in PARTS.values():
        kinds = [type(source) for source in part.sources]
        assert kinds.count(Release) <= 1
        if Release in kinds and GoModule in kinds:
            assert kinds.index(Release) < kinds.index(GoModule)
        assert all(source.checksums for source in part.sources if isinstance(source, Release))


def pinned_by_go_sum(module: GoModule) -> bool:
    """Whether all that a module requires has a hash in Git, and nothing else may be compiled."""
    required = "require" in (module.folder / "go.mod").read_text()
    return not required or (module.folder / "go.sum").stat().st_size > 0


# What each kind of source is compared with before it is used.
CHECKS: dict[type, Callable[[Any], bool]] = {
    Release: lambda release: release.checksums.startswith("https://") and release.url.startswith("https://"),
    GoModule: pinned_by_go_sum,
    DebianPackages: lambda packages: True,  # apt checks its archive's signature
    Debootstrap: lambda suite: True,  # the same archive
    DebianArchive: lambda archive: True,  # and once more
    Wheel: lambda wheel: "--hash=sha256:" in wheel.requirements.read_text(),  # pip is told to demand one of each
    PulumiPlugin: lambda plugin: True,  # TLS alone: see docs/decisions/0011-toolchain.md
    Beside: lambda beside: isinstance(PARTS["pulumi-cli"].sources[0], Release),  # came with a release
    StandIn: lambda stand_in: True,  # nothing is downloaded
    InstallByHand: lambda by_hand: True,
}


@pytest.mark.parametrize("name", [*PARTS, *ADDONS])
def test_nothing_is_had_unchecked(name: str) -> None:
    part = {**PARTS, **ADDONS}[name]
    assert [source for source in part.sources if not CHECKS[type(source)](source)] == []


def test_downloads_have_one_door() -> None:
    """Everything from the internet passes through network.py.

    The others here talk to services of this machine, and report/source.py to the Prometheus that it is given.
    """
    folder = paths.REPOSITORY / "toolchain"
    found = {
        str(file.relative_to(folder))
        for file in folder.rglob("*.py")
        if re.search(r"\burlopen\(|\bhttpx?2?\.(get|Client)\(|_OPENER\.open\(", file.read_text())
        and "kubernetes_plugin" not in file.parts
    }
    assert found == {"network.py", "report/source.py", "services/oci.py", "services/registry.py", "cluster/health.py"}


def test_a_changed_pin_or_flag_is_another_part(tmp_path: Path) -> None:
    (built,) = [source for source in PARTS["etcd"].sources if isinstance(source, GoModule)]
    shutil.copytree(built.folder, tmp_path / "etcd")
    same = GoModule(tmp_path / "etcd", built.packages, built.ldflags)
    assert same.key == built.key
    assert GoModule(tmp_path / "etcd", built.packages, "-X a=b").key != built.key
    with (tmp_path / "etcd" / "go.sum").open("a") as pins:
        pins.write("\n")
    assert same.key != built.key

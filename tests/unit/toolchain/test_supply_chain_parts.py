"""The programs that list, sign and attach: parts that only stacks with attested images need."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Program
from tests.unit.toolchain.test_catalog import urls
from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.parts.download import Wheel
from toolchain.parts.model import Part
from toolchain.parts.supply_chain import cosign, oras, syft
from toolchain.progress import Progress

PARTS = {"cosign": cosign, "oras": oras, "syft": syft}


@pytest.mark.parametrize("name", PARTS)
def test_they_are_no_parts_of_a_local_stack(name: str) -> None:
    assert catalog.addon_parts([name]) == [PARTS[name]()]
    assert PARTS[name]() not in [*catalog.node_parts(), *catalog.docker_parts(), *catalog.engine_parts()]


@pytest.mark.parametrize(
    ("part", "says", "found"),
    [
        (cosign, "cosign: A tool for Container Signing\\nGitVersion:    v3.9.0", True),
        (cosign, "GitVersion:    v2.6.1", False),
        (oras, "Version:        1.4.0\\nGo version:     go1.25.0", True),
        (oras, "Version:        1.2.3", False),
        (syft, "syft 1.44.0", True),
        (syft, "syft 0.105.1", False),
    ],
)
def test_an_installed_one_is_used_if_it_is_not_older(
    program: Program, part: Callable[[], Part], says: str, found: bool
) -> None:
    program(part().name, f'printf "{says}\\n"')
    assert (part().detect() is not None) == found


def test_official_places() -> None:
    """As the projects' own installation guides name them."""
    github = "https://github.com"
    assert urls(cosign()) == [
        f"{github}/sigstore/cosign/releases/download/v3.1.3/cosign-linux-amd64",
        f"{github}/sigstore/cosign/releases/download/v3.1.3/cosign_checksums.txt",
    ]
    assert urls(syft()) == [
        f"{github}/anchore/syft/releases/download/v1.18.1/syft_1.18.1_linux_amd64.tar.gz",
        f"{github}/anchore/syft/releases/download/v1.18.1/syft_1.18.1_checksums.txt",
    ]
    assert urls(oras()) == [
        f"{github}/oras-project/oras/releases/download/v1.3.0/oras_1.3.0_linux_amd64.tar.gz",
        f"{github}/oras-project/oras/releases/download/v1.3.0/oras_1.3.0_checksums.txt",
    ]


class TestWheel:
    @pytest.fixture
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A package index with one wheel, in a folder."""
        folder = tmp_path / "index"
        folder.mkdir()
        with zipfile.ZipFile(folder / "a_tool-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("a_tool/bin/tool", "#!/bin/sh\necho tool 1.0\n")
            wheel.writestr("a_tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: a-tool\nVersion: 1.0\n")
            wheel.writestr(
                "a_tool-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr("a_tool-1.0.dist-info/RECORD", "")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        return folder

    def obtain(self, tmp_path: Path, sha256: str) -> Path:
        requirements, folder = tmp_path / "tool.txt", tmp_path / "got"
        requirements.write_text(f"a-tool==1.0 --hash=sha256:{sha256}\n")
        folder.mkdir()
        with Progress().step("tool") as step:
            Wheel(requirements, {"tool": "a_tool/bin/tool"}).obtain(folder, step, tmp_path)
        return folder / "tool"

    def test_the_program_is_taken_out_of_it(self, index: Path, tmp_path: Path) -> None:
        [wheel] = index.iterdir()
        tool = self.obtain(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest())
        assert tool.stat().st_mode & 0o111
        assert [path.name for path in tool.parent.iterdir()] == ["tool"]

    def test_another_content_than_the_pinned_one_is_refused(self, index: Path, tmp_path: Path) -> None:
        with pytest.raises(ToolchainError, match="pip download tool"):
            self.obtain(tmp_path, "0" * 64)

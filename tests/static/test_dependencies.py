"""Everything that this project depends on is pinned: a new file that names a dependency is found, of whatever kind.

Requirements files have tests of their own. Downloads are held to checksums by tests/unit/toolchain/test_catalog.py.
"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from components.planning import gpu_support, monitoring_chart
from toolchain import versions

from . import pinning

ROOT = Path(__file__).resolve().parents[2]
TRACKED = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
)
GO_MODULES = [file for file in TRACKED if file.name == "go.mod"]
DOCKERFILES = [file for file in TRACKED if "Dockerfile" in file.name]
WORKFLOWS = [file for file in TRACKED if file.parent.name == "workflows"]
# Their archives could not be had to know their digests: a stack says them (docs/charts.md).
WITHOUT_DIGEST = {"gpu-operator", "kube-prometheus-stack"}


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_there_is_no_file_of_a_kind_that_nothing_here_checks() -> None:
    assert [name for name in map(relative, TRACKED) if pinning.UNKNOWN.search(name)] == []


def test_python_s_project_file_asks_for_nothing() -> None:
    assert [pinning.project(file.read_text()) for file in TRACKED if file.name == "pyproject.toml"] == [[]]


@pytest.mark.parametrize("file", GO_MODULES, ids=relative)
def test_every_go_module_has_a_hash(file: Path) -> None:
    assert pinning.go_module(file) == []


def test_what_is_built_is_held_against_those_hashes() -> None:
    text = (ROOT / "toolchain/parts/build.py").read_text()
    assert "-mod=readonly" in text
    for name in map(relative, TRACKED):
        if name.startswith((".github/", ".ci/", "toolchain/")) or name == "Makefile":
            assert not re.search(r"GONOSUM|GOINSECURE|GONOSUMCHECK|GOFLAGS=-insecure", (ROOT / name).read_text()), name


@pytest.mark.parametrize("file", DOCKERFILES, ids=relative)
def test_images_are_built_on_known_bases_with_hashed_packages(file: Path) -> None:
    assert pinning.image_build(file.read_text()) == []


def test_the_base_is_the_one_that_the_toolchain_makes_or_mirrors() -> None:
    # By its tag: its digest is another at every mirror, and provenance records the one that was used.
    assert versions.BASE_IMAGE.removeprefix("library/") in pinning.BASES


@pytest.mark.parametrize("file", WORKFLOWS, ids=relative)
def test_workflows_use_what_has_a_commit(file: Path) -> None:
    assert pinning.workflow(file.read_text()) == []


def test_charts_that_the_program_brings_have_a_version_and_a_digest() -> None:
    charts = [*gpu_support.CHARTS.values(), monitoring_chart.CHART]
    assert all(re.fullmatch(r"v?\d+\.\d+\.\d+", chart.version) for chart in charts)
    assert {chart.name for chart in charts if chart.digest is None} == WITHOUT_DIGEST
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", chart.digest) for chart in charts if chart.digest)
    # No other place in the program declares one.
    declared = [name for name in map(relative, TRACKED) if name.startswith("components/") and name.endswith(".py")]
    assert [name for name in declared if "PinnedChart(" in (ROOT / name).read_text()] == [
        "components/planning/gpu_support.py",
        "components/planning/monitoring_chart.py",
    ]


def test_images_that_stacks_name_are_named_by_digest() -> None:
    for file in ROOT.glob("Pulumi*.yaml"):
        for image in re.findall(r"^\s*image: *(\S+)", file.read_text(), re.MULTILINE):
            assert "@sha256:" in image, f"{file.name}: {image}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["numpy"]\n'),
        ("pyproject.toml", '[dependency-groups]\ndev = ["numpy"]\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nnumpy = "*"\n'),
        ("Dockerfile", "FROM python:3.12 AS tools\n"),
        ("Dockerfile", "FROM debian:bookworm-slim AS a\nFROM b-${KIND}\n"),
        ("Dockerfile", "FROM scratch\nRUN pip install numpy\n"),
        ("Dockerfile", "FROM scratch\nRUN apt-get update && \\\n    pip-install -r /tmp/requirements.txt\n"),
        ("test.yml", "  - uses: actions/checkout@v6\n"),
        ("test.yml", "  - uses: docker://alpine:3\n"),
        ("test.yml", "    container: node:22\n"),
    ],
)
def test_what_is_not_pinned_is_found(name: str, text: str) -> None:
    check = {"pyproject.toml": pinning.project, "Dockerfile": pinning.image_build, "test.yml": pinning.workflow}[name]
    assert check(text)


def test_a_go_module_without_a_hash_is_found(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    require = "require (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0 // indirect\n\texample.com/c v1.0.0\n)\n"
    replace = "replace example.com/c => ./c\n\nreplace example.com/b => example.com/d v2.0.0\n"
    file.write_text(f"module x\n\n{require}\n{replace}")
    assert pinning.go_module(file) == ["example.com/a v1.0.0", "example.com/d v2.0.0"]
    (tmp_path / "go.sum").write_text("example.com/a v1.0.0 h1:x\nexample.com/b v1.0.0 h1:x\n")
    assert pinning.go_module(file) == ["example.com/d v2.0.0"]
    with (tmp_path / "go.sum").open("a") as sums:
        sums.write("example.com/d v2.0.0/go.mod h1:x\n")
    assert pinning.go_module(file) == []


@pytest.mark.parametrize(
    "name", ["a/package.json", "Pipfile", "docs/conda-dev.yaml", "a/constraints-dev.txt", "setup.py"]
)
def test_a_file_of_another_package_manager_is_found(name: str) -> None:
    assert pinning.UNKNOWN.search(name)
    assert not pinning.UNKNOWN.search(f"{name}.md")


def test_charts_of_the_examples_have_digests() -> None:
    for file in ROOT.glob("Pulumi*.yaml"):
        config = yaml.safe_load(file.read_text()).get("config") or {}
        for name, chart in (config.get("model-serving:charts") or {}).items():
            assert "digest" in chart, f"{file.name}: {name}"

"""Helm, the part that only stacks with charts need."""

import pytest

from tests.unit.toolchain.conftest import Program
from toolchain import local, paths, versions
from toolchain.errors import ToolchainError
from toolchain.parts import catalog
from toolchain.parts.helm import helm
from toolchain.progress import Progress


@pytest.mark.parametrize(
    ("version", "found"), [("v3.14.0+g1", True), ("v3.99.1", True), ("v3.13.3", False), ("v4.1.0", False)]
)
def test_an_installed_helm_is_used_if_it_can_render(program: Program, version: str, found: bool) -> None:
    program("helm", f"echo {version}")
    assert (helm().detect() is not None) == found


def test_it_is_no_part_of_a_local_stack() -> None:
    assert catalog.addon_parts(["helm"]) == [helm()]
    assert helm() not in [*catalog.node_parts(), *catalog.docker_parts(), *catalog.engine_parts()]


def test_an_unknown_addon_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ToolchainError) as refused:
        local.install_addons(["helm", "helmet"], Progress())
    assert "helmet" in refused.value.why
    assert "helm" in refused.value.todo


def test_the_kubernetes_libraries_it_renders_with_are_not_older_than_the_cluster() -> None:
    go_mod = (paths.MODULES / "helm" / "go.mod").read_text()
    library = next(line.split()[1] for line in go_mod.splitlines() if "k8s.io/client-go " in line)
    assert int(library.split(".")[1]) >= int(versions.KUBERNETES.split(".")[1])

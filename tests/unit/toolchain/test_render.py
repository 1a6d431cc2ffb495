"""Files of a rendering."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from toolchain import render
from toolchain.errors import ToolchainError
from toolchain.stack import Stack

STACK = Stack("dev", "p", Path("Pulumi.dev.yaml"), {}, None)


def entry(kind: str, name: str, namespace: str = "models") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def test_each_object_is_a_file_and_kustomize_is_told_of_all_but_secrets() -> None:
    objects = [entry("Service", "digits"), entry("Service", "digits", "keda"), entry("Secret", "login")]
    files = render._files(STACK, objects, {"models/login": ["token", "user"]})
    assert yaml.safe_load(files["kustomization.yaml"])["resources"] == [
        "keda-service-digits.yaml",
        "service-digits.yaml",
    ]
    assert yaml.safe_load(files["service-digits.yaml"]) == entry("Service", "digits")
    command = "kubectl create secret generic login --namespace=models --from-file=token=FILE --from-file=user=FILE"
    assert f"#   {command}\n" in files["secrets/secret-login.yaml"]


def test_a_rendering_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    render._write(folder, render._files(STACK, [entry("Service", "a"), entry("Secret", "b")], {"models/b": []}))
    render._write(folder, render._files(STACK, [entry("Service", "c")], {}))
    written = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    assert written == ["kustomization.yaml", "service-c.yaml"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.yaml").write_text("mine: true\n")
    with pytest.raises(ToolchainError, match=r"it holds notes\.yaml, which no rendering wrote"):
        render._write(tmp_path, {"kustomization.yaml": "x"})
    assert [path.name for path in tmp_path.iterdir()] == ["notes.yaml"]


def test_other_stacks_are_read_that_this_one_has_something_of() -> None:
    pools = {"l4": {"provider": "stack", "stack": "acme/platform/pools"}, "own": {"provider": "karpenter"}}
    monitoring = {"mode": "stack", "stack": "acme/platform/watching"}
    used = Stack("dev", "p", Path("Pulumi.dev.yaml"), {"nodePools": pools, "monitoring": monitoring}, None)
    assert list(render._other_stacks(used)) == ["acme/platform/pools", "acme/platform/watching"]
    assert list(render._other_stacks(STACK)) == []

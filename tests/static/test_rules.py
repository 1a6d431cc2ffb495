"""The rules of the Pulumi side, and that each of them finds what it is there for."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from . import rules

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = rules.program_files(ROOT)
Rule = Callable[[str], list[str]]


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_the_program_is_found() -> None:
    found = {relative(file) for file in PROGRAM}
    assert {"__main__.py", "components/model_stack.py", "components/planning/pod.py"} <= found
    commands = {"components/schema.py", "components/adapter_config.py", "components/render.py"}
    everything = {relative(file) for file in (ROOT / "components").rglob("*.py")}
    assert found == everything - commands | {"__main__.py"}


@pytest.mark.parametrize("file", PROGRAM, ids=relative)
@pytest.mark.parametrize("rule", [rules.framework_imports, rules.work_inside_apply, rules.component_faults])
def test_the_program_follows_the_rules(file: Path, rule: Rule) -> None:
    assert rule(file.read_text()) == []


@pytest.mark.parametrize("file", PROGRAM, ids=relative)
def test_only_one_file_reads_the_configuration(file: Path) -> None:
    readers = rules.config_readers(file.read_text())
    assert bool(readers) == (relative(file) == "components/config/stack.py")


def test_the_program_is_short() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 50


def test_no_framework_is_imported_by_what_the_program_imports_either() -> None:
    assert loaded("components.model_stack", "components.cluster", "components.report") & rules.FRAMEWORKS == set()


def test_planning_is_pure() -> None:
    modules = [relative(file)[:-3].replace("/", ".") for file in (ROOT / "components/planning").glob("*.py")]
    impure = {"pulumi", "pulumi_kubernetes", "pulumi_docker_build", "grpc"}
    assert loaded(*(module.removesuffix(".__init__") for module in modules)) & impure == set()


def loaded(*modules: str) -> set[str]:
    """Top-level names of everything in memory once `modules` are imported by a fresh interpreter."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    names = set(done.stdout.split())
    assert "components" in names
    return names


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (rules.framework_imports, "import numpy as np"),
        (rules.framework_imports, "def f():\n    from tensorflow.keras import layers"),
        (rules.work_inside_apply, "name.apply(lambda n: Service(n))"),
        (rules.work_inside_apply, "name.apply(lambda n: kubernetes.core.v1.Service(n))"),
        (rules.work_inside_apply, "def f(n):\n    raise ValueError\nname.apply(f)"),
        (rules.work_inside_apply, "name.apply(lambda n: open(n))"),
        (rules.config_readers, "import pulumi\npulumi.Config('x')"),
        (rules.config_readers, "from pulumi import Config"),
        (
            rules.component_faults,
            "class A(pulumi.ComponentResource):\n"
            " def __init__(self):\n  super().__init__('acme:x:A')\n  self.register_outputs({})",
        ),
        (
            rules.component_faults,
            "class A(ComponentResource):\n def __init__(self):\n  super().__init__('model-serving:x:A')",
        ),
    ],
)
def test_a_rule_finds_what_breaks_it(rule: Rule, source: str) -> None:
    assert rule(source)


@pytest.mark.parametrize("source", ["name.apply(lambda n: n.upper())", "name.apply(version_of)"])
def test_plain_values_in_apply_are_no_fault(source: str) -> None:
    assert rules.work_inside_apply(source) == []

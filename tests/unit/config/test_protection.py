"""No stack is deployed by mistake to the cluster of a protected one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import protection

from .conftest import Load
from .test_accepted import SMALLEST
from .test_rejected import Mistakes


def write_stack(folder: Path, stack: str, **settings: Any) -> None:
    config = {f"model-serving:{key}": value for key, value in settings.items()}
    (folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}))


@pytest.fixture(autouse=True)
def prod(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A protected stack on the context "prod", and a kubeconfig whose current context is another."""
    write_stack(project, "prod", cluster="prod", protect=True)
    (project / "kubeconfig").write_text("current-context: laptop\n")
    monkeypatch.setenv("KUBECONFIG", str(project / "kubeconfig"))


def test_another_stack_that_names_its_cluster_is_refused(mistakes: Mistakes) -> None:
    assert mistakes(SMALLEST | {"cluster": "prod"}) == [
        "model-serving:cluster: is the cluster of the protected stack prod; a cluster that only stack prod uses is not "
        "this stack's; allowed: another one, or protect: true -> pulumi config set model-serving:cluster local "
        "--stack dev"
    ]


def test_a_cluster_is_the_same_however_it_is_written(project: Path, mistakes: Mistakes) -> None:
    [line] = mistakes(SMALLEST | {"cluster": {"context": "prod"}})
    assert "the cluster of the protected stack prod" in line
    write_stack(project, "prod", cluster={"kubeconfig": "prodCluster"}, protect=True)
    [line] = mistakes(SMALLEST | {"cluster": {"kubeconfig": "prodCluster"}}, secrets={"prodCluster": "kind: Config"})
    assert "the cluster of the protected stack prod" in line


def test_so_is_a_local_stack_whose_kubeconfig_points_there(project: Path, mistakes: Mistakes) -> None:
    (project / "kubeconfig").write_text("current-context: prod\n")
    [line] = mistakes(SMALLEST)
    assert line.startswith(
        "model-serving:cluster: is your kubeconfig's current context prod, the cluster of the protected stack prod;"
    )
    assert line.endswith("-> kubectl config use-context <another>, or kubectl config unset current-context")


@pytest.mark.parametrize(
    "changes", [{}, {"cluster": "staging"}, {"cluster": "prod", "protect": "true"}], ids=["laptop", "own", "protected"]
)
def test_every_other_cluster_is_open_and_this_one_to_protected_stacks(load: Load, changes: dict[str, Any]) -> None:
    assert load(SMALLEST | changes).config.cluster.context == changes.get("cluster", "local")


def test_protection_is_on_however_it_is_written(project: Path, mistakes: Mistakes) -> None:
    """`pulumi config set model-serving:protect true` makes a text of it."""
    write_stack(project, "prod", cluster="prod", protect="true")
    [line] = mistakes(SMALLEST | {"cluster": "prod"})
    assert "the cluster of the protected stack prod" in line


def test_a_stack_that_is_not_protected_guards_nothing(project: Path, load: Load) -> None:
    write_stack(project, "prod", cluster="prod", protect=False)
    assert load(SMALLEST | {"cluster": "prod"}).config.cluster.context == "prod"


def test_the_stack_itself_may_be_deployed(load: Load) -> None:
    assert load(SMALLEST | {"cluster": "prod", "protect": "true"}, stack="prod").config.protect


def test_of_several_kubeconfigs_the_first_with_a_context_counts(tmp_path: Path) -> None:
    names = [tmp_path / "none", tmp_path / "empty", tmp_path / "broken", tmp_path / "first", tmp_path / "second"]
    for name, text in zip(names[1:], ["{}", "[", "current-context: a", "current-context: b"], strict=True):
        name.write_text(text)
    assert protection.current_context({"KUBECONFIG": ":".join(map(str, names))}) == "a"
    assert protection.current_context({"HOME": str(tmp_path)}) is None

"""From a fresh clone to a comment on a changed model: the commands of docs/pull-requests.md, to the letter."""

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.support.cluster import LocalCluster
from tests.support.documents import commands
from tests.support.workspace import ROOT, Workspace
from toolchain.review.comment import marker

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"review-{uuid.uuid4().hex[:6]}"
PAGE = ROOT / "docs" / "pull-requests.md"


@pytest.fixture(scope="module")
def clone(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository with one commit on `main`, and in place of stack dev one that nobody else uses."""
    home = tmp_path_factory.mktemp("review")
    workspace = Workspace.create(home / "clone", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=STACK)
    workspace.extra_env = {"STACK": STACK, **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "tests")}
    workspace.extra_env |= dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "tests@example.com")
    for words in ("init --quiet --initial-branch main", "add --all", "commit --quiet --message first"):
        subprocess.run(["git", *words.split()], cwd=workspace.path, env=workspace.environment, check=True)
    return workspace


def run(clone: Workspace, command: str) -> str:
    """What a command printed. Raises AssertionError with its errors."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=clone.path, env=clone.environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def test_three_commands_give_a_comment_about_the_changed_model(clone: Workspace) -> None:
    first, _ = commands(PAGE)
    assert len(first) <= 3
    text = [run(clone, command) for command in first][-1]
    assert text.startswith(f"{marker(STACK)}\n## Preview of stack `{STACK}`: 8 created\n")
    assert "`digits`: will be built, for the first time in this stack" in text
    assert "| `digits` | replicas | - | 1 |" in text
    assert "### Errors" not in text
    assert "cluster not reached" not in text


def test_a_kept_preview_gives_the_same_in_any_ci(clone: Workspace) -> None:
    _, kept = commands(PAGE)
    for command in kept:
        run(clone, command)
    text = (clone.path / "comment.md").read_text()
    assert text.startswith(f"{marker(STACK)}\n## Preview of stack `{STACK}`: 8 created\n")
    assert "made from a kept preview" in text
    assert run(clone, "make comment PREVIEW=- < preview.json") == text


def test_a_cluster_that_does_not_answer_is_said(clone: Workspace) -> None:
    """A stack of somebody's own cluster, with the tools on the path as somebody's own."""
    tools = clone.path.parent / "tools"
    tools.mkdir()
    for program in Path(clone.env["PATH"].partition(os.pathsep)[0]).iterdir():
        (tools / program.name).symlink_to(program)
    nowhere = clone.path.parent / "nowhere.yaml"
    nowhere.write_text(
        "{apiVersion: v1, kind: Config, current-context: a, users: [{name: a, user: {}}],"
        " clusters: [{name: a, cluster: {server: 'https://127.0.0.1:9'}}],"
        " contexts: [{name: a, context: {cluster: a, user: a}}]}"
    )
    before = clone.read_config()
    clone.set_config(cluster="a", models={"digits": {"image": f"registry.example.com/digits@sha256:{'0' * 64}"}})
    clone.extra_env |= {"KUBECONFIG": str(nowhere), "PATH": f"{tools}{os.pathsep}{clone.env['PATH']}"}
    try:
        text = run(clone, "make comment")
    finally:
        del clone.extra_env["KUBECONFIG"], clone.extra_env["PATH"]
        clone.write_config(before)
    assert "- `cluster not reached: this preview saw no live state`" in text
    assert "7 created" in text


def test_what_is_no_preview_is_refused(clone: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(AssertionError, match="this is not what `pulumi preview --json` prints"):
        run(clone, f"make comment PREVIEW={other}")
    with pytest.raises(AssertionError, match="No such file"):
        run(clone, f"make comment PREVIEW={tmp_path / 'none.json'}")

"""Reading a stack's files, and the copy that Pulumi works on."""

import stat
from pathlib import Path

import pytest
import yaml

from toolchain import stack_config
from toolchain.errors import ToolchainError
from toolchain.stack import Stack, load

COMMITTED = """\
config:
  model-serving:cluster: local
  model-serving:namespace: models
  model-serving:registry: {repository: "localhost:5001/models"}
  model-serving:models:
    digits: {source: {framework: keras, path: model/digits}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (folder / "Pulumi.dev.yaml").write_text(COMMITTED)
    return folder


@pytest.fixture
def dev(project: Path) -> Stack:
    return load("dev", project)


def test_a_stack_is_read_under_any_project_name(dev: Stack, project: Path) -> None:
    assert dev.project == "shop"
    assert dev.local
    assert dev.namespace == "models"
    assert dev.registry_host == "localhost:5001"
    assert list(dev.models) == ["digits"]
    assert dev.virtualenv == project / ".venv"


@pytest.mark.parametrize(
    ("repository", "host"),
    [
        ("registry.example.com/acme/models", "registry.example.com"),
        ("localhost/models", "localhost"),
        ("acme/models", ""),  # Docker Hub: no host is named
        ("models", ""),
    ],
)
def test_registry_host(repository: str, host: str, project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text(f"config: {{'model-serving:registry': {{repository: {repository}}}}}")
    assert load("dev", project).registry_host == host


def test_what_the_project_sets_for_all_stacks_is_theirs(project: Path) -> None:
    shared = "config: {'model-serving:namespace': {value: shared}, 'model-serving:cluster': prod}"
    (project / "Pulumi.yaml").write_text(f"name: shop\nruntime: python\n{shared}\n")
    (project / "Pulumi.qa.yaml").write_text("config: {'model-serving:cluster': qa}")
    stack = load("qa", project)
    assert (stack.namespace, stack.settings["cluster"]) == ("shared", "qa")


def test_off_is_the_word_that_pulumi_reads(project: Path) -> None:
    with (project / "Pulumi.dev.yaml").open("a") as file:
        file.write("  model-serving:capacityCheck: off\n  model-serving:protect: true\n  model-serving:no: 3\n")
    settings = load("dev", project).settings
    assert (settings["capacityCheck"], settings["protect"], settings["no"]) == ("off", True, 3)


def test_a_context_is_not_local(project: Path) -> None:
    (project / "Pulumi.prod.yaml").write_text("config: {'model-serving:cluster': production}")
    assert not load("prod", project).local


def test_nonsense_in_the_file_is_left_for_the_program_to_report(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config: {'model-serving:models': 7, 'model-serving:registry': [1]}")
    stack = load("dev", project)
    assert stack.models == {}
    assert stack.registry_host == ""


def test_an_unknown_stack_is_named_with_the_known_ones(project: Path) -> None:
    with pytest.raises(ToolchainError, match=r"there is no Pulumi\.prod\.yaml; known stacks: dev"):
        load("prod", project)


def test_a_file_that_is_not_yaml_is_named(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config: [")
    with pytest.raises(ToolchainError, match=r"read Pulumi\.dev\.yaml"):
        load("dev", project)


def test_the_copy_follows_the_committed_file_and_keeps_its_secrets(dev: Stack) -> None:
    copy = stack_config.refresh(dev)
    assert yaml.safe_load(copy.read_text()) == yaml.safe_load(COMMITTED)

    # What Pulumi writes: a salt, and a secret the user set.
    content = yaml.safe_load(copy.read_text())
    content["encryptionsalt"] = "v1:salt"
    content["config"]["model-serving:apiToken"] = {"secure": "v1:cipher"}
    content["config"]["model-serving:namespace"] = "set by hand, lost"
    copy.write_text(yaml.safe_dump(content))

    dev.file.write_text(COMMITTED.replace("namespace: models", "namespace: other"))
    merged = yaml.safe_load(stack_config.refresh(dev).read_text())
    assert merged["encryptionsalt"] == "v1:salt"
    assert merged["config"]["model-serving:apiToken"] == {"secure": "v1:cipher"}
    assert merged["config"]["model-serving:namespace"] == "other"


def test_the_committed_file_never_changes_and_the_copy_is_private(dev: Stack) -> None:
    before = dev.file.read_bytes()
    copy = stack_config.refresh(dev)
    assert dev.file.read_bytes() == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_an_unchanged_copy_is_not_written_again(dev: Stack) -> None:
    inode = stack_config.refresh(dev).stat().st_ino
    assert stack_config.refresh(dev).stat().st_ino == inode


@pytest.mark.parametrize("key", ["encryptionsalt", "secretsprovider", "encryptedkey"])
def test_encryption_that_is_committed_wins_over_the_copys(key: str) -> None:
    committed = {key: "committed", "config": {"a:b": {"secure": "from the file"}}}
    copy = {"encryptionsalt": "copy", "config": {"a:b": {"secure": "from the copy"}}}
    assert stack_config.merge(committed, copy) == committed


@pytest.mark.parametrize(
    ("cluster", "context", "local"),
    [
        ("local", "local", True),
        ({"context": "local"}, "local", True),
        ("prod", "prod", False),
        ({"kubeconfig": "prodCluster"}, None, False),
        ({"from": {"stack": "acme/platform/prod"}}, None, False),
    ],
)
def test_a_cluster_in_every_way_of_naming_it(tmp_path: Path, cluster: object, context: str | None, local: bool) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: model-serving\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": {"model-serving:cluster": cluster}}))
    stack = load("dev", tmp_path)
    assert (stack.context, stack.local) == (context, local)

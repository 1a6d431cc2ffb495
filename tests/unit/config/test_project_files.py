"""The project's own Pulumi files."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config import StackConfig

from .conftest import Load

ROOT = Path(__file__).resolve().parents[3]
STACK_FILES = sorted(ROOT.glob("Pulumi.*.yaml"))
SHARED = {key: entry["value"] for key, entry in yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"].items()}


def test_there_is_a_stack_for_development() -> None:
    assert ROOT / "Pulumi.dev.yaml" in STACK_FILES


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda file: file.name)
def test_a_stack_file_holds_no_salt_no_ciphertext_and_needs_no_secret(
    file: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    document: dict[str, Any] = yaml.safe_load(file.read_text())
    assert set(document) == {"config"}
    assert "secure" not in file.read_text()
    monkeypatch.chdir(ROOT)
    assert load(SHARED | document["config"], stack=file.suffixes[0][1:]).secrets == {}


def test_the_environments_differ_in_what_must_differ() -> None:
    """Where they run, what they run, how much of it: everything else is shared."""
    allowed = {"cluster", "registry", "models", "protect"}
    for file in STACK_FILES:
        config = yaml.safe_load(file.read_text())["config"]
        assert {key.removeprefix("model-serving:") for key in config} <= allowed
    contexts = [yaml.safe_load(file.read_text())["config"]["model-serving:cluster"] for file in STACK_FILES]
    assert len(set(contexts)) == len(STACK_FILES) == 3


def yaml_blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def first_yaml(page: str) -> str:
    return yaml_blocks(page)[0]


def test_a_new_environment_is_at_most_five_lines(load: Load) -> None:
    text = first_yaml("environments.md")
    assert len(text.splitlines()) <= 5
    config = yaml.safe_load(text.replace("sha256:...", f"sha256:{'0' * 64}"))["config"]
    assert load(SHARED | config, stack="qa").config.models["digits"].image


def test_two_stacks_of_one_cluster_may_say_what_the_page_shows(load: Load) -> None:
    texts = [block for block in yaml_blocks("environments.md") if re.search(r"# Pulumi\.\w+\.yaml", block)]
    files = [yaml.safe_load(text.replace("sha256:...", f"sha256:{'0' * 64}"))["config"] for text in texts]
    owner, user = (load(SHARED | config).config for config in files)
    assert owner.monitoring.shared
    assert user.monitoring.stack == "organization/model-serving/platform"
    assert not owner.models
    assert owner.namespace != user.namespace


def test_a_model_of_ones_own_is_at_most_ten_lines(load: Load, project: Path) -> None:
    text = first_yaml("models.md")
    assert len(text.splitlines()) <= 10
    (project / "model" / "wines").mkdir(parents=True)
    (project / "model" / "wines" / "train.py").touch()
    dev = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    loaded = load(SHARED | dev | yaml.safe_load(text), stack="dev")
    assert loaded.config.models["wines"].source


def test_a_new_project_is_asked_for_what_has_no_default() -> None:
    template = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["template"]
    assert template["description"]
    required = {f"model-serving:{name}" for name, field in StackConfig.model_fields.items() if field.is_required()}
    # Models are a section of their own, which a prompt cannot ask for; Pulumi.dev.yaml holds an example.
    assert set(template["config"]) == required - {"model-serving:models"}
    assert all(prompt["description"] and prompt["default"] for prompt in template["config"].values())


def test_dev_works_where_nothing_is_set_up_yet() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    assert config["model-serving:cluster"] == "local"

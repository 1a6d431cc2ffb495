"""Writing a Compose project: from a Pulumi that answers what it is told to, with the program's own planning."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.toolchain.conftest import Program
from toolchain import compose, paths
from toolchain.errors import ToolchainError
from toolchain.progress import Progress
from toolchain.stack import Stack, load

IMAGE = "registry.example.com/m@sha256:" + "a" * 64


class Given:
    """A stack `prod` of a user's, in a folder that has this program's components."""

    def __init__(self, tmp_path: Path, program: Program) -> None:
        self.folder = tmp_path / "project"
        self.folder.mkdir()
        (self.folder / "components").symlink_to(paths.REPOSITORY / "components")
        (self.folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
        self._answers = tmp_path / "answers.json"
        self._outputs = tmp_path / "outputs.json"
        self._outputs.write_text("{}")
        program(
            "pulumi",
            f'case "$1 $2" in "stack ls") echo \'[{{"name": "prod"}}]\' ;; "stack output") cat "{self._outputs}" ;;'
            f' "config --json") cat "{self._answers}" ;; *) exit 3 ;; esac',
        )

    def stack(self, model: dict[str, Any], secrets: dict[str, str] | None = None, **sections: Any) -> Stack:
        settings = {"cluster": "production", "models": {"digits": model}, **sections}
        config = {f"model-serving:{key}": value for key, value in settings.items()}
        (self.folder / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))
        answers = {
            key: {"value": value if isinstance(value, str) else json.dumps(value), "secret": False}
            for key, value in config.items()
        }
        answers |= {f"model-serving:{key}": {"value": value, "secret": True} for key, value in (secrets or {}).items()}
        self._answers.write_text(json.dumps(answers))
        return load("prod", self.folder)

    def outputs(self, outputs: dict[str, Any]) -> None:
        self._outputs.write_text(json.dumps(outputs))


@pytest.fixture
def given(tmp_path: Path, program: Program) -> Given:
    return Given(tmp_path, program)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_project_is_written_with_what_it_mounts(given: Given) -> None:
    model = {
        "image": IMAGE,
        "secrets": ["apiToken", {"config": "other", "env": "OTHER"}],
        "configFiles": {"labels.txt": "zero\n"},
    }
    file = compose.compose(given.stack(model, {"apiToken": "hunter2", "other": 'a "b" $C \\'}), Progress())
    assert file == given.folder / "compose" / "prod" / "compose.yaml"
    text = file.read_text()
    assert "make compose STACK=prod" in text
    assert "# - network.defaultDeny: containers reach each other" in text
    assert "hunter2" not in text
    service = yaml.safe_load(text)["services"]["digits"]
    assert service["image"] == IMAGE
    folder = file.parent
    assert (folder / "files/digits/labels.txt").read_text() == "zero\n"
    assert (folder / "secrets/digits/apiToken").read_text() == "hunter2"
    assert (folder / "secrets/digits.env").read_text() == 'OTHER="a \\"b\\" \\$C \\\\"\n'
    assert [mode(folder / name) for name in ("secrets", "secrets/digits/apiToken", "secrets/digits.env")] == [
        0o700,
        0o444,
        0o600,
    ]


def test_what_is_not_wanted_any_more_goes_and_what_did_not_change_stays(given: Given) -> None:
    two = given.stack({"image": IMAGE, "secrets": ["apiToken", "other"]}, {"apiToken": "one", "other": "two"})
    folder = compose.compose(two, Progress()).parent
    token = folder / "secrets/digits/apiToken"
    before, text = token.stat().st_mtime_ns, (folder / "compose.yaml").read_text()
    compose.compose(two, Progress())
    assert (token.stat().st_mtime_ns, (folder / "compose.yaml").read_text()) == (before, text)
    compose.compose(given.stack({"image": IMAGE, "secrets": ["apiToken"]}, {"apiToken": "one"}), Progress())
    assert [path.name for path in (folder / "secrets/digits").iterdir()] == ["apiToken"]


def test_a_value_that_only_the_cluster_has_is_put_there_by_hand(given: Given) -> None:
    secrets = [
        {"secretRef": {"name": "login", "key": "password"}},
        {"external": {"store": "vault", "key": "team/token"}, "env": "TOKEN"},
    ]
    stack = given.stack({"image": IMAGE, "secrets": secrets})
    folder = given.folder / "compose/prod/secrets"
    with pytest.raises(ToolchainError) as caught:
        compose.compose(stack, Progress())
    assert f"{folder}/digits/password: key password of the cluster's Secret login" in caught.value.why
    assert f"{folder}/digits.env.d/TOKEN: team/token in the store vault" in caught.value.why
    (folder / "digits/password").write_text("one")
    (folder / "digits.env.d/TOKEN").write_text("two")
    compose.compose(stack, Progress())
    assert (folder / "digits.env").read_text() == 'TOKEN="two"\n'
    assert mode(folder / "digits/password") == 0o444


def test_an_image_that_was_built_is_the_one_that_runs(given: Given) -> None:
    (given.folder / "model/digits").mkdir(parents=True)
    (given.folder / "model/digits/train.py").touch()
    source = {"source": {"framework": "keras", "path": "model/digits"}}
    stack = given.stack(source, registry={"repository": "registry.example.com/models"})
    with pytest.raises(ToolchainError, match="no image of digits was built in stack prod yet -> make up STACK=prod"):
        compose.compose(stack, Progress())
    given.outputs({"models": {"digits": {"image": IMAGE}}})
    file = compose.compose(stack, Progress())
    assert yaml.safe_load(file.read_text())["services"]["digits"]["image"] == IMAGE


def test_mistakes_are_told_as_in_a_preview(given: Given) -> None:
    with pytest.raises(ToolchainError, match=r"model-serving:models\.digits\.replica: unknown key, did you mean"):
        compose.compose(given.stack({"image": IMAGE, "replica": 2}), Progress())


def test_a_volume_of_a_clusters_driver_is_refused(given: Given) -> None:
    files = {"csi": {"driver": "gcsfuse.csi.storage.gke.io"}}
    with pytest.raises(ToolchainError, match=r"files\.csi: Docker has no volumes of gcsfuse"):
        compose.compose(given.stack({"image": IMAGE, "runtime": "triton", "files": files}), Progress())

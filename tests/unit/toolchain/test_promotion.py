"""What a stack file looks like after its image was set, and which image of a Deployment is proved or was before."""

from pathlib import Path
from typing import Any

import pytest

from toolchain import stack as stacks
from toolchain import stack_file
from toolchain.errors import ToolchainError
from toolchain.promotion import previous, unproved

OLD, NEW = (f"registry.example.com/models/digits@sha256:{digit * 64}" for digit in "12")
FILE = """\
# Of prod.
config:
  model-serving:cluster:   prod   # a context
  model-serving:models:
    other: {{image: {old}}}
    digits:
      replicas: 3
{entry}

  model-serving:protect: true
"""


def stack(tmp_path: Path, entry: str) -> stacks.Stack:
    (tmp_path / "Pulumi.yaml").write_text("name: model-serving\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(FILE.format(old=OLD, entry=entry))
    return stacks.load("prod", tmp_path)


@pytest.mark.parametrize(
    ("entry", "after", "before"),
    [
        (f"      image: {OLD}", f"      image: {NEW}", f"image: {OLD}"),
        (f'      image: "{OLD}"  # proved', f"      image: {NEW}  # proved", f'image: "{OLD}"'),
        (
            "      source: {framework: keras, path: model/digits}  # here\n      nodePool: l4",
            f"      image: {NEW}  # here\n      nodePool: l4",
            "source: {framework: keras, path: model/digits}",
        ),
        (
            "      source:\n        framework: keras\n        path: model/digits\n      nodePool: l4",
            f"      image: {NEW}\n      nodePool: l4",
            "source:\n        framework: keras\n        path: model/digits",
        ),
        (
            "      source:\n        framework: keras\n        path: model/digits",
            f"      image: {NEW}",
            "source:\n        framework: keras\n        path: model/digits",
        ),
    ],
    ids=["image", "quoted", "flow", "block", "block-at-the-end"],
)
def test_the_image_is_set_and_nothing_else_moves(tmp_path: Path, entry: str, after: str, before: str) -> None:
    target = stack(tmp_path, entry)
    assert stack_file.set_image(target, "digits", NEW) == before
    assert target.file.read_text() == FILE.format(old=OLD, entry=after)
    assert stacks.load("prod", tmp_path).models["digits"]["image"] == NEW
    assert stack_file.set_image(stacks.load("prod", tmp_path), "digits", OLD) == f"image: {NEW}"


@pytest.mark.parametrize("model", ["digits", "unknown"])
def test_a_file_that_names_no_image_of_it_is_refused_with_the_command_to_name_one(tmp_path: Path, model: str) -> None:
    target = stack(tmp_path, "      nodePool: l4")
    before = target.file.read_text()
    with pytest.raises(ToolchainError) as refused:
        stack_file.set_image(target, model, NEW)
    assert refused.value.todo == (f"pulumi config set --path 'model-serving:models.{model}.image' {NEW} --stack prod")
    assert target.file.read_text() == before


def workload(image: str, revision: int, *, uid: str = "d", owner: str = "d") -> dict[str, Any]:
    return {
        "metadata": {
            "uid": uid,
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": owner}],
        },
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": image}, {"image": "sidecar"}]}}},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
    }


def test_the_previous_image_is_the_newest_other_one_of_its_own_replica_sets() -> None:
    deployment = workload("c", 12)
    sets = [
        workload("a", 2),
        workload("c", 12),
        workload("b", 9),  # 9 is before 12, as numbers go
        workload("c", 11),  # other settings, same image
        workload("x", 13, owner="another"),
    ]
    assert previous(deployment, sets) == "b"
    assert previous(deployment, [workload("c", 12), workload("c", 11)]) is None
    # After an update that failed, the Deployment names the image that does not start.
    assert previous(workload("bad", 13), [*sets, workload("bad", 13)]) == "c"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"observedGeneration": 1}, "has just been changed"),
        ({"availableReplicas": 1}, "of 2 pods 2 run it and 1 are ready"),
        ({"updatedReplicas": 1, "replicas": 3}, "of 2 pods 1 run it and 2 are ready"),
        ({"replicas": 3}, "of 2 pods 2 run it"),
    ],
)
def test_an_image_is_proved_by_all_pods_of_its_deployment(change: dict[str, int], why: str) -> None:
    deployment = workload("c", 1)
    deployment["status"] |= change
    assert (why in unproved(deployment, "c")) if why else unproved(deployment, "c") == ""


def test_an_image_that_the_deployment_does_not_run_or_no_pod_does_is_not_proved() -> None:
    assert "runs c, not d" in unproved(workload("c", 1), "d")
    none = workload("c", 1)
    none["spec"]["replicas"] = 0
    none["status"] = {"observedGeneration": 2}
    assert "of 0 pods 0" in unproved(none, "c")

"""Reading a model's answer, and what pods say."""

from typing import Any

import pytest

from toolchain.kube import Pod
from toolchain.predict import is_right, label


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ({"datatype": "FP32", "shape": [1, 3], "data": [0.1, 0.7, 0.2]}, 1),
        ({"datatype": "FP32", "shape": [1, 3], "data": [[0.1, 0.2, 0.7]]}, 2),
        ({"datatype": "FP32", "shape": [2, 3], "data": [0.9, 0.1, 0.0, 0.0, 0.0, 1.0]}, 0),  # the first row's
        ({"datatype": "INT64", "shape": [1], "data": [7]}, 7),
        ({"datatype": "BYTES", "shape": [1], "data": ["cat"]}, "cat"),
        ({"datatype": "FP32", "shape": [1, 1], "data": [21.5]}, 21.5),
    ],
)
def test_label(output: dict[str, Any], answer: Any) -> None:
    assert label({"outputs": [output]}) == answer


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        (3, {"label": 3}, True),
        ("cat", {"label": "dog"}, False),
        (10.5, {"value": 10.0, "within": 0.5}, True),
        (9.4, {"value": 10.0, "within": 0.5}, False),
    ],
)
def test_a_right_answer(answer: Any, expected: dict[str, Any], right: bool) -> None:
    assert is_right(answer, expected) is right


def pod(**container: Any) -> Pod:
    statuses = [{"name": "server", "restartCount": 3, "state": {}, **container}]
    return Pod.of(
        {
            "metadata": {"name": "digits-1", "labels": {"app.kubernetes.io/name": "digits"}},
            "status": {
                "phase": "Running",
                "containerStatuses": statuses,
                "conditions": [{"type": "Ready", "status": "False"}],
            },
        }
    )


def test_a_container_that_refuses_to_start_says_why() -> None:
    refused = pod(
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        lastState={"terminated": {"exitCode": 1, "reason": "Error", "message": "model.onnx: wrong SHA-256\n"}},
    )
    assert refused.troubles == (
        "server: CrashLoopBackOff: back-off 40s",
        "server ended with 1 (Error): model.onnx: wrong SHA-256",
    )
    assert (refused.model, refused.ready, refused.restarts) == ("digits", False, 3)


def test_an_image_that_cannot_be_pulled_is_told() -> None:
    (trouble,) = pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}).troubles
    assert trouble == "server: ImagePullBackOff: not found"


@pytest.mark.parametrize(
    "state", [{"waiting": {"reason": "ContainerCreating"}}, {"running": {}}, {"terminated": {"exitCode": 0}}]
)
def test_nothing_is_told_of_a_container_on_its_way(state: dict[str, Any]) -> None:
    assert pod(state=state).troubles == ()


def test_a_pod_that_fits_nowhere_is_told() -> None:
    item = {
        "metadata": {"name": "p"},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}]},
    }
    assert Pod.of(item).troubles == ("not scheduled: Insufficient memory",)

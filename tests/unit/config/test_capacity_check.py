"""Updates that the pools of a stack have no room for, in numbers, and what would make room."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.capacity_check import check_capacity
from components.config import ConfigError

from .conftest import Load

Mistakes = Callable[..., list[str]]

IMAGE = "registry.example.com/m@sha256:" + "0123456789abcdef" * 4
L4 = {"provider": "existing", "nodeSelector": {"pool": "l4"}, "gpu": {"type": "nvidia-l4"}, "maxNodes": 3}
SET = "pulumi config set --path 'model-serving:nodePools.l4"


@pytest.fixture
def checked(load: Load) -> Callable[..., None]:
    """`checked({...})` loads that configuration and counts what it asks for."""
    return lambda config: check_capacity("dev", load(config).config)


@pytest.fixture
def mistakes(checked: Callable[..., None]) -> Mistakes:
    """The lines that a stack without room is answered with, without the headline."""

    def call(config: dict[str, Any]) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            checked(config)
        return [line.strip() for line in str(caught.value).split("\n")[1:]]

    return call


def stack(pool: dict[str, Any] | None = None, /, **models: dict[str, Any]) -> dict[str, Any]:
    return {
        "cluster": "local",
        "namespace": "models",
        "nodePools": {"l4": L4 | (pool or {})},
        "models": {name: {"image": IMAGE, "nodePool": "l4"} | model for name, model in models.items()},
    }


def test_what_fits_is_accepted(checked: Callable[..., None]) -> None:
    checked(stack(digits={"replicas": 2}))
    checked(stack(digits={"replicas": 3, "rollout": {"maxSurge": 0}}))
    checked(without_holes(stack({"maxNodes": None}, digits={"replicas": 100})))


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no spare GPU for the new pod": (
        stack(digits={"replicas": 3}),
        "model-serving:nodePools.l4.maxNodes: an update could not be scheduled: 4 pods of digits (3 replicas + 1 of an "
        "update), each 1 GPU, take 4 nodes of 1 GPU, and there are at most 3 "
        f"-> {SET}.maxNodes' 4 --stack dev, or models.digits.rollout.maxSurge: 0 (a replica is then missing during "
        "an update), or at most 2 replicas of digits",
    ),
    "too many replicas at any time": (
        stack(digits={"replicas": {"min": 1, "max": 5}}),
        "model-serving:nodePools.l4.maxNodes: an update could not be scheduled: 6 pods of digits (5 replicas + 1 of an "
        "update), each 1 GPU, take 6 nodes of 1 GPU, and there are at most 3 "
        f"-> {SET}.maxNodes' 6 --stack dev, or at most 2 replicas of digits",
    ),
    "two models that fit one by one": (
        stack(
            {"gpu": {"type": "nvidia-l4", "count": 4}, "maxNodes": 2},
            llm={"gpus": 4}, digits={"replicas": 2, "gpus": 1},
        ),
        "model-serving:nodePools.l4.maxNodes: an update could not be scheduled: 2 pods of llm (1 replica + 1 of an "
        "update), each 4 GPUs and 3 pods of digits (2 replicas + 1 of an update), each 1 GPU, take 3 nodes of 4 GPUs, "
        f"and there are at most 2 -> {SET}.maxNodes' 3 --stack dev, or models.llm.rollout.maxSurge and "
        "models.digits.rollout.maxSurge: 0 (a replica is then missing during an update)",
    ),
    "a canary beside its model": (
        stack(
            {"maxNodes": 4},
            digits={
                "replicas": 2,
                "canary": {"image": IMAGE, "weight": 10},
                "route": {"host": "digits.example.com", "gateway": {"name": "shared", "namespace": "gateways"}},
            },
        ),
        "model-serving:nodePools.l4.maxNodes: an update could not be scheduled: 3 pods of digits (2 replicas + 1 of an "
        "update), each 1 GPU and 2 pods of digits-canary (1 replica + 1 of an update), each 1 GPU, take 5 nodes of "
        f"1 GPU, and there are at most 4 -> {SET}.maxNodes' 5 --stack dev, or models.digits.rollout.maxSurge: 0 (a "
        "replica is then missing during an update), or at most 1 replica of digits",
    ),
    "memory that is scarcer than GPUs": (
        stack(
            {"gpu": {"type": "nvidia-l4", "count": 4}, "maxNodes": 1, "nodeCapacity": {"cpu": 15, "memory": "56Gi"}},
            digits={"resources": {"requests": {"cpu": 2, "memory": "30Gi"}}},
        ),
        "model-serving:nodePools.l4.maxNodes: an update could not be scheduled: 2 pods of digits (1 replica + 1 of an "
        "update), each 1 GPU, cpu 2, memory 30Gi, take 2 nodes of 4 GPUs, cpu 15, memory 56Gi, and there are at most 1 "
        f"-> {SET}.maxNodes' 2 --stack dev, or models.digits.rollout.maxSurge: 0 (a replica is then missing during an "
        "update)",
    ),
    "a limit of GPUs": (
        stack(
            {"provider": "karpenter", "nodeSelector": ..., "gpu": {"type": "l4", "count": 2}, "maxNodes": 9,
             "maxGpus": 4},
            digits={"replicas": 4},
        ),
        "model-serving:nodePools.l4.maxGpus: an update could not be scheduled: 5 pods of digits (4 replicas + 1 of an "
        "update), each 1 GPU, take 3 nodes of 2 GPUs, and there are at most 2 "
        f"-> {SET}.maxGpus' 6 --stack dev, or models.digits.rollout.maxSurge: 0 (a replica is then missing during an "
        "update), or at most 3 replicas of digits",
    ),
    "a pod that is larger than a node": (
        stack(
            {"nodeCapacity": {"cpu": 3, "memory": "14Gi"}},
            digits={"resources": {"requests": {"memory": "16Gi"}}},
        ),
        "model-serving:models.digits: no node of pool l4 can hold its pod: that asks for 1 GPU, cpu 0.25, memory 16Gi; "
        "a node has 1 GPU, cpu 3, memory 14Gi -> lower resources.requests, or name another pool",
    ),
}  # fmt: skip


def without_holes(config: dict[str, Any]) -> dict[str, Any]:
    pool = {key: value for key, value in config["nodePools"]["l4"].items() if value not in (..., None)}
    return config | {"nodePools": {"l4": pool}}


@pytest.mark.parametrize(("config", "line"), CASES.values(), ids=CASES.keys())
def test_the_arithmetic_and_the_ways_out_in_one_line(mistakes: Mistakes, config: dict[str, Any], line: str) -> None:
    assert mistakes(without_holes(config)) == [line]


def test_a_warning_or_nothing_where_that_is_asked_for(
    checked: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    config, line = CASES["no spare GPU for the new pod"]
    checked(config | {"capacityCheck": "warn"})
    assert line in capfd.readouterr().err
    checked(config | {"capacityCheck": "off"})
    assert capfd.readouterr().err == ""


def test_a_pool_of_another_stack_is_counted_by_nobody_here(checked: Callable[..., None]) -> None:
    config = stack(digits={"replicas": 100, "gpus": 1})
    checked(config | {"nodePools": {"l4": {"provider": "stack", "stack": "acme/platform/prod"}}})


def test_the_example_of_the_documentation_is_this(mistakes: Mistakes) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs/capacity.md").read_text()
    example, line = re.findall(r"```(?:yaml|text)\n(.*?)```", text, re.DOTALL)[:2]
    config = {key.removeprefix("model-serving:"): value for key, value in yaml.safe_load(example)["config"].items()}
    assert mistakes(config) == [line.strip()]

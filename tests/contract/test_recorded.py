"""The same program, step by step, does what it did with the official plugin."""

import json
from typing import Any

import pytest

from tests.contract.playing import RECORDED, Outcome, Player

pytestmark = [pytest.mark.integration, pytest.mark.shared, pytest.mark.usefixtures("helm")]

STEPS = json.loads((RECORDED / "recorded.json").read_text())["steps"]
NAMES = [f"{number}-{step['step']}" for number, step in enumerate(STEPS)]


def assert_same(played: Outcome, recorded: Outcome) -> None:
    assert played.operations() == recorded.operations()
    assert played.rc == recorded.rc
    assert played.errors() == recorded.errors()
    assert played.warnings() <= recorded.warnings()


@pytest.mark.parametrize("step", STEPS, ids=NAMES)
def test_step(player: Player, step: dict[str, Any]) -> None:
    player.at(step["step"])
    assert_same(player.preview(), Outcome.recorded(step["preview"]))
    if "up" in step:
        assert_same(player.up(), Outcome.recorded(step["up"]))


def test_state_holds_no_secret_in_the_clear(player: Player) -> None:
    state = json.dumps(player.state())
    # The program's two values of the Secret, and what the API server makes of them.
    for text in ("canary-1234", "canary-5678", "Y2FuYXJ5LTEyMzQ", "Y2FuYXJ5LTU2Nzg"):
        assert text not in state

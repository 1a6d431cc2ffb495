"""The same program, step by step, does what it did with the official plugin.

The recording's two Helm steps are not played; what they left behind is taken out of the step after them.
"""

import json
from typing import Any

import pytest

from tests.contract.playing import RECORDED, Outcome, Player

pytestmark = pytest.mark.integration

NOT_PLAYED = {"chart", "chart-values"}
STEPS = [
    step for step in json.loads((RECORDED / "recorded.json").read_text())["steps"] if step["step"] not in NOT_PLAYED
]
NAMES = [f"{number}-{step['step']}" for number, step in enumerate(STEPS)]


def expected(step: dict[str, Any], command: str) -> Outcome:
    outcome = Outcome.recorded(step[command])
    outcome.ops = [op for op in outcome.ops if not op["name"].startswith("probe")]
    return outcome


def assert_same(played: Outcome, recorded: Outcome) -> None:
    assert played.operations() == recorded.operations()
    assert played.rc == recorded.rc
    assert played.errors() == recorded.errors()
    assert played.warnings() <= recorded.warnings()


@pytest.mark.parametrize("step", STEPS, ids=NAMES)
def test_step(player: Player, step: dict[str, Any]) -> None:
    player.at(step["step"])
    assert_same(player.preview(), expected(step, "preview"))
    if "up" in step:
        assert_same(player.up(), expected(step, "up"))


def test_state_holds_no_secret_in_the_clear(player: Player) -> None:
    state = json.dumps(player.state())
    # The program's two values of the Secret, and what the API server makes of them.
    for text in ("canary-1234", "canary-5678", "Y2FuYXJ5LTEyMzQ", "Y2FuYXJ5LTU2Nzg"):
        assert text not in state

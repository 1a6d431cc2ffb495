"""How a user's mistake leaves the program: one diagnostic, a status that says it was explained, no traceback."""

from pathlib import Path

import pulumi
import pytest

from components.errors import UserError
from components.report import reported_user_errors

from .recording import STACK, record


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", messages.append)
    return messages


def test_a_users_mistake_is_told_and_ends_the_program(told: list[str]) -> None:
    with pytest.raises(SystemExit) as end, reported_user_errors():
        raise UserError("the port is taken")
    assert told == ["the port is taken"]
    assert end.value.code == 32
    assert end.value.__suppress_context__


def test_a_mistake_of_ours_keeps_its_traceback(told: list[str]) -> None:
    with pytest.raises(KeyError), reported_user_errors():
        raise KeyError("x")
    assert told == []


def test_the_program_declares_nothing_when_its_configuration_is_wrong(told: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        record(STACK | {"namespace": "Models", "models": {"digits": {}}})
    assert end.value.code == 32
    [message] = told
    assert message.startswith("2 mistakes in the configuration of stack dev")


def test_a_file_that_every_build_needs_is_missing(told: list[str]) -> None:
    Path("model/Dockerfile").unlink()
    with pytest.raises(SystemExit):
        record(STACK)
    assert told == ["model/Dockerfile does not exist, and every image is built with it; restore it from Git"]

"""Running other programs."""

import sys

import pytest

from toolchain import shell
from toolchain.errors import ToolchainError


def test_a_failure_shows_step_command_last_lines_and_what_to_do() -> None:
    code = "import sys; [print('line', i) for i in range(100)]; sys.exit(3)"
    with pytest.raises(ToolchainError) as caught:
        shell.run([sys.executable, "-c", code], "build the tool", todo="Run it again.")
    assert caught.value.step == "build the tool"
    assert "ended with 3" in caught.value.why
    assert "line 99" in caught.value.why
    assert "line 1\n" not in caught.value.why
    assert caught.value.todo == "Run it again."


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ToolchainError, match="cannot run no-such-program"):
        shell.run(["no-such-program"], "build")


def test_lines_are_seen_as_they_come() -> None:
    lines: list[str] = []
    shell.run(
        ["sh", "-c", "echo one; echo two >&2; echo $EXTRA"], "x", environment={"EXTRA": "three"}, on_line=lines.append
    )
    assert lines == ["one", "two", "three"]


@pytest.mark.parametrize("command", [["false"], ["no-such-program"], ["sleep", "5"]])
def test_a_quick_question_without_an_answer_is_empty(command: list[str]) -> None:
    assert shell.output(command, timeout=0.2) == ""

"""One changing command at a time."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from toolchain import lock, operations, paths, recovery
from toolchain.errors import ToolchainError
from toolchain.progress import Progress
from toolchain.stack import Stack


def stack(name: str = "dev", cluster: str = "local") -> Stack:
    return Stack(name, "shop", Path("/nowhere/Pulumi.yaml"), {"cluster": cluster}, None)


def test_the_second_one_is_told_the_first_ones_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["", "up", "--stack", "a b"])
    with lock.of_stack(stack()), pytest.raises(ToolchainError) as caught, lock.of_local_stacks():
        raise AssertionError("both have it")
    assert caught.value.why == (
        f"another command is at work, process {os.getpid()}: python3 -m toolchain up --stack 'a b'"
    )
    assert f"kill {os.getpid()}" in caught.value.todo
    with lock.of_local_stacks():
        pass


def test_the_second_one_waits_as_long_as_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[str] = []

    def second() -> None:
        with lock.of_local_stacks():
            ended.append("second")

    monkeypatch.setenv("LOCK_TIMEOUT", "60")
    with ThreadPoolExecutor(max_workers=1) as pool:
        with lock.of_local_stacks():
            waiting = pool.submit(second)
            wait_until(lambda: "Waiting for process" in capsys.readouterr().err, "what it says while it waits")
            ended.append("first")
        waiting.result(timeout=10)
    assert ended == ["first", "second"]


def test_a_time_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCK_TIMEOUT", "10m")
    with lock.of_local_stacks(), pytest.raises(ToolchainError) as caught, lock.of_local_stacks():
        raise AssertionError("both have it")
    assert "LOCK_TIMEOUT is '10m', and it is a number of seconds" in caught.value.why


def test_what_a_dead_process_wrote_is_no_lock() -> None:
    file = paths.data() / "lock"
    file.parent.mkdir(parents=True)
    file.write_text("1 python3 -m toolchain up --stack with-a-longer-name\n")
    with lock.of_local_stacks():
        assert file.read_text().startswith(f"{os.getpid()} ")
        assert "with-a-longer-name" not in file.read_text()


def test_a_child_does_not_keep_it() -> None:
    with lock.of_local_stacks():
        taken = [entry.name for entry in Path("/proc/self/fd").iterdir() if "lock" in str(entry.resolve())]
        assert not any(os.get_inheritable(int(name)) for name in taken)


def test_stacks_of_clusters_elsewhere_are_changed_side_by_side() -> None:
    prod = stack("prod", "production")
    with lock.of_stack(stack()), lock.of_stack(prod), lock.of_stack(stack("test", "testing")):
        pass
    with lock.of_stack(prod), pytest.raises(ToolchainError, match="another command"), lock.of_stack(prod):
        raise AssertionError("both have it")


@pytest.mark.parametrize(
    "command",
    [
        operations.up,
        operations.preview,
        operations.destroy,
        operations.start,
        operations.down,
        recovery.recover,
    ],
)
def test_every_command_that_changes_something_takes_it(command) -> None:
    with lock.of_local_stacks(), pytest.raises(ToolchainError, match="another command is at work"):
        command(stack(), Progress())

"""Processes are told apart from others that got their pid, and ended for good."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from toolchain.cluster import processes
from toolchain.cluster.processes import ProcessRecord

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def spawn(folder: Path, code: str, name: str = "one") -> ProcessRecord:
    argv = [sys.executable, "-c", code]
    return processes.spawn(folder / "table.json", name, argv, os.environ, folder / "logs" / f"{name}.log", "print")


def test_a_started_process_is_found_again_and_ended(tmp_path: Path) -> None:
    record = spawn(tmp_path, "import time; time.sleep(60)")

    found = processes.load(tmp_path / "table.json")["one"]
    assert found == record
    assert found.alive
    assert os.getsid(record.pid) == record.pid  # outlives the terminal
    processes.terminate([found], grace_seconds=5)
    assert not found.alive


def test_the_users_umask_is_left_behind(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        record = spawn(tmp_path, "import os; print(oct(os.umask(0)))")
        assert processes.wait_until(lambda: not record.alive, 10)
    finally:
        os.umask(before)
    assert processes.tail(tmp_path / "logs" / "one.log").strip() == "0o22"


def test_a_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    record = spawn(tmp_path, STUBBORN)
    log = tmp_path / "logs" / "one.log"
    assert processes.wait_until(lambda: log.exists() and "up" in log.read_text(), 10)

    processes.terminate([record], grace_seconds=0.1)

    assert not record.alive


@pytest.mark.parametrize("field", [{"started": 1}, {"boot": "another"}])
def test_another_process_with_the_same_pid_is_not_ours(tmp_path: Path, field: dict[str, int | str]) -> None:
    record = spawn(tmp_path, "import time; time.sleep(60)")
    stranger = replace(record, **field)

    assert not stranger.alive
    processes.terminate([stranger], grace_seconds=0)
    assert record.alive
    processes.terminate([record], grace_seconds=5)


def test_a_process_that_died_at_once_leaves_its_words(tmp_path: Path) -> None:
    record = spawn(tmp_path, "import sys; sys.exit('no space left')")

    assert processes.wait_until(lambda: not record.alive, 10)
    assert "no space left" in processes.tail(tmp_path / "logs" / "one.log")


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    for words in ("first", "second"):
        record = spawn(tmp_path, f"print({words!r})")
        assert processes.wait_until(lambda one=record: not one.alive, 10)

    assert (tmp_path / "logs" / "one.log").read_text() == "second\n"
    assert (tmp_path / "logs" / "one.previous.log").read_text() == "first\n"


def test_tail_shortens() -> None:
    assert processes.tail(Path("/nonexistent")) == "    (no log)"


def test_tail_keeps_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(["x" * 1000, *(f"line {n}" for n in range(100))]))

    lines = processes.tail(log, lines=3).splitlines()

    assert lines == ["    line 97", "    line 98", "    line 99"]

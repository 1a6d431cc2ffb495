"""Signals: one line, the exit code that shells expect, and what runs for us ends."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from toolchain import interruption, shell
from toolchain.interruption import Interrupted, Stopped

GRANDCHILD = "sleep 60 & echo $! > {file}; echo started; wait"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    interruption.stopping.clear()
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that its parent has not asked for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_line_and_the_exit_code(number: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, interruption.told():
        interrupt(number)
    assert end.value.code == code
    assert capsys.readouterr().err.count("\n") == 1


def test_whoever_presses_twice_does_not_break_the_cleaning_up() -> None:
    cleaned: list[str] = []

    def work() -> None:
        try:
            interrupt()
        finally:
            interrupt()
            cleaned.append("all")

    with pytest.raises(SystemExit), interruption.told():
        work()
    assert cleaned


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruption.told():
        interrupt(signal.SIGHUP)


def ends_with_its_children(file: Path, run: Callable[[], None]) -> None:
    run()
    pid = int(file.read_text())
    for _ in range(100):
        if is_gone(pid):
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"{pid} still runs")


def test_a_command_ends_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    def run() -> None:
        with pytest.raises(SystemExit), interruption.told():
            shell.run(
                ["sh", "-c", GRANDCHILD.format(file=file)],
                "x",
                on_line=lambda line: interrupt() if line == "started" else None,
            )

    ends_with_its_children(file, run)


def test_a_command_of_another_thread_too_and_no_other_starts(tmp_path: Path) -> None:
    file, started = tmp_path / "pid", threading.Event()

    def work() -> None:
        shell.run(["sh", "-c", GRANDCHILD.format(file=file)], "x", on_line=lambda line: started.set())

    def run() -> None:
        with ThreadPoolExecutor() as pool:
            future = pool.submit(work)
            assert started.wait(10)
            interruption.stopping.set()
            shell.end_all()
            assert isinstance(future.exception(), Stopped)
        with pytest.raises(Stopped):
            shell.run(["touch", tmp_path / "never"], "x")

    ends_with_its_children(file, run)
    assert not (tmp_path / "never").exists()


def test_what_may_not_be_cut_off_is_waited_for(tmp_path: Path) -> None:
    script = f"echo started; sleep 0.1; touch {tmp_path}/done"
    with pytest.raises(SystemExit), interruption.told():
        shell.run(["sh", "-c", script], "x", on_line=lambda line: interrupt(), cut_off=False)
    assert (tmp_path / "done").exists()


def test_a_foreground_command_ends_its_work_in_order(tmp_path: Path) -> None:
    """Asked once, however often we are; then the signal is ours again."""
    script = (
        "import os, signal, sys, pathlib, time\n"
        "def end(*_):\n"
        "    time.sleep(0.1); pathlib.Path(sys.argv[2]).touch(); sys.exit(5)\n"
        "signal.signal(signal.SIGINT, end)\n"
        "os.kill(int(sys.argv[1]), signal.SIGTERM)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-S", "-c", script, str(os.getpid()), str(tmp_path / "done")]
    with pytest.raises(Interrupted) as interrupted:
        shell.foreground(command, environment=dict(os.environ), folder=tmp_path)
    assert interrupted.value.number == signal.SIGTERM
    assert (tmp_path / "done").exists()


def test_a_foreground_commands_exit_code_is_ours(tmp_path: Path) -> None:
    assert shell.foreground(["sh", "-c", "exit 7"], environment=dict(os.environ), folder=tmp_path) == 7

"""Progress where nobody watches a terminal."""

import io
import time

import pytest
from rich.console import Console

from toolchain.progress import Progress, duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (12.4, "12 s"), (185.0, "3 min 05 s"), (60, "1 min 00 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_long_step_gives_a_sign_of_life_with_what_it_does() -> None:
    log = io.StringIO()
    progress = Progress(Console(file=log, width=200), heartbeat_seconds=0.02)
    with progress.step("build") as step:
        step.note = "7 of 9"
        deadline = time.monotonic() + 5
        while "so far" not in log.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    lines = log.getvalue().splitlines()
    assert lines[0] == "  … build"
    assert lines[1].startswith("  … build: 7 of 9 (")
    assert lines[-1].startswith("  ✓ build (")


def test_a_step_that_fails_is_marked() -> None:
    log = io.StringIO()
    with pytest.raises(ValueError), Progress(Console(file=log, width=200)).step("build"):  # noqa: PT011
        raise ValueError
    assert log.getvalue().splitlines()[-1].startswith("  ✗ build (")

"""Progress of long steps: a live display on a terminal, plain lines with a heartbeat elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

HEARTBEAT_SECONDS = 20.0

# In a log or a pipe nothing is gained by wrapping at 80 columns.
_LOG_WIDTH = 240

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _LOG_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True, width=None if sys.stderr.isatty() else _LOG_WIDTH)


@dataclass
class Step:
    """One running step. ``note`` is what it is doing now; any thread may set it."""

    title: str
    began: float = field(default_factory=time.monotonic)
    note: str = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class Progress:
    """Shows the steps that run now, side by side, and keeps a line for each that ended."""

    def __init__(self, console: Console = out, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._console = console
        self._heartbeat_seconds = heartbeat_seconds
        self._running: list[Step] = []
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._stop_heartbeat: threading.Event | None = None

    @contextmanager
    def step(self, title: str, note: str = "") -> Iterator[Step]:
        """A step for as long as the block runs; its end is one line with its duration."""
        step = Step(title, note=note)
        self._begin(step)
        try:
            yield step
        except BaseException:
            self._end(step, "[red]✗[/red]")
            raise
        self._end(step, "[green]✓[/green]")

    def say(self, text: str) -> None:
        """Print one line above what is running."""
        self._console.print(text, markup=False)

    def _begin(self, step: Step) -> None:
        with self._lock:
            self._running.append(step)
            if not self._console.is_terminal:
                self._console.print(f"  … {step.title}" + (f": {step.note}" if step.note else ""), markup=False)
            if len(self._running) == 1:
                self._start_display()

    def _end(self, step: Step, mark: str) -> None:
        with self._lock:
            self._running.remove(step)
            if not self._running:
                self._stop_display()
            text = Text.from_markup(f"  {mark} ")
            text.append(f"{step.title} ({duration(step.seconds)})")
            self._console.print(text)

    def _start_display(self) -> None:
        if self._console.is_terminal:
            self._live = Live(_Running(self), console=self._console, refresh_per_second=8, transient=True)
            self._live.start()
            return
        stop = self._stop_heartbeat = threading.Event()
        threading.Thread(target=self._beat, args=(stop,), daemon=True).start()

    def _stop_display(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        if self._stop_heartbeat:
            self._stop_heartbeat.set()
            self._stop_heartbeat = None

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(self._heartbeat_seconds):
            for step in self.running():
                note = f": {step.note}" if step.note else ""
                self._console.print(f"  … {step.title}{note} ({duration(step.seconds)} so far)", markup=False)

    def running(self) -> list[Step]:
        """The steps that run now, oldest first."""
        return list(self._running)


class _Running:
    """What the live display shows: one line per running step, measured anew at every refresh."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._spinner = Spinner("dots")

    def __rich__(self) -> RenderableType:
        frame = self._spinner.render(time.monotonic())
        mark = frame if isinstance(frame, Text) else Text("…")
        return Group(*(self._line(mark, step) for step in self._progress.running()))

    @staticmethod
    def _line(mark: Text, step: Step) -> Text:
        elapsed = (f"({duration(step.seconds)})", "dim")
        note = f": {step.note}" if step.note else ""
        return Text.assemble("  ", mark, f" {step.title} ", elapsed, note, no_wrap=True, overflow="ellipsis")


def duration(seconds: float) -> str:
    """A duration as people read it: 0.4 s, 12 s, 3 min 05 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"

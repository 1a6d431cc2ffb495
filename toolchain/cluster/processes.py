"""The cluster's processes: started detached, recorded by pid and start time, found again by a later command."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from toolchain.cluster.files import read_json, write_json

_POLL_SECONDS = 0.02
_TABLE = threading.Lock()  # components start side by side


@dataclass(frozen=True)
class ProcessRecord:
    """One started process. The pair (boot, started) tells it from a later process that got the same pid."""

    name: str
    pid: int
    started: int
    """Clock ticks after boot, field 22 of /proc/PID/stat."""
    boot: str
    spawned_at: float
    """Seconds since the epoch."""
    fingerprint: str
    """Hash of the command line and of the files it was started with; another one calls for a restart."""

    @property
    def alive(self) -> bool:
        return self.boot == boot_id() and _start_time(self.pid) == self.started


def boot_id() -> str:
    """The kernel's name for the time since it was booted."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_time(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None when it is gone, or dead and not reaped yet."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of this very process would stay a zombie otherwise
    try:
        # The command's name is in parentheses and may hold blanks: count the fields behind it.
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return None if state in "ZX" else int(rest[18])


def load(table: Path) -> dict[str, ProcessRecord]:
    """The recorded processes by name, dead ones too."""
    return {name: ProcessRecord(**fields) for name, fields in read_json(table, {}).items()}


def forget(table: Path) -> None:
    """Drop the record of processes that are gone."""
    table.unlink(missing_ok=True)


def drop(table: Path, names: Collection[str]) -> None:
    """Drop the records of these processes only."""
    with _TABLE:
        write_json(table, {name: asdict(record) for name, record in load(table).items() if name not in names})


def spawn(
    table: Path, name: str, argv: Iterable[str], environment: Mapping[str, str], log: Path, fingerprint: str
) -> ProcessRecord:
    """Start ``argv`` in a session of its own, its output in ``log``, and record it in ``table``.

    It outlives this process. The first word of ``argv`` is an absolute path. The log of the run before is kept beside.
    """
    # A strict umask of the user's would make images that only root can read.
    argv = ["/bin/sh", "-c", 'umask 022; exec "$0" "$@"', *argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    pid = os.posix_spawn(
        argv[0],
        argv,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGHUP),
    )
    # A process that died at once still gets a record, so that its log is shown.
    record = ProcessRecord(name, pid, _start_time(pid) or -1, boot_id(), time.time(), fingerprint)
    with _TABLE:
        write_json(table, {key: asdict(value) for key, value in {**load(table), name: record}.items()})
    return record


def terminate(records: Iterable[ProcessRecord], grace_seconds: float) -> None:
    """End the processes: SIGTERM, and SIGKILL to those that are still there after ``grace_seconds``."""
    for number, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        living = [record for record in records if record.alive]
        for record in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, number)
        if wait_until(lambda remaining=living: not any(record.alive for record in remaining), patience):
            return


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll ``condition`` until it is true; False when it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def running() -> Iterator[tuple[int, list[str]]]:
    """Pid and command line of every process of the machine that has one (kernel threads have none)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if arguments[0]:
                    yield int(entry.name), arguments[:-1]


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, each cut to 300 characters, indented for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 32_768))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return "    (no log)"
    return "\n".join(f"    {line[:300]}" for line in text.splitlines()[-lines:]) or "    (empty log)"

"""The load: wrk, which takes little of the processors that it shares with the server, with a script that checks.

wrk (https://github.com/wg/wrk) sends on each connection the next request when the last is answered. `load.lua` holds
every answer against what it must contain. That it does is proved before it is believed: see `prove`.
"""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from toolchain.parts.build import DebianPackages
from toolchain.progress import Step

CONNECTIONS = 16


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to send which request (POST), and the bytes that every answer must contain."""

    name: str
    port: int
    path: str
    body: bytes
    headers: dict[str, str]
    answer: bytes


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a load found: answers, how many were wrong, and requests that never had one."""

    answered: int
    wrong: int
    lost: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


def measure(target: Target, seconds: float, connections: int = CONNECTIONS) -> Found:
    """Loads the target for a while. Raises RuntimeError when an answer is wrong, or when there is none."""
    found = _run(target, seconds, connections)
    if found.wrong or found.lost or not found.answered:
        raise RuntimeError(
            f"{target.name}: of {found.answered} answers under load {found.wrong} are wrong; {found.lost} are lost"
        )
    return found


def prove(target: Target) -> None:
    """Expects what the target does not answer. Raises RuntimeError unless every single answer counts as wrong."""
    found = _run(replace(target, answer=target.answer + b"\0"), 1, CONNECTIONS)
    if not found.answered or found.wrong != found.answered:
        raise RuntimeError(f"{target.name}: {found.answered - found.wrong} wrong answers were taken for right ones")


def _run(target: Target, seconds: float, connections: int) -> Found:
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / name for name in ("body", "headers", "answer")]
        headers = "".join(f"{name}: {value}\n" for name, value in target.headers.items())
        for file, content in zip(files, (target.body, headers.encode(), target.answer), strict=True):
            file.write_bytes(content)
        url = f"http://127.0.0.1:{target.port}{target.path}"
        script = str(Path(__file__).with_name("load.lua"))
        # Its durations are whole seconds, or these with a unit.
        command = [_wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        done = subprocess.run([*command, "-s", script, url, "--", *map(str, files)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"wrk: {done.stdout}\n{done.stderr}")
    return Found(**json.loads(done.stdout.splitlines()[-1]))


def _wrk() -> str:
    """Path of the program, which is installed where it is missing. Raises ToolchainError when it cannot be."""
    if (path := shutil.which("wrk")) is not None:
        return path
    package = DebianPackages(("wrk",))
    if not package.available() or package.missing():
        raise RuntimeError("wrk is needed to load the servers: install it (Debian, Ubuntu: apt-get install wrk)")
    package.obtain(Path(), Step("wrk"), Path())
    return shutil.which("wrk") or "wrk"

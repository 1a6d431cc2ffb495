"""A server as its container runs it: a process of its own, on a free port of 127.0.0.1."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

MODEL_ROOT = Path(__file__).resolve().parents[3] / "model"
START_SECONDS = 60


@dataclass
class Running:
    """A started server. `output` is filled when it has ended."""

    process: subprocess.Popen[str]
    port: int
    termination_log: Path
    output: str = ""
    errors: str = ""
    _ended: bool = field(default=False, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self, number: int | None = signal.SIGTERM) -> int:
        """Sends a signal, unless None, waits, and returns the exit code."""
        if not self._ended:
            if number is not None and self.process.poll() is None:
                self.process.send_signal(number)
            self.output, self.errors = self.process.communicate(timeout=60)
            self._ended = True
        return self.process.returncode

    def events(self) -> list[dict[str, Any]]:
        """The log. Every line is a JSON object, or this raises."""
        return [json.loads(line) for line in self.output.splitlines()]


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder: Path, scratch: Path, **environment: str) -> Running:
    """Starts a server for the model in `folder`, and does not wait for it."""
    port = int(environment.get("PORT", free_port()))
    scratch.mkdir(parents=True, exist_ok=True)
    termination_log = scratch / "termination-log"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "server"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(MODEL_ROOT),
            "HOME": str(scratch),
            "MODEL_NAME": "linear",
            "MODEL_DIR": str(folder),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "TERMINATION_LOG": str(termination_log),
            "THREADS": "1",
            **environment,
        },
        cwd=scratch,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Running(process, port, termination_log)


def wait_until_ready(server: Running) -> None:
    """Polls readiness. Fails if the server ends, or takes longer than a minute."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{server.url}/v2/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server.process.poll() is not None or time.monotonic() > deadline:
            server.end(signal.SIGKILL)
            raise AssertionError(f"not ready: {server.output}\n{server.errors}")
        time.sleep(0.02)


@contextmanager
def serving(folder: Path, scratch: Path, **environment: str) -> Iterator[Running]:
    """A server that is ready, stopped at the end."""
    server = start(folder, scratch, **environment)
    try:
        wait_until_ready(server)
        yield server
    finally:
        server.end()

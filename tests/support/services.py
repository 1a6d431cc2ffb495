"""Services of a test's own, which it may kill without harm to anybody else's."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Registry:
    """An image registry on a port of its own, its blobs in `folder`."""

    folder: Path
    env: Mapping[str, str]
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    def start(self) -> None:
        program = shutil.which("registry", path=self.env["PATH"])
        assert program, "the toolchain's registry is not installed"
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }
        (self.folder / "config.yml").write_text(yaml.safe_dump(settings))
        self._process = subprocess.Popen(
            [program, "serve", self.folder / "config.yml"],
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, "the registry ended at once"
            assert time.monotonic() < deadline, f"the registry does not answer on {self.host}"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, without a word."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Lose everything that was pushed, as a registry without a volume does when it is restarted."""
        self.kill()
        shutil.rmtree(self.storage, ignore_errors=True)
        self.start()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.host}/v2/", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

"""Plugins as processes of their own, as the engine has them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def started(module: str, home: Path) -> Iterator["subprocess.Popen[str]"]:
    """A plugin with an engine's pipes and an empty home."""
    command = [sys.executable, "-m", module, "127.0.0.1:1"]
    pipe, env = subprocess.PIPE, {**os.environ, "HOME": str(home), "KUBECONFIG": "", "DOCKER_HOST": ""}
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env) as process:
        yield process
        process.kill()


@contextmanager
def connected(process: "subprocess.Popen[str]") -> Iterator[Any]:
    """A client of a plugin that has just been started."""
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)

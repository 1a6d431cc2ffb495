"""The local stack's services, as `make up` starts them, for whoever needs a real cluster."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.workspace import ROOT


@dataclass(frozen=True)
class LocalCluster:
    """A running local cluster.

    Attributes:
        kubeconfig: of an administrator.
        registry: `host:port` that the cluster pulls from without credentials.
        env: what `pulumi`, its plugins, the builder and `kubectl` need; PATH is complete.
    """

    kubeconfig: Path
    registry: str
    env: dict[str, str]

    def kubectl(self, *arguments: str, namespace: str, stdin: str = "") -> str:
        """What kubectl printed. Raises AssertionError with its errors."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), "--namespace", namespace, *arguments]
        environment = {**os.environ, **self.env}
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}:\n{done.stderr}"
        return done.stdout


def toolchain(*arguments: str) -> str:
    """Run a command of the toolchain and return what it printed. Raises AssertionError with its errors."""
    done = subprocess.run([sys.executable, "-m", "toolchain", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"toolchain {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def local_cluster() -> Iterator[LocalCluster]:
    """The services of stack dev: those that run already, else started now and stopped afterwards."""
    ran_before = "running" in toolchain("status")
    toolchain("start")
    try:
        env = exports(toolchain("env"))
        yield LocalCluster(Path(env["KUBECONFIG"]), "localhost:5001", env)
    finally:
        if not ran_before:
            toolchain("down")


def exports(script: str) -> dict[str, str]:
    """The variables that a shell would have after `eval`uating a script of `export NAME=value` lines."""
    marker = "== exported =="
    done = subprocess.run(
        ["sh", "-c", f"{script}\nprintf '{marker}\\n'; env -0"], check=True, capture_output=True, text=True
    )
    after = dict(line.split("=", 1) for line in done.stdout.split(f"{marker}\n", 1)[1].split("\0") if line)
    names = [shlex.split(line)[1].split("=")[0] for line in script.splitlines() if line.startswith("export ")]
    return {name: after[name] for name in names}

"""Ctrl-C while `make up` builds an image or rolls out, and `make up` again; two commands at once."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import LocalCluster
from tests.support.waiting import group_is_gone, wait_until
from tests.support.workspace import copy_checkout

pytestmark = pytest.mark.integration


class Checkout:
    """A copy of the checkout with a stack of its own on the shared local cluster."""

    def __init__(self, folder: Path) -> None:
        self.path = copy_checkout(folder)
        self.stack = f"cut-{uuid.uuid4().hex[:6]}"
        self.file = self.path / f"Pulumi.{self.stack}.yaml"
        dev = yaml.safe_load((self.path / "Pulumi.dev.yaml").read_text())
        dev["config"]["model-serving:namespace"] = self.stack
        self.file.write_text(yaml.safe_dump(dev))

    def begin(self, *command: str) -> subprocess.Popen[str]:
        """Start a command of the toolchain, as a shell does: in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "toolchain", *command, "--stack", self.stack],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def run(self, *command: str) -> str:
        process = self.begin(*command)
        printed, _ = process.communicate(timeout=600)
        assert process.returncode == 0, printed
        return printed

    def interrupted(self, *command: str, at: str) -> str:
        """Press Ctrl-C once the command has printed a line that `at` matches. What it printed."""
        process = self.begin(*command)
        assert process.stdout
        printed = ""
        for line in process.stdout:
            printed += line
            if re.search(at, line):
                os.killpg(process.pid, signal.SIGINT)
                break
        printed += process.stdout.read()
        assert process.wait(timeout=120) == 128 + signal.SIGINT, printed
        assert "Traceback" not in printed
        assert "interrupted (SIGINT)" in printed
        wait_until(lambda: group_is_gone(process.pid), "the end of everything that it started", seconds=30)
        return printed


@pytest.fixture(scope="module")
def checkout(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path_factory.mktemp("cut off") / "a checkout")
    yield checkout
    checkout.run("destroy")
    environment = {**os.environ, **local_cluster.env}
    subprocess.run(["pulumi", "stack", "rm", "--yes", checkout.stack], cwd=checkout.path, env=environment, check=True)


def test_ctrl_c_during_an_image_build(checkout: Checkout) -> None:
    """The lock is released, nothing of the build runs on, and the same command completes."""
    with (checkout.path / "model/server/__init__.py").open("a") as code:
        code.write(f"\n# {uuid.uuid4()}: another image, and no other training\n")
    checkout.interrupted("up", at=r"docker-build:index:Image digits-build creating .*#")
    assert checkout.run("up").count("right") == 10


def test_ctrl_c_during_a_rollout(checkout: Checkout) -> None:
    config = yaml.safe_load(checkout.file.read_text())
    config["config"]["model-serving:models"]["digits"]["env"] = {"LOG_LEVEL": "warning"}
    checkout.file.write_text(yaml.safe_dump(config))
    checkout.interrupted("up", at=r"Deployment digits-server updating")
    assert checkout.run("up").count("right") == 10
    assert "unchanged" in checkout.run("preview")


def test_the_second_of_two_commands_names_the_first(checkout: Checkout) -> None:
    first = checkout.begin("up")
    assert first.stdout
    first.stdout.readline()
    second = checkout.begin("up")
    printed, _ = second.communicate(timeout=60)
    assert second.returncode == 1, printed
    assert f"process {first.pid}" in printed
    rest, _ = first.communicate(timeout=300)
    assert first.returncode == 0, rest

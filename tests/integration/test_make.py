"""The commands of the README, as a newcomer types them in a clone; after each the clone is as Git left it."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import LocalCluster
from tests.support.registry import Image
from tests.support.tampering import with_one_wrong_weight
from tests.support.workspace import copy_checkout
from toolchain import cluster_memory, stack

pytestmark = pytest.mark.integration

XDG = {"XDG_CACHE_HOME": ".cache", "XDG_DATA_HOME": ".local/share", "XDG_CONFIG_HOME": ".config"}
USERS_FILES = (".kube/config", ".docker/config.json", ".pulumi/credentials.json")
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.com")


@dataclass
class Clone:
    """A Git clone with a committed stack of its own, so that a stack dev of the user's is left alone."""

    path: Path
    stack: str
    home: Path
    """A home folder with files of other programs, which are none of this project's business."""

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        # Only what is named after HOME itself moves: the tools and the running services are those of the user.
        own = {"HOME": str(self.home)}
        own |= {name: os.environ.get(name, str(Path.home() / folder)) for name, folder in XDG.items()}
        environment = {**os.environ, **own}
        done = subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, timeout=600)
        assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
        return done

    def make(self, target: str, *variables: str, check: bool = True) -> str:
        """What `make TARGET STACK=<ours>` printed. Whatever it did, the clone must be as Git left it."""
        done = self.run("make", target, f"STACK={self.stack}", *variables, check=check)
        assert self.run("git", "status", "--porcelain").stdout == ""
        assert check or done.returncode != 0
        return done.stdout + done.stderr

    def write(self, models: dict[str, object], **settings: object) -> None:
        """Commit the stack's file with these models."""
        dev = yaml.safe_load((self.path / "Pulumi.dev.yaml").read_text())
        for key, value in {"models": models, "namespace": self.stack, **settings}.items():
            dev["config"][f"model-serving:{key}"] = value
        (self.path / f"Pulumi.{self.stack}.yaml").write_text(yaml.safe_dump(dev))
        self.run("git", "add", "--all")
        self.run(*GIT, "commit", "--quiet", "--message", "stack")


@pytest.fixture(scope="module")
def clone(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    path = copy_checkout(tmp_path_factory.mktemp("make") / "a clone")
    clone = Clone(path, f"try-{uuid.uuid4().hex[:6]}", tmp_path_factory.mktemp("home"))
    for name in USERS_FILES:
        (clone.home / name).parent.mkdir()
        (clone.home / name).write_text("{}")
    clone.run("git", "init", "--quiet")
    clone.write({"digits": {"source": {"framework": "keras", "path": "model/digits"}}})
    yield clone
    clone.make("destroy")
    environment = {**os.environ, **local_cluster.env}
    subprocess.run(["pulumi", "stack", "rm", "--yes", clone.stack], cwd=path, env=environment, check=True)


def users_files(clone: Clone) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of all that lies in those folders of HOME."""
    folders = [clone.home / name.partition("/")[0] for name in USERS_FILES]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def test_up_predicts_and_shows_its_command(clone: Clone) -> None:
    """And leaves the files of kubectl, Docker and the user's own Pulumi as they are."""
    before = users_files(clone)
    printed = clone.make("up")
    assert users_files(clone) == before
    assert len(before) == len(USERS_FILES)
    assert f"pulumi up --stack {clone.stack}" in printed
    assert printed.count("right") == 10
    assert "wrong" not in printed


def test_the_other_commands(clone: Clone) -> None:
    assert "unchanged" in clone.make("preview")
    assert clone.make("predict", "MODEL=digits").count("right") == 10
    printed = clone.make("status")
    assert "digits" in printed
    assert "cluster" in printed
    assert "Kubernetes plugin" in clone.make("doctor")


def test_a_model_that_refuses_to_start_says_why(clone: Clone) -> None:
    """The reason in the container's termination message is what `make up` ends with."""
    good = yaml.safe_load((clone.path / f"Pulumi.{clone.stack}.yaml").read_text())["config"]["model-serving:models"]
    image = next(line.split()[-1] for line in clone.make("status").splitlines() if "@sha256:" in line)
    bad = with_one_wrong_weight(Image(image))
    clone.write({"digits": {"image": bad.reference, "startupTimeoutSeconds": 20}})
    printed = clone.make("up", check=False)
    assert "golden request" in printed.split("Duration:")[-1]
    clone.write(good)
    assert clone.make("up").count("right") == 10


def test_a_cluster_that_lost_everything(clone: Clone, local_cluster: LocalCluster) -> None:
    """What the state has is gone, as after the cluster's data was deleted: the next `up` notices and makes it again."""
    kubectl = shutil.which("kubectl", path=local_cluster.env["PATH"]) or "kubectl"
    clone.run(kubectl, "--kubeconfig", str(local_cluster.kubeconfig), "delete", "namespace", clone.stack)
    cluster_memory._file(stack.load(clone.stack, clone.path)).write_text("the cluster before")
    printed = clone.make("up")
    assert "the local cluster is a new one" in printed
    assert printed.count("right") == 10


def test_only_a_local_stack_has_services(clone: Clone) -> None:
    clone.write({"digits": {"image": f"registry.example.com/digits@sha256:{'0' * 64}"}}, cluster="production")
    printed = clone.make("down", check=False)
    assert "not local" in printed
    clone.write({"digits": {"source": {"framework": "keras", "path": "model/digits"}}})


def test_destroy(clone: Clone, local_cluster: LocalCluster) -> None:
    clone.make("destroy")
    kubectl = shutil.which("kubectl", path=local_cluster.env["PATH"]) or "kubectl"
    left = clone.run(kubectl, "--kubeconfig", str(local_cluster.kubeconfig), "get", "namespaces", "-o", "name").stdout
    assert clone.stack not in left

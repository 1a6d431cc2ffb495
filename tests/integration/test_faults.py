"""What goes wrong during the job, and the way out that docs/operations.md gives, on the real parts.

Every test leaves the stack converged: the same `up` again changes nothing.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import LocalCluster, toolchain
from tests.support.load import Load, examples, infer, label
from tests.support.registry import Image
from tests.support.services import Registry, free_port
from tests.support.waiting import group_is_gone, wait_until
from tests.support.workspace import Workspace
from toolchain import cluster as local
from toolchain import paths

pytestmark = pytest.mark.integration

STACK = f"faults-{uuid.uuid4().hex[:6]}"
KINDS = "deployments,services,configmaps,secrets,serviceaccounts"


class Job:
    """A deployed stack with a registry of its own, and what the cluster has of it."""

    def __init__(self, workspace: Workspace, cluster: LocalCluster, registry: Registry) -> None:
        self.workspace = workspace
        self.registry = registry
        self.cluster = cluster
        self.folder = workspace.path / "model/digits"

    @property
    def models(self) -> dict[str, Any]:
        return self.workspace.read_config()["config"]["model-serving:models"]

    def change(self, model: str = "digits", **fields: Any) -> None:
        """Change fields of a model in the stack file; None takes one out."""
        merged = {**self.models.get(model, {}), **fields}
        kept = {key: value for key, value in merged.items() if value is not None}
        self.workspace.set_config(models=self.models | {model: kept})

    def served(self, model: str = "digits") -> dict[str, Any]:
        return self.workspace.outputs()["models"][model]

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(*arguments, namespace=STACK)

    def pods(self, model: str = "digits") -> list[dict[str, Any]]:
        selector = f"app.kubernetes.io/name={model}"
        return json.loads(self.kubectl("get", "pods", "--selector", selector, "--output", "json"))["items"]

    def deployments(self, model: str) -> dict[str, str]:
        """Name and uid of the model's Deployments."""
        selector = f"app.kubernetes.io/name={model}"
        listed = json.loads(self.kubectl("get", "deployments", "--selector", selector, "--output", "json"))["items"]
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in listed}

    def objects(self) -> Counter[str]:
        """Objects in the cluster that Pulumi made, like "Deployment": 1."""
        listed = json.loads(self.kubectl("get", KINDS, "--output", "json"))["items"]
        ours = [o for o in listed if o["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "pulumi"]
        return Counter(item["kind"] for item in ours)

    def recorded(self) -> Counter[str]:
        """The same, as the state has them."""
        state = json.loads(self.workspace.pulumi("stack", "export", "--stack", STACK).stdout)["deployment"]
        assert not state.get("pending_operations")
        kinds = [r["type"].rsplit(":", 1)[1] for r in state["resources"] if r["type"].startswith("kubernetes:")]
        return Counter(kind for kind in kinds if kind.lower() + "s" in KINDS.split(","))

    def explanation(self) -> str:
        """What `make up` ends with when it failed."""
        program = f"from toolchain import operations, stack; operations.explain(stack.load({self.workspace.stack!r}))"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=self.workspace.path,
            env=self.workspace.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stderr

    def assert_converged(self) -> None:
        """Nothing to do, nothing lost, nothing twice, and right answers."""
        self.workspace.preview("--expect-no-changes")
        assert self.objects() == self.recorded()
        for model in self.models:
            for request, expected in examples(self.folder):
                assert label(infer(self.served(model)["nodePort"], model, request)) == expected

    @contextmanager
    def load(self) -> Iterator[None]:
        """The old version answers every request meanwhile."""
        with Load(self.served()["nodePort"], "digits", self.folder) as load:
            yield
        assert load.right > 0
        assert not load.failures


@pytest.fixture(scope="module")
def job(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    home = tmp_path_factory.mktemp("faults")
    registry = Registry(home / "registry", local_cluster.env)
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=STACK, registry={"repository": f"{registry.host}/models"})
    registry.start()
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    workspace.up()
    job = Job(workspace, local_cluster, registry)
    yield job
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)
    registry.kill()
    (paths.data() / "stacks" / "model-serving" / f"{STACK}.yaml").unlink(missing_ok=True)


def test_two_updates_at_once(job: Job) -> None:
    job.change(env={"LOG_LEVEL": "warning"})
    first = job.workspace.begin_up()
    locks = job.workspace.backend / ".pulumi/locks"
    wait_until(lambda: list(locks.rglob("*.json")), "the lock")
    second = job.workspace.up(check=False)
    assert second.returncode != 0
    assert "locked" in second.stdout + second.stderr
    printed, _ = first.communicate(timeout=300)
    assert first.returncode == 0, printed
    job.assert_converged()


def killed_while(job: Job, reached: Callable[[], object], what: str) -> None:
    """Start `up` and kill the engine, and nothing else, when a state is reached."""
    engine = job.workspace.begin_up()
    wait_until(lambda: reached() or engine.poll() is not None, what, seconds=120)
    assert engine.poll() is None, engine.communicate()[0]
    engine.send_signal(signal.SIGKILL)
    engine.communicate(timeout=60)
    wait_until(lambda: group_is_gone(engine.pid), "the end of the engine's plugins")
    refused = job.workspace.up(check=False)
    assert refused.returncode != 0
    assert "pulumi cancel" in refused.stdout + refused.stderr


def test_a_killed_engine_that_was_creating(job: Job) -> None:
    """Its Deployment exists and the state does not know: it is imported, not made twice and not left behind."""
    job.change("second", image=job.served()["image"], service={"type": "NodePort"})
    killed_while(job, lambda: job.deployments("second"), "the new Deployment")
    before = job.deployments("second")
    recovered = job.workspace.toolchain("recover")
    assert "second-server: is there" in recovered.stdout
    job.workspace.up()
    assert job.deployments("second") == before, recovered.stdout
    job.assert_converged()
    job.change("second", env={"LOG_LEVEL": "error"})
    job.workspace.up()
    job.workspace.set_config(models={name: model for name, model in job.models.items() if name != "second"})
    job.workspace.up()
    assert set(job.workspace.outputs()["models"]) == {"digits"}
    job.assert_converged()


def test_a_killed_engine_that_was_updating(job: Job) -> None:
    before = {pod["metadata"]["name"] for pod in job.pods()}
    job.change(env={"LOG_LEVEL": "error"})
    with job.load():
        killed_while(job, lambda: {pod["metadata"]["name"] for pod in job.pods()} - before, "a new pod")
        job.workspace.toolchain("recover")
        job.workspace.up()
    job.assert_converged()


def test_the_api_server_is_restarted_during_an_update(job: Job) -> None:
    """Whatever became of that update, the next one converges."""
    pid = local.status(paths.data()).processes["kube-apiserver"]
    assert pid
    before = {pod["metadata"]["name"] for pod in job.pods()}
    job.change(env={"LOG_LEVEL": "info"})
    with job.load():
        update = job.workspace.begin_up()
        wait_until(lambda: {pod["metadata"]["name"] for pod in job.pods()} - before, "a new pod")
        os.kill(pid, signal.SIGKILL)
        toolchain("start")
        update.communicate(timeout=300)
        if update.returncode:
            job.workspace.up()
    job.assert_converged()
    assert local.status(paths.data()).processes["kube-apiserver"] != pid


def touch_server(job: Job) -> None:
    """A change of the server's code: another image, without another training."""
    with (job.workspace.path / "model/server/__init__.py").open("a") as code:
        code.write(f"\n# {uuid.uuid4()}\n")


def test_the_registry_is_down_at_push(job: Job) -> None:
    before = job.served()["image"]
    touch_server(job)
    job.registry.kill()
    with job.load():
        failed = job.workspace.up(check=False)
        job.registry.start()
        job.workspace.pulumi("cancel", "--yes", STACK, check=False)
    printed = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert job.registry.host in printed
    assert "connection refused" in printed
    assert [pod["spec"]["containers"][0]["image"] for pod in job.pods()] == [before]
    job.workspace.up()
    assert job.served()["image"] != before
    job.assert_converged()


def test_the_registry_is_down_at_pull(job: Job) -> None:
    """The node has the digest already: a rollout needs no registry."""
    job.change(env={"LOG_LEVEL": "warning"})
    job.registry.kill()
    try:
        with job.load():
            job.workspace.up()
    finally:
        job.registry.start()
    job.assert_converged()


def test_the_registry_is_wiped_between_push_and_rollout(job: Job) -> None:
    good = job.models["digits"]
    pushed = Image(job.served()["image"]).with_settings(Labels={"never": "pulled"})
    job.registry.wipe()
    job.change(image=pushed.reference, source=None, startupTimeoutSeconds=15)
    with job.load():
        failed = job.workspace.up(check=False)
        printed = job.explanation()
    assert failed.returncode != 0
    assert "ErrImagePull" in printed or "ImagePullBackOff" in printed
    assert pushed.digest in printed
    # What the state calls pushed is gone too.
    job.workspace.set_config(models={"digits": good})
    job.workspace.up("--replace", "**::digits-build")
    assert Image(job.served()["image"]).exists()
    job.assert_converged()


def test_the_cluster_is_down_at_preview(job: Job, tmp_path: Path) -> None:
    """A preview needs no cluster; it must not look like one that saw it."""
    away = tmp_path / "kubeconfig"
    server = f"https://127.0.0.1:{free_port()}"
    away.write_text(re.sub("server: .*", f"server: {server}", job.cluster.kubeconfig.read_text()))
    context = job.kubectl("config", "current-context").strip()
    job.workspace.set_config(cluster=context)
    # The user's own Pulumi: the toolchain's is for local stacks.
    (tmp_path / "bin").symlink_to(Path(shutil.which("pulumi", path=job.cluster.env["PATH"]) or "").parent)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    job.workspace.extra_env = {"KUBECONFIG": str(away), "PATH": path}
    try:
        done = job.workspace.toolchain("preview")
    finally:
        job.workspace.extra_env = {}
        job.workspace.set_config(cluster="local")
    assert (done.stdout + done.stderr).count("saw no live state") == 1


@pytest.mark.parametrize(
    ("fields", "spoil", "cause"),
    [
        ({}, {"Entrypoint": ["/no/such/program"]}, "/no/such/program"),
        ({"resources": {"requests": {"cpu": "100m", "memory": "24Mi"}, "limits": {"memory": "24Mi"}}}, {}, "OOMKilled"),
    ],
    ids=["never starts", "out of memory at load"],
)
def test_a_model_that_cannot_start(job: Job, fields: dict[str, Any], spoil: dict[str, Any], cause: str) -> None:
    """`up` fails with the cause while the old version answers; what went before comes back with its stack file."""
    good = job.models["digits"]
    bad = Image(job.served()["image"]).with_settings(**spoil).reference if spoil else job.served()["image"]
    job.change(image=bad, source=None, startupTimeoutSeconds=15, **fields)
    with job.load():
        failed = job.workspace.up(check=False)
        assert failed.returncode != 0
        assert cause in job.explanation()
        job.workspace.set_config(models={"digits": good})
        job.workspace.up()
    job.assert_converged()

"""The example model with two replicas, in a checkout, a state and a namespace of its own, for a benchmark to change."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cluster import LocalCluster
from tests.support.workspace import Workspace

SECRET = "apiToken"


@dataclass
class Deployed:
    """The running stack. `deploy` changes its model and waits for the rollout."""

    stack: Workspace
    cluster: LocalCluster
    namespace: str
    model: dict[str, Any]
    served: dict[str, Any] = field(default_factory=dict[str, Any])
    """The model's stack output."""

    @property
    def folder(self) -> Path:
        return self.stack.path / "model/digits"

    def deploy(self, *, check: bool = True, **fields: Any) -> None:
        """Run `pulumi up` with some of the model's keys changed, or left out where None. They stay so."""
        self.model = {key: value for key, value in {**self.model, **fields}.items() if value is not None}
        self.stack.set_config(models={"digits": self.model})
        self.stack.up(check=check)
        self.served = self.stack.outputs()["models"]["digits"]

    def set_secret(self, value: str) -> None:
        key = f"model-serving:{SECRET}"
        self.stack.pulumi("config", "set", "--secret", key, "--stack", self.stack.stack, stdin=value)

    def pods(self) -> list[str]:
        """Names of the pods that are not leaving."""
        listed = json.loads(self._kubectl("get", "pods", "--output", "json"))["items"]
        return [pod["metadata"]["name"] for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def delete_pods_one_by_one(self) -> None:
        """Each is replaced and ready before the next one goes, as a drained node's would be under a budget."""
        for pod in self.pods():
            self._kubectl("delete", "pod", "--ignore-not-found", pod)
            self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait for two ready replicas. Raises RuntimeError after `seconds`."""
        deadline = time.monotonic() + seconds
        while self._ready_replicas() < 2:
            if time.monotonic() > deadline:
                raise RuntimeError(f"a pod was not replaced within {seconds:g} s")
            time.sleep(0.2)

    def _ready_replicas(self) -> int:
        [deployment] = json.loads(self._kubectl("get", "deployments", "--output", "json"))["items"]
        return int(deployment["status"].get("readyReplicas", 0))

    def _kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(*arguments, namespace=self.namespace)


@contextmanager
def deployed(cluster: LocalCluster, namespace: str, progress: Callable[[str], None]) -> Iterator[Deployed]:
    """Bring the stack up, and destroy it in the end."""
    home = Path(tempfile.mkdtemp(prefix=f"{namespace}-"))
    stack = Workspace.create(home / "checkout", "dev", cluster.env, home / "state")
    stack.set_config(namespace=namespace)
    digits = stack.read_config()["config"]["model-serving:models"]["digits"]
    running = Deployed(stack, cluster, namespace, digits | {"replicas": 2, "secrets": [SECRET]})
    try:
        progress("bringing the stack up")
        stack.pulumi("install")
        stack.pulumi("stack", "init", "dev")
        running.set_secret("first")
        running.deploy()
        yield running
    finally:
        stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)
        shutil.rmtree(home, ignore_errors=True)

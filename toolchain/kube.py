"""The cluster of a stack, seen through its kubeconfig: service proxy, pods and what their containers died of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import httpx2 as httpx
from lightkube import KubeConfig
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.core.exceptions import ConfigError

from toolchain import engine, local
from toolchain.errors import ToolchainError
from toolchain.kubernetes_plugin import kubeconfig
from toolchain.kubernetes_plugin.errors import Unreachable
from toolchain.stack import Stack

_SELECTOR = "app.kubernetes.io/part-of=model-serving,app.kubernetes.io/managed-by=pulumi"


class Gone(Exception):
    """A pod is not there any more, or not yet."""


class Kube:
    """A few reads of one stack's cluster. Every method raises ToolchainError when the cluster cannot be reached."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        context = "" if stack.local else stack.context or ""
        try:
            merged = _kubeconfig(stack)
            kubeconfig.select(merged, context)  # for its errors: they name what there is
            config = KubeConfig.from_dict(merged).get(context_name=context or None)
        except (ConfigError, Unreachable) as error:
            raise ToolchainError("read the kubeconfig", str(error)) from None
        assert config is not None
        # The proxies of the environment are for the internet: a cluster names its own in the kubeconfig.
        self._client = Client(config, ConnectionParams(timeout=httpx.Timeout(15), trust_env=False))

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """An object or list of the API server, as JSON."""
        return self._request("GET", path, params=parameters).json()

    def exists(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        """Whether there is such an object; ``namespace`` is empty for a kind that has none."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        served = self.get(root)["resources"]
        plural = next((r["name"] for r in served if r["kind"] == kind and "/" not in r["name"]), "")
        scope = f"{root}/namespaces/{namespace}" if namespace else root
        listed = self.get(f"{scope}/{plural}", fieldSelector=f"metadata.name={name}") if plural else {}
        return bool(listed.get("items"))

    def post_to_service(self, namespace: str, service: str, port: int, path: str, body: Any) -> httpx.Response:
        """A request to a Service through the API server, which reaches it wherever this machine is."""
        url = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy/{path.lstrip('/')}"
        return self._request("POST", url, json=body)

    def pods(self, namespace: str) -> list["Pod"]:
        """The pods of the stack's models."""
        items = self.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=_SELECTOR).get("items", [])
        return [Pod.of(item) for item in items]

    def log(self, namespace: str, pod: str, parameters: dict[str, str]) -> Iterator[str]:
        """Lines of the log of a model's server, as long as the API server sends them.

        Raises Gone for a pod that is not there or whose container has not started.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        parameters = {"container": "server", **parameters}
        # Who follows may have nothing to read for hours.
        timeout = httpx.Timeout(15, read=None)
        try:
            with self._client.stream("GET", path, params=parameters, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    if response.status_code in (400, 404):
                        raise Gone(pod)
                    raise ToolchainError(f"GET {path}", f"HTTP {response.status_code}: {response.text.strip()[:500]}")
                yield from response.iter_lines()
        except httpx.RemoteProtocolError:
            return  # cut off with its pod
        except (httpx.HTTPError, OSError) as error:
            raise ToolchainError(f"reach the cluster of stack {self._stack.name}", str(error)) from None

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **arguments)
        except (httpx.HTTPError, OSError) as error:
            raise ToolchainError(f"reach the cluster of stack {self._stack.name}", str(error)) from None
        if response.is_error:
            raise ToolchainError(f"{method} {path}", f"HTTP {response.status_code}: {response.text.strip()[:500]}")
        return response


def _kubeconfig(stack: Stack) -> dict[str, Any]:
    if not stack.local:
        return kubeconfig.load(engine.kubeconfig(stack)) if stack.context is None else kubeconfig.ambient()
    file = local.kubeconfig()
    if file is None:
        raise ToolchainError("reach the local cluster", "it is not running", f"Run: make up STACK={stack.name}")
    return kubeconfig.load(str(file))


@dataclass(frozen=True)
class Pod:
    """What matters of a pod to a person."""

    name: str
    model: str
    phase: str
    ready: bool
    restarts: int
    troubles: tuple[str, ...]
    """Why containers do not run, with their termination messages."""

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Pod":
        """Read the API server's JSON of a pod."""
        meta, status = item["metadata"], item.get("status", {})
        containers = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
        conditions = {entry["type"]: entry for entry in status.get("conditions", [])}
        troubles = [trouble for container in containers for trouble in _troubles(container)]
        unscheduled = conditions.get("PodScheduled", {})
        if unscheduled.get("status") == "False":
            troubles.append(f"not scheduled: {unscheduled.get('message', unscheduled.get('reason', ''))}")
        return cls(
            name=meta["name"],
            model=meta.get("labels", {}).get("app.kubernetes.io/name", ""),
            phase="Terminating" if "deletionTimestamp" in meta else status.get("phase", "?"),
            ready=conditions.get("Ready", {}).get("status") == "True",
            restarts=sum(container.get("restartCount", 0) for container in containers),
            troubles=tuple(troubles),
        )


def _troubles(container: dict[str, Any]) -> Iterator[str]:
    name = container["name"]
    waiting = cast(dict[str, str], container.get("state", {}).get("waiting") or {})
    if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        yield f"{name}: {waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ")
    for state in (container.get("state", {}), container.get("lastState", {})):
        ended = state.get("terminated")
        if ended and (ended.get("exitCode") or ended.get("signal")):
            reason, message = ended.get("reason", "Error"), (ended.get("message") or "").strip()
            yield f"{name} ended with {ended.get('exitCode')} ({reason})" + (f": {message}" if message else "")
            return

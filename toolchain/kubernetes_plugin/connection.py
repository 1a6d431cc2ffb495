"""The HTTP connection to an API server. lightkube does TLS and credentials; this maps a kubeconfig onto it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import msgspec
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import Cluster, Context, User
from lightkube.core.exceptions import ConfigError

from .errors import ApiError, Unreachable
from .kubeconfig import Access

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)  # seconds
_PATIENT = httpx.Timeout(30.0, connect=10.0, read=None)
_BUSY_ATTEMPTS = 10
_BUSY_SECONDS = 5
_EXEC_API = "client.authentication.k8s.io"


class Connection:
    """Sends requests to one API server and turns what comes back into JSON or errors."""

    def __init__(self, access: Access) -> None:
        self.server = str(access.cluster.get("server"))
        proxy = access.cluster.get("proxy-url")
        parameters = ConnectionParams(timeout=_TIMEOUT, proxy=proxy)
        self._client = _client(_single_config(access), parameters)

    async def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Send one request and return the object answered.

        Raises:
            ApiError: the API server refused.
            Unreachable: there was no answer, or the credentials are not accepted.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if body is not None else {})
        attempts = 0
        while True:
            try:
                response = await self._client.request(
                    method, path, params=dict(parameters or {}), content=content, headers=headers
                )
            except Exception as error:
                raise self._unreachable(error) from error
            attempts += 1
            patience = response.headers.get("Retry-After", "")
            busy = response.status_code in (429, 503) and patience.isdigit()
            if not busy or attempts == _BUSY_ATTEMPTS:
                return self._answer(response)
            # An API server under load, or starting, asks to come again; nothing was done.
            await asyncio.sleep(min(int(patience), _BUSY_SECONDS))

    @asynccontextmanager
    async def lines(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[AsyncIterator[str]]:
        """Open a response that goes on for minutes, such as a watch, and iterate over its lines."""
        try:
            async with self._client.stream("GET", path, params=dict(parameters), timeout=_PATIENT) as response:
                if response.is_error:
                    await response.aread()
                    self._answer(response)
                yield response.aiter_lines()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except ValueError:
            answer = {"message": f"HTTP {response.status_code} from {self.server}: {response.text[:200]}"}
        if response.status_code == 401:
            raise Unreachable(f"the API server at {self.server} does not accept the kubeconfig's credentials (401)")
        if response.is_error:
            raise ApiError(response.status_code, answer)
        return answer

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, ConfigError | KeyError | OSError) and not isinstance(error, httpx.HTTPError):
            # From the kubeconfig's exec plugin: not found, failed, or without a token in its answer.
            return Unreachable(f"the kubeconfig's credentials cannot be had: {type(error).__name__}: {error}")
        if isinstance(error, httpx.HTTPError):
            return Unreachable(f"{self.server}: {str(error) or type(error).__name__}")
        raise error


def in_cluster() -> Access | None:
    """Access through the service account of the pod that the plugin runs in; None outside a cluster."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return None
    try:
        found = KubeConfig.from_service_account().get()
    except ConfigError:
        return None
    if found is None:
        return None
    return Access(
        cluster={"server": found.cluster.server, "certificate-authority": found.cluster.certificate_auth},
        user={"tokenFile": found.user.token_file if found.user else None},
        namespace=found.namespace,
    )


def _client(config: SingleConfig, parameters: ConnectionParams) -> httpx.AsyncClient:
    try:
        return AsyncClient(config, parameters)
    except (ConfigError, OSError, ValueError) as error:
        raise Unreachable(f"the kubeconfig's certificates cannot be used: {error}") from error


def _single_config(access: Access) -> SingleConfig:
    if access.cluster.get("tls-server-name"):
        raise Unreachable("the kubeconfig's tls-server-name is not supported by this Kubernetes plugin")
    user = dict(access.user)
    if user.get("exec"):
        user["exec"] = _exec_entry(user["exec"], access.cluster)
    try:
        return SingleConfig(
            context_name="",
            context=Context(cluster="", user=""),
            cluster=msgspec.convert(dict(access.cluster), Cluster),
            user=msgspec.convert(user, User),
        )
    except msgspec.ValidationError as error:
        raise Unreachable(f"the kubeconfig is not valid: {error}") from None


def _exec_entry(entry: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, Any]:
    """An exec plugin's entry as lightkube takes it.

    lightkube knows v1alpha1 and v1beta1, whose answers look like v1's, and passes no information; the plugin is told
    the version that the kubeconfig names, as kubectl does.
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """
    version = str(entry.get("apiVersion", ""))
    spec: dict[str, Any] = {"interactive": False}
    if entry.get("provideClusterInfo"):
        spec["cluster"] = dict(cluster)
    information = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    return {
        "apiVersion": f"{_EXEC_API}/v1beta1" if version.startswith(f"{_EXEC_API}/") else version,
        "command": entry.get("command"),
        "args": entry.get("args"),
        "env": [
            *(entry.get("env") or []),
            {"name": "KUBERNETES_EXEC_INFO", "value": json.dumps(information)},
        ],
    }

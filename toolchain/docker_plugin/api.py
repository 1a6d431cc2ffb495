"""The Docker Engine's API (https://docs.docker.com/reference/api/engine/), as far as the plugin needs it."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import httpx2

from toolchain.plugin_base.errors import PluginError

# Where an engine listens that nothing says anything of: the system's, and Docker Desktop's.
_SOCKETS = (Path("/var/run/docker.sock"), Path.home() / ".docker" / "run" / "docker.sock")
# Of Docker's configuration, for credentials of Docker Hub.
_DOCKER_HUB = "https://index.docker.io/v1/"


class EngineError(PluginError):
    """What the engine answered instead of doing it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A client of the engine at `host` (unix:// or tcp://): the provider's, DOCKER_HOST's, or this machine's.

    Raises:
        PluginError: the host is of another kind.
    """

    def __init__(self, host: str = "") -> None:
        self._host = host or os.environ.get("DOCKER_HOST") or self._own()
        scheme, _, address = self._host.partition("://")
        if scheme == "unix":
            transport = httpx2.AsyncHTTPTransport(uds=address)
            self._client = httpx2.AsyncClient(transport=transport, base_url="http://docker", timeout=None)
        elif scheme == "tcp":
            self._client = httpx2.AsyncClient(base_url=f"http://{address}", timeout=None)
        else:
            raise PluginError(f"Docker at {self._host} is not reached by this Docker plugin; allowed: unix://, tcp://")

    @staticmethod
    def _own() -> str:
        return f"unix://{next((path for path in _SOCKETS if path.exists()), _SOCKETS[0])}"

    async def send(self, method: str, path: str, **request: Any) -> Any:
        """What the engine answers: JSON as Python values, text otherwise.

        Raises:
            EngineError: it refuses.
            PluginError: there is none.
        """
        try:
            response = await self._client.request(method, path, **request)
        except httpx2.TransportError as error:
            raise PluginError(f"the Docker Engine at {self._host} does not answer: {error}") from None
        if response.status_code >= 400:
            raise EngineError(response.status_code, _message(response))
        is_json = response.headers.get("content-type", "").startswith("application/json")
        # Some answers are a JSON document for each line.
        return response.json() if is_json and "\n{" not in response.text.strip() else response.text

    async def find(self, path: str) -> dict[str, Any] | None:
        """The object at a path, None if there is none."""
        try:
            return await self.send("GET", path)
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    async def remove(self, path: str, **params: Any) -> None:
        """Delete what is at a path, if it is."""
        try:
            await self.send("DELETE", path, params=params)
        except EngineError as error:
            if error.status != 404:
                raise

    async def pull(self, image: str) -> None:
        """Pull an image that the engine does not have, with the credentials of Docker's configuration.

        Raises:
            PluginError: the registry does not give it.
        """
        if await self.find(f"/images/{image}/json") is not None:
            return
        told = await self.send(
            "POST", "/images/create", params={"fromImage": image}, headers={"X-Registry-Auth": _credentials(image)}
        )
        # A pull that fails in the middle has begun with "200 OK".
        for line in str(told if isinstance(told, str) else json.dumps(told)).splitlines():
            if line.startswith("{") and "error" in (entry := json.loads(line)):
                raise PluginError(f"{image} cannot be pulled: {entry['error']}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text.strip() or f"the Docker Engine answered HTTP {response.status_code}"


def _credentials(image: str) -> str:
    """The header for an image's registry: an empty account where the configuration has no password for it."""
    host = image.partition("/")[0]
    registry = host if "." in host or ":" in host or host == "localhost" else _DOCKER_HUB
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    account: dict[str, str] = {}
    try:
        entry = json.loads((folder / "config.json").read_text()).get("auths", {}).get(registry, {})
        if entry.get("auth"):
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
            account = {"username": user, "password": password, "serveraddress": registry}
    except (OSError, ValueError):
        pass
    return base64.urlsafe_b64encode(json.dumps(account).encode()).decode()

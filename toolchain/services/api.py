"""Objects of the local cluster's API server by their paths, of kinds that no library has classes for."""

from pathlib import Path
from typing import Any

import httpx2 as httpx
from lightkube import KubeConfig
from lightkube.config.client_adapter import Client, ConnectionParams

from toolchain.errors import ToolchainError

_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_MANAGER = {"fieldManager": "model-serving-toolchain", "force": "true"}


class Api:
    """A client with the rights of a kubeconfig. Every method raises ToolchainError when the API server refuses."""

    def __init__(self, kubeconfig: Path) -> None:
        config = KubeConfig.from_file(kubeconfig).get()
        assert config is not None
        self.server = config.cluster.server
        """The address, as https://host:port."""
        # A proxy named in the environment is not for a cluster on this machine.
        self._client = Client(config, ConnectionParams(timeout=httpx.Timeout(15), trust_env=False))

    def get(self, path: str) -> dict[str, Any] | None:
        """An object, None where there is none."""
        return self._request("GET", path)

    def has(self, path: str, condition: str) -> bool:
        """Whether an object is there, and says so of itself in its status."""
        conditions = ((self.get(path) or {}).get("status") or {}).get("conditions") or []
        return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)

    def apply(self, collection: str, item: dict[str, Any]) -> None:
        """Server-side apply of ``item`` into the collection at a path."""
        if self._request("PATCH", f"{collection}/{item['metadata']['name']}", item) is None:
            raise ToolchainError(f"apply {item['kind']} {item['metadata']['name']}", f"there is no {collection}")

    def delete(self, path: str) -> None:
        """Delete an object if it is there."""
        self._request("DELETE", path)

    def _request(self, method: str, path: str, item: dict[str, Any] | None = None) -> dict[str, Any] | None:
        parameters, headers = (_MANAGER, _APPLY) if item else ({}, {})
        try:
            response = self._client.request(method, path, json=item, params=parameters, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise ToolchainError("reach the local cluster", str(error)) from None
        if response.status_code == 404:
            return None
        if response.is_error:
            raise ToolchainError(f"{method} {path}", f"HTTP {response.status_code}: {response.text.strip()[:500]}")
        return response.json()

"""A configured provider: its settings, its cluster, and whether that can be reached."""

import asyncio

from toolchain.plugin_base.errors import PluginError

from .cluster import Cluster
from .config import Settings
from .connection import Connection, in_cluster
from .errors import ApiError, Unreachable
from .kubeconfig import Access, ambient, load, select


class Session:
    """The cluster that the settings select. It is contacted once, in the background, when the provider is configured.

    Attributes:
        settings: the provider's configuration.
        namespace: where objects go that name no namespace.
        access: the cluster's address and the user's credentials; None without a usable kubeconfig.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.namespace = settings.namespace or "default"
        self.access: Access | None = None
        self._cluster: Cluster | None = None
        self._problem: Unreachable | None = None
        try:
            config = load(settings.kubeconfig) or ambient()
            access = None if config or settings.context else in_cluster()
            self.access = access or select(config, settings.context, settings.cluster, settings.namespace)
            self.namespace = self.access.namespace
            self._cluster = Cluster(Connection(self.access), self.access.namespace)
        except Unreachable as error:
            self._problem = error
        self._check = asyncio.create_task(self._contact())

    async def _contact(self) -> None:
        if self._cluster is None:
            return
        try:
            await self._cluster.check()
        except Unreachable as error:
            self._problem = error
        except ApiError as error:
            self._problem = Unreachable(f"the API server answered {error.code} to the first request: {error}")

    async def problem(self) -> Unreachable | None:
        """Why the cluster cannot be reached, or None if it can."""
        await asyncio.shield(self._check)
        return self._problem

    async def cluster(self) -> Cluster:
        """The cluster.

        Raises:
            Unreachable: it cannot be reached.
        """
        problem = await self.problem()
        if problem is not None or self._cluster is None:
            raise problem or PluginError("the provider is not configured")
        return self._cluster

    async def close(self) -> None:
        """Close the connections to the cluster."""
        self._check.cancel()
        if self._cluster is not None:
            await self._cluster.connection.close()

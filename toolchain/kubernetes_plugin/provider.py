"""The provider behind the gRPC service: every operation in terms of Python values."""

import asyncio
from typing import Any

from pulumi.runtime.proto import provider_pb2

from toolchain.plugin_base.engine import Engine, Reporter
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.naming import Autonaming
from toolchain.plugin_base.values import Object, Reference

from . import operations
from .config import Settings
from .errors import NoSuchKind, Unreachable
from .naming import Kind
from .objects import built_in_scope
from .operations import Operation
from .planning import Plan, check, has_namespaces, plan
from .session import Session
from .state import Stored

_FORGET_HELP = (
    "If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the operation with the "
    'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)


class Provider:
    """One configured provider. `configure` comes before everything about objects."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.cancelled = asyncio.Event()
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The configured cluster.

        Raises:
            PluginError: the engine has not configured the provider.
        """
        if self._session is None:
            raise PluginError("the Kubernetes provider is not configured")
        return self._session

    def configure(self, properties: Object) -> None:
        """Take the provider's configuration; a cluster that cannot be reached is told when it is needed."""
        self._session = Session(Settings.of(properties))

    async def check(
        self, urn: str, program: Object, old: Object, seed: bytes, autonaming: Autonaming | None
    ) -> tuple[Object, list[tuple[str, str]]]:
        """See `planning.check`."""
        kind = Kind.from_urn(urn)
        served: bool | None = None
        if built_in_scope(kind.group, kind.kind) is None:
            served = await self._served_in_namespaces(kind)
        namespaced = has_namespaces(kind, served)
        return check(urn, program, old, self.session.namespace, namespaced, seed, autonaming)

    async def _served_in_namespaces(self, kind: Kind) -> bool | None:
        try:
            return (await (await self.session.cluster()).endpoint(kind)).namespaced
        except (Unreachable, NoSuchKind):
            return None

    def diff(self, outputs: Object, program: Object) -> Plan:
        """See `planning.plan`."""
        return plan(Stored.of(outputs), program, self.session.settings)

    async def create(self, urn: str, program: Object, timeout: float, preview: bool) -> tuple[str, Object]:
        """See `operations.create`; a preview without a cluster gives the inputs."""
        if preview and await self.session.problem():
            return "", program
        return await operations.create(await self._operation(urn, timeout, preview), program)

    async def update(
        self, urn: str, outputs: Object, program: Object, ignored: list[str], timeout: float, preview: bool
    ) -> Object:
        """See `operations.update`; a preview without a cluster gives the inputs."""
        if preview and await self.session.problem():
            return program
        op = await self._operation(urn, timeout, preview)
        return await operations.update(op, Stored.of(outputs), program, ignored)

    async def read(self, urn: str, id_: str, outputs: Object, program: Object) -> tuple[Object, Object] | None:
        """See `operations.read`; without a cluster nothing is known, and nothing may be dropped from the state."""
        if problem := await self.session.problem():
            if await self._may_forget(urn, problem):
                return None
            raise PluginError(f"failed to read resource state due to unreachable cluster. {_FORGET_HELP}")
        return await operations.read(await self._operation(urn), id_, Stored.of(outputs), program)

    async def delete(self, urn: str, id_: str, outputs: Object, timeout: float) -> None:
        """See `operations.delete`."""
        if problem := await self.session.problem():
            if await self._may_forget(urn, problem):
                return
            raise PluginError(f"configured Kubernetes cluster is unreachable. {_FORGET_HELP}")
        await operations.delete(await self._operation(urn, timeout), id_, Stored.of(outputs))

    async def construct(self, request: provider_pb2.ConstructRequest) -> tuple[str, list[Reference] | Any]:
        """See `components.construct`."""
        # Imported when it is needed: most stacks have no such component, and every preview waits for the plugin.
        from .components import builder, construct

        return await construct(request, builder(request.type), self.session, self.engine, self.cancelled)

    async def _may_forget(self, urn: str, problem: Unreachable) -> bool:
        reporter = Reporter(self.engine, urn)
        await reporter.log("warning", str(problem))
        if self.session.settings.delete_unreachable:
            await reporter.log(
                "info",
                "configured Kubernetes cluster is unreachable and the `deleteUnreachable` option is enabled. "
                "Deleting the unreachable resource from Pulumi state",
            )
        return self.session.settings.delete_unreachable

    async def _operation(self, urn: str, timeout: float = 0.0, preview: bool = False) -> Operation:
        cluster = await self.session.cluster()
        force = self.session.settings.patch_force
        return Operation(urn, cluster, Reporter(self.engine, urn), self.cancelled, timeout, preview, force)

    async def close(self) -> None:
        """End all waits and close all connections."""
        self.cancelled.set()
        if self._session is not None:
            await self._session.close()
        await self.engine.close()

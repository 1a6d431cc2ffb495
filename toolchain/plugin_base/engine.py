"""Messages to the engine, which shows them beside the resource they are about."""

from contextlib import suppress
from typing import Any, Literal

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

Severity = Literal["debug", "info", "warning", "error"]

_SEVERITIES = {
    "debug": engine_pb2.DEBUG,
    "info": engine_pb2.INFO,
    "warning": engine_pb2.WARNING,
    "error": engine_pb2.ERROR,
}


class Engine:
    """The engine that started the plugin; without an address, messages go nowhere."""

    def __init__(self, address: str = "") -> None:
        self._channel = grpc.aio.insecure_channel(address) if address else None
        # The generated types know only the blocking stub; on an asyncio channel its methods are awaited.
        self._stub: Any = engine_pb2_grpc.EngineStub(self._channel) if self._channel else None

    async def log(self, severity: Severity, message: str, urn: str, *, passing: bool) -> None:
        """Show a message.

        Args:
            severity: how serious it is.
            message: text for the user.
            urn: the resource it is about.
            passing: True for a state that the next message replaces, False for one to keep on the screen.
        """
        if self._stub is None:
            return
        request = engine_pb2.LogRequest(severity=_SEVERITIES[severity], message=message, urn=urn, ephemeral=passing)
        with suppress(grpc.RpcError):  # the engine is going away, and with it whoever would read this
            await self._stub.Log(request)

    async def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            await self._channel.close()


class Reporter:
    """Messages about one operation on one resource; each is given once."""

    def __init__(self, engine: Engine, urn: str) -> None:
        self._engine = engine
        self._urn = urn
        self._given: set[tuple[str, str]] = set()

    async def status(self, severity: Severity, message: str) -> None:
        """Tell how the operation stands."""
        await self._once(severity, message, passing=True)

    async def log(self, severity: Severity, message: str) -> None:
        """Tell something that stays true after the operation."""
        await self._once(severity, message, passing=False)

    async def clear(self) -> None:
        """Take the last status off the screen, if there was one."""
        if self._given:
            await self._engine.log("info", "", self._urn, passing=True)

    async def _once(self, severity: Severity, message: str, *, passing: bool) -> None:
        if (severity, message) not in self._given:
            self._given.add((severity, message))
            await self._engine.log(severity, message, self._urn, passing=passing)

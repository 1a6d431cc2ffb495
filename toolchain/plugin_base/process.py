"""A plugin's process: serve on a free local port, print it, and end with the engine."""

import asyncio
import importlib.util
import os
import signal
import stat
import sys
import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_MESSAGE = 400 * 1024 * 1024  # bytes, as the engine's own limit


@dataclass(frozen=True)
class Plugin:
    """What a plugin brings: its gRPC service, what ends its operations, and what closes its connections."""

    service: Any
    cancelled: asyncio.Event
    close: Callable[[], Awaitable[None]]


def import_protocol_only() -> None:
    """Let `pulumi.runtime.proto` be imported without the rest of the SDK.

    Every preview waits for this process, and `import pulumi` alone takes longer than all else it does at its start.
    The protocol's modules are generated code that needs none of it.
    """
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the plugin needs the Python package pulumi")
    root = Path(spec.submodule_search_locations[0])
    for name, path in (("pulumi", root), ("pulumi.runtime", root / "runtime")):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package


async def serve(make: Callable[[], Plugin]) -> None:
    """Serve the plugin that `make` makes until the engine is gone, or this process is told to end."""
    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc

    plugin = make()
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", _MAX_MESSAGE), ("grpc.max_send_message_length", _MAX_MESSAGE)]
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin.service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    _watch_engine(loop, ended)
    print(port, flush=True)
    await ended.wait()
    plugin.cancelled.set()
    await server.stop(grace=3)  # the engine kills after 5 s; operations end at once and say how far they came
    await plugin.close()


def _watch_engine(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """End when the engine is gone. It holds the other end of our standard input, and even a killed process lets go."""
    if not stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        return  # started by hand

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            ended.set()

    loop.add_reader(sys.stdin.fileno(), look)

"""Starts the plugin: serve on a free local port, print it, and end with the engine."""

import asyncio
import importlib.util
import os
import signal
import stat
import sys
import types
from pathlib import Path

_MAX_MESSAGE = 400 * 1024 * 1024  # bytes, as the engine's own limit


def _import_protocol_only() -> None:
    """Let `pulumi.runtime.proto` be imported without the rest of the SDK.

    Every preview waits for this process, and `import pulumi` alone takes longer than all else it does at its start.
    The protocol's modules are generated code that needs none of it.
    """
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the Kubernetes plugin needs the Python package pulumi")
    root = Path(spec.submodule_search_locations[0])
    for name, path in (("pulumi", root), ("pulumi.runtime", root / "runtime")):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package


async def _serve(engine_address: str) -> None:
    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc

    from .engine import Engine
    from .provider import Provider
    from .server import Service

    provider = Provider(Engine(engine_address))
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", _MAX_MESSAGE), ("grpc.max_send_message_length", _MAX_MESSAGE)]
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Service(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    _watch_engine(loop, ended)
    print(port, flush=True)
    await ended.wait()
    provider.cancelled.set()
    await server.stop(grace=3)  # the engine kills after 5 s; operations end at once and say how far they came
    await provider.close()


def _watch_engine(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """End when the engine is gone. It holds the other end of our standard input, and even a killed process lets go."""
    if not stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        return  # started by hand

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            ended.set()

    loop.add_reader(sys.stdin.fileno(), look)


if __name__ == "__main__":
    _import_protocol_only()
    asyncio.run(_serve(sys.argv[1] if len(sys.argv) > 1 else ""))

"""Starts the plugin."""

import asyncio
import sys

from toolchain.plugin_base.process import Plugin, import_protocol_only, serve


def _plugin() -> Plugin:
    from toolchain.plugin_base.engine import Engine

    from .provider import Provider
    from .server import Service

    provider = Provider(Engine(sys.argv[1] if len(sys.argv) > 1 else ""))
    return Plugin(Service(provider), provider.cancelled, provider.close)


if __name__ == "__main__":
    import_protocol_only()
    asyncio.run(serve(_plugin))

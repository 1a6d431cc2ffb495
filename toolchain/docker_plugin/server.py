"""The gRPC service that the engine talks to: messages in, messages out.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import json
import traceback
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from toolchain.kubernetes_plugin.errors import PluginError
from toolchain.kubernetes_plugin.naming import Autonaming
from toolchain.kubernetes_plugin.values import read, write
from toolchain.versions import DOCKER_PLUGIN

from .provider import Provider

Context = grpc.aio.ServicerContext[Any, Any]
_CONFIGURABLE = ("host", "version", "pluginDownloadURL")


def _answering(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Turn exceptions into gRPC statuses that the engine understands."""

    @wraps(method)
    async def call(self: "Service", request: Any, context: Context) -> Any:
        try:
            return await method(self, request, context)
        except (PluginError, ValueError) as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:
            if context.done():
                raise
            traceback.print_exc()
            name = type(error).__name__
            await context.abort(grpc.StatusCode.INTERNAL, f"bug in the Docker plugin ({name}: {error})")

    return call


class Service(provider_pb2_grpc.ResourceProviderServicer):
    """Pulumi's resource provider protocol on one `Provider`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @_answering
    async def Handshake(self, request: Any, context: Context) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    @_answering
    async def GetPluginInfo(self, request: Any, context: Context) -> Any:
        return plugin_pb2.PluginInfo(version=DOCKER_PLUGIN)

    @_answering
    async def GetSchema(self, request: Any, context: Context) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "docker", "version": DOCKER_PLUGIN}))

    @_answering
    async def CheckConfig(self, request: Any, context: Context) -> Any:
        failures = [
            provider_pb2.CheckFailure(property=name, reason=f"{name} is not supported by this Docker plugin")
            for name in read(request.news)
            if name not in _CONFIGURABLE and not name.startswith("__")
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @_answering
    async def DiffConfig(self, request: Any, context: Context) -> Any:
        # The engine's address is where this machine reaches it, not what it is.
        changed = [] if read(request.old_inputs) == read(request.news) else ["host"]
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some if changed else none, diffs=changed)

    @_answering
    async def Configure(self, request: Any, context: Context) -> Any:
        self._provider.configure(read(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @_answering
    async def Check(self, request: Any, context: Context) -> Any:
        autonaming = Autonaming(request.autonaming.proposed_name) if request.HasField("autonaming") else None
        inputs, failures = self._provider.check(
            request.urn, read(request.news), read(request.olds), request.randomSeed, autonaming
        )
        found = [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures]
        return provider_pb2.CheckResponse(inputs=write(inputs), failures=found)

    @_answering
    async def Diff(self, request: Any, context: Context) -> Any:
        change = self._provider.diff(request.urn, read(request.old_inputs), read(request.news))
        some, none = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if change.changed else none,
            diffs=change.changed,
            replaces=change.replaces,
            deleteBeforeReplace=change.delete_first and bool(change.replaces),
        )

    @_answering
    async def Create(self, request: Any, context: Context) -> Any:
        id_, outputs = await self._provider.create(request.urn, read(request.properties), request.preview)
        return provider_pb2.CreateResponse(id=id_, properties=write(outputs))

    @_answering
    async def Update(self, request: Any, context: Context) -> Any:
        # Only what the plugin itself does has changed (container.WITHOUT_CONTAINER).
        return provider_pb2.UpdateResponse(properties=write({**read(request.olds), **read(request.news)}))

    @_answering
    async def Read(self, request: Any, context: Context) -> Any:
        found = await self._provider.read(request.urn, request.id, read(request.inputs), read(request.properties))
        if found is None:
            return provider_pb2.ReadResponse()
        outputs, inputs = found
        return provider_pb2.ReadResponse(id=request.id, properties=write(outputs), inputs=write(inputs))

    @_answering
    async def Delete(self, request: Any, context: Context) -> Any:
        await self._provider.delete(request.urn, request.id, read(request.old_inputs) or read(request.properties))
        return Empty()

    @_answering
    async def Invoke(self, request: Any, context: Context) -> Any:
        raise PluginError(f"{request.tok} is not supported by this Docker plugin, which stands in for the official one")

    @_answering
    async def Cancel(self, request: Any, context: Context) -> Any:
        self._provider.cancelled.set()
        return Empty()

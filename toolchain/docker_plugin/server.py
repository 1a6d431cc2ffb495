"""The Docker plugin's part of the gRPC service: messages in, messages out."""

from typing import Any

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2

from toolchain.plugin_base.service import Context, ProviderService, answering, autonaming, changes, failures
from toolchain.plugin_base.values import read, write
from toolchain.versions import DOCKER_PLUGIN

from .provider import Provider

_CONFIGURABLE = ("host", "version", "pluginDownloadURL")


class Service(ProviderService[Provider]):
    """Pulumi's resource provider protocol on one `Provider`."""

    package = "docker"
    version = DOCKER_PLUGIN
    title = "Docker plugin"

    @answering
    async def CheckConfig(self, request: Any, context: Context) -> Any:
        strange = [name for name in read(request.news) if name not in _CONFIGURABLE and not name.startswith("__")]
        found = [(name, f"{name} is not supported by this {self.title}") for name in strange]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures(found))

    @answering
    async def DiffConfig(self, request: Any, context: Context) -> Any:
        # The engine's address is where this machine reaches it, not what it is.
        changed = [] if read(request.old_inputs) == read(request.news) else ["host"]
        return provider_pb2.DiffResponse(changes=changes(bool(changed)), diffs=changed)

    @answering
    async def Check(self, request: Any, context: Context) -> Any:
        inputs, found = self.provider.check(
            request.urn, read(request.news), read(request.olds), request.randomSeed, autonaming(request)
        )
        return provider_pb2.CheckResponse(inputs=write(inputs), failures=failures(found))

    @answering
    async def Diff(self, request: Any, context: Context) -> Any:
        change = self.provider.diff(request.urn, read(request.old_inputs), read(request.news))
        return provider_pb2.DiffResponse(
            changes=changes(bool(change.changed)),
            diffs=change.changed,
            replaces=change.replaces,
            deleteBeforeReplace=change.delete_first and bool(change.replaces),
        )

    @answering
    async def Create(self, request: Any, context: Context) -> Any:
        id_, outputs = await self.provider.create(request.urn, read(request.properties), request.preview)
        return provider_pb2.CreateResponse(id=id_, properties=write(outputs))

    @answering
    async def Update(self, request: Any, context: Context) -> Any:
        # Only what the plugin itself does has changed (container.WITHOUT_CONTAINER).
        return provider_pb2.UpdateResponse(properties=write({**read(request.olds), **read(request.news)}))

    @answering
    async def Read(self, request: Any, context: Context) -> Any:
        found = await self.provider.read(request.urn, request.id, read(request.inputs), read(request.properties))
        if found is None:
            return provider_pb2.ReadResponse()
        outputs, inputs = found
        return provider_pb2.ReadResponse(id=request.id, properties=write(outputs), inputs=write(inputs))

    @answering
    async def Delete(self, request: Any, context: Context) -> Any:
        await self.provider.delete(request.urn, request.id, read(request.old_inputs) or read(request.properties))
        return Empty()

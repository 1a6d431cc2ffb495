"""The Kubernetes plugin's part of the gRPC service: messages in, messages out."""

from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2, status_pb2

from toolchain.plugin_base.engine import Engine
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.service import Context, ProviderService, answering, autonaming, changes, failures
from toolchain.plugin_base.values import read, write
from toolchain.versions import KUBERNETES_PLUGIN

from .config import check_config, diff_config
from .errors import Partial
from .provider import Provider

_KINDS: Final = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class Service(ProviderService[Provider]):
    """Pulumi's resource provider protocol on one `Provider`. Kinds are whatever the API server serves."""

    package = "kubernetes"
    version = KUBERNETES_PLUGIN
    title = "Kubernetes plugin"

    async def refuse(self, context: Context, error: PluginError | ValueError) -> None:
        """End a call with an error for the user, and with what it did before it failed."""
        if isinstance(error, Partial):
            await _abort_partial(context, error)
        await super().refuse(context, error)

    @answering
    async def Attach(self, request: Any, context: Context) -> Any:
        self.provider.engine = Engine(request.address)
        return Empty()

    @answering
    async def GetMapping(self, request: Any, context: Context) -> Any:
        return provider_pb2.GetMappingResponse()

    @answering
    async def GetMappings(self, request: Any, context: Context) -> Any:
        return provider_pb2.GetMappingsResponse()

    @answering
    async def CheckConfig(self, request: Any, context: Context) -> Any:
        found = check_config(read(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures(found))

    @answering
    async def DiffConfig(self, request: Any, context: Context) -> Any:
        changed, replaces = diff_config(read(request.olds), read(request.news))
        return provider_pb2.DiffResponse(changes=changes(bool(changed)), diffs=changed, replaces=replaces)

    @answering
    async def Check(self, request: Any, context: Context) -> Any:
        inputs, found = await self.provider.check(
            request.urn, read(request.news), read(request.olds), request.randomSeed, autonaming(request)
        )
        return provider_pb2.CheckResponse(inputs=write(inputs), failures=failures(found))

    @answering
    async def Diff(self, request: Any, context: Context) -> Any:
        plan = self.provider.diff(read(request.olds), read(request.news))
        detailed = {
            change.dotted: provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replace], inputDiff=True)
            for change in plan.changes
        }
        return provider_pb2.DiffResponse(
            changes=changes(bool(plan.changes)),
            replaces=plan.replaces,
            deleteBeforeReplace=plan.delete_first,
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    @answering
    async def Create(self, request: Any, context: Context) -> Any:
        id_, outputs = await self.provider.create(
            request.urn, read(request.properties), request.timeout, request.preview
        )
        return provider_pb2.CreateResponse(id=id_, properties=write(outputs))

    @answering
    async def Update(self, request: Any, context: Context) -> Any:
        outputs = await self.provider.update(
            request.urn,
            read(request.olds),
            read(request.news),
            list(request.ignoreChanges),
            request.timeout,
            request.preview,
        )
        return provider_pb2.UpdateResponse(properties=write(outputs))

    @answering
    async def Read(self, request: Any, context: Context) -> Any:
        found = await self.provider.read(request.urn, request.id, read(request.properties), read(request.inputs))
        if found is None:
            return provider_pb2.ReadResponse()
        outputs, inputs = found
        return provider_pb2.ReadResponse(id=request.id, properties=write(outputs), inputs=write(inputs))

    @answering
    async def Delete(self, request: Any, context: Context) -> Any:
        await self.provider.delete(request.urn, request.id, read(request.properties), request.timeout)
        return Empty()

    @answering
    async def Construct(self, request: Any, context: Context) -> Any:
        urn, children = await self.provider.construct(request)
        urns = [child.urn for child in children] if isinstance(children, list) else []
        dependencies = {"resources": provider_pb2.ConstructResponse.PropertyDependencies(urns=urns)}
        state = write({"resources": children})
        return provider_pb2.ConstructResponse(urn=urn, state=state, stateDependencies=dependencies)


async def _abort_partial(context: Context, error: Partial) -> None:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.id,
        properties=write(error.outputs),
        reasons=error.reasons,
        inputs=write(error.inputs) if error.inputs is not None else None,
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    # The standard place for a rich error: https://grpc.io/docs/guides/error/#richer-error-model
    metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(grpc.StatusCode.UNKNOWN, str(error), metadata)

"""The gRPC service that the engine talks to: messages in, messages out.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import json
import traceback
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from toolchain.versions import KUBERNETES_PLUGIN

from .config import check_config, diff_config
from .engine import Engine
from .errors import Partial, PluginError
from .naming import Autonaming
from .provider import Provider
from .values import read, write

Context = grpc.aio.ServicerContext[Any, Any]

_UNSUPPORTED: Final = "is not supported by this Kubernetes plugin, which stands in for the official one"
_KINDS: Final = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def _answering(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Turn exceptions into gRPC statuses that the engine understands."""

    @wraps(method)
    async def call(self: "Service", request: Any, context: Context) -> Any:
        try:
            return await method(self, request, context)
        except Partial as error:
            await _abort_partial(context, error)
        except (PluginError, ValueError) as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:
            if context.done():
                raise
            traceback.print_exc()  # to stderr, which the engine shows with --logtostderr -v=5
            name = type(error).__name__
            await context.abort(grpc.StatusCode.INTERNAL, f"bug in the Kubernetes plugin ({name}: {error})")

    return call


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


def _failures(found: Iterable[tuple[str, str]]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in found]


class Service(provider_pb2_grpc.ResourceProviderServicer):
    """Pulumi's resource provider protocol on one `Provider`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @_answering
    async def Handshake(self, request: Any, context: Context) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    @_answering
    async def Attach(self, request: Any, context: Context) -> Any:
        self._provider.engine = Engine(request.address)
        return Empty()

    @_answering
    async def GetPluginInfo(self, request: Any, context: Context) -> Any:
        # The version of the official plugin whose behaviour this one shows; the engine compares it with the SDK's.
        return plugin_pb2.PluginInfo(version=KUBERNETES_PLUGIN)

    @_answering
    async def GetSchema(self, request: Any, context: Context) -> Any:
        # Kinds are not listed: whatever the API server serves can be managed.
        schema = {"name": "kubernetes", "version": KUBERNETES_PLUGIN}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    @_answering
    async def GetMapping(self, request: Any, context: Context) -> Any:
        return provider_pb2.GetMappingResponse()

    @_answering
    async def GetMappings(self, request: Any, context: Context) -> Any:
        return provider_pb2.GetMappingsResponse()

    @_answering
    async def CheckConfig(self, request: Any, context: Context) -> Any:
        failures = _failures(check_config(read(request.news)))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @_answering
    async def DiffConfig(self, request: Any, context: Context) -> Any:
        changed, replaces = diff_config(read(request.olds), read(request.news))
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=changed, replaces=replaces)

    @_answering
    async def Configure(self, request: Any, context: Context) -> Any:
        self._provider.configure(read(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @_answering
    async def Check(self, request: Any, context: Context) -> Any:
        inputs, failures = await self._provider.check(
            request.urn, read(request.news), read(request.olds), request.randomSeed, _autonaming(request)
        )
        return provider_pb2.CheckResponse(inputs=write(inputs), failures=_failures(failures))

    @_answering
    async def Diff(self, request: Any, context: Context) -> Any:
        plan = self._provider.diff(read(request.olds), read(request.news))
        detailed = {
            change.dotted: provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replace], inputDiff=True)
            for change in plan.changes
        }
        changes = provider_pb2.DiffResponse.DIFF_SOME if plan.changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=changes,
            replaces=plan.replaces,
            deleteBeforeReplace=plan.delete_first,
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    @_answering
    async def Create(self, request: Any, context: Context) -> Any:
        id_, outputs = await self._provider.create(
            request.urn, read(request.properties), request.timeout, request.preview
        )
        return provider_pb2.CreateResponse(id=id_, properties=write(outputs))

    @_answering
    async def Update(self, request: Any, context: Context) -> Any:
        outputs = await self._provider.update(
            request.urn,
            read(request.olds),
            read(request.news),
            list(request.ignoreChanges),
            request.timeout,
            request.preview,
        )
        return provider_pb2.UpdateResponse(properties=write(outputs))

    @_answering
    async def Read(self, request: Any, context: Context) -> Any:
        found = await self._provider.read(request.urn, request.id, read(request.properties), read(request.inputs))
        if found is None:
            return provider_pb2.ReadResponse()
        outputs, inputs = found
        return provider_pb2.ReadResponse(id=request.id, properties=write(outputs), inputs=write(inputs))

    @_answering
    async def Delete(self, request: Any, context: Context) -> Any:
        await self._provider.delete(request.urn, request.id, read(request.properties), request.timeout)
        return Empty()

    @_answering
    async def Invoke(self, request: Any, context: Context) -> Any:
        raise PluginError(f"{request.tok} {_UNSUPPORTED}")

    @_answering
    async def Construct(self, request: Any, context: Context) -> Any:
        urn, children = await self._provider.construct(request)
        urns = [child.urn for child in children] if isinstance(children, list) else []
        dependencies = {"resources": provider_pb2.ConstructResponse.PropertyDependencies(urns=urns)}
        state = write({"resources": children})
        return provider_pb2.ConstructResponse(urn=urn, state=state, stateDependencies=dependencies)

    @_answering
    async def Cancel(self, request: Any, context: Context) -> Any:
        self._provider.cancelled.set()
        return Empty()


def _autonaming(request: Any) -> Autonaming | None:
    if not request.HasField("autonaming"):
        return None
    options = request.autonaming
    disabled = options.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
    return Autonaming(options.proposed_name, disabled)

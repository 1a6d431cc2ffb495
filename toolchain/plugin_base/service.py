"""The gRPC service that the engine talks to, as far as it is the same for every plugin.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from .errors import PluginError
from .naming import Autonaming
from .values import Object, read

Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[..., Awaitable[Any]]


class Configurable(Protocol):
    """What every provider has, whatever it manages."""

    @property
    def cancelled(self) -> asyncio.Event: ...

    def configure(self, properties: Object) -> None: ...


P = TypeVar("P", bound=Configurable)


def answering(method: Method) -> Method:
    """Turn exceptions into gRPC statuses that the engine understands."""

    @wraps(method)
    async def call(self: "ProviderService[Any]", request: Any, context: Context) -> Any:
        try:
            return await method(self, request, context)
        except (PluginError, ValueError) as error:
            await self.refuse(context, error)
        except Exception as error:
            if context.done():
                raise
            traceback.print_exc()  # to stderr, which the engine shows with --logtostderr -v=5
            name = type(error).__name__
            await context.abort(grpc.StatusCode.INTERNAL, f"bug in the {self.title} ({name}: {error})")

    return call


class ProviderService(provider_pb2_grpc.ResourceProviderServicer, Generic[P]):
    """Pulumi's resource provider protocol on one provider.

    Attributes:
        package: the name of the package that the official plugin has.
        version: the version of the official plugin whose behaviour this one shows; the engine compares it with the
            SDK's.
        title: of the plugin, in messages.
    """

    package: ClassVar[str]
    version: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, provider: P) -> None:
        self.provider = provider

    async def refuse(self, context: Context, error: PluginError | ValueError) -> None:
        """End a call with an error for the user."""
        await context.abort(grpc.StatusCode.UNKNOWN, str(error))

    @answering
    async def Handshake(self, request: Any, context: Context) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    @answering
    async def GetPluginInfo(self, request: Any, context: Context) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    @answering
    async def GetSchema(self, request: Any, context: Context) -> Any:
        # Types are not listed: only the SDK's generator reads them, and it reads the official plugin's.
        schema = {"name": self.package, "version": self.version}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    @answering
    async def Configure(self, request: Any, context: Context) -> Any:
        self.provider.configure(read(request.args))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @answering
    async def Invoke(self, request: Any, context: Context) -> Any:
        raise PluginError(f"{request.tok} is not supported by this {self.title}, which stands in for the official one")

    @answering
    async def Cancel(self, request: Any, context: Context) -> Any:
        self.provider.cancelled.set()
        return Empty()


def failures(found: Iterable[tuple[str, str]]) -> list[provider_pb2.CheckFailure]:
    """Pairs of a property and what is wrong with it, as the engine takes them."""
    return [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in found]


def autonaming(request: Any) -> Autonaming | None:
    """What a Check request says about the name of an unnamed object."""
    if not request.HasField("autonaming"):
        return None
    options = request.autonaming
    disabled = options.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
    return Autonaming(options.proposed_name, disabled)


def changes(some: bool) -> "provider_pb2.DiffResponse.DiffChanges.ValueType":
    """Whether anything differs, as the engine takes it."""
    return provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE

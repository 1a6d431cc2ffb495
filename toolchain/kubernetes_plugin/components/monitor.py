"""The engine's resource monitor, where a component registers itself and its children.

https://github.com/pulumi/pulumi/blob/master/proto/pulumi/resource.proto
"""

from collections.abc import Iterable
from typing import Any, Final

import grpc
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import UNKNOWN, Object, Reference, write
from toolchain.versions import KUBERNETES_PLUGIN

from ..naming import PACKAGE

MAX_MESSAGE: Final = 400 * 1024 * 1024
"""Bytes, as the engine's own limit."""


class Monitor:
    """Registers what one `Construct` request asks for."""

    def __init__(self, request: provider_pb2.ConstructRequest) -> None:
        self._request = request
        limits = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
        self._channel = grpc.aio.insecure_channel(request.monitorEndpoint, options=limits)
        # The generated types know only the blocking stub; on an asyncio channel its methods are awaited.
        self._stub: Any = resource_pb2_grpc.ResourceMonitorStub(self._channel)

    async def register_component(self) -> str:
        """Register the component itself, which as a resource has no properties, and return its URN.

        Its options are those of the program; its children take over what the engine hands down from a parent.
        """
        asked = self._request
        optional: dict[str, Any] = {}
        for name in ("protect", "deleteBeforeReplace", "retainOnDelete", "replacement_trigger"):
            if asked.HasField(name):
                optional[name] = getattr(asked, name)
        if asked.HasField("customTimeouts"):
            given = asked.customTimeouts
            optional["customTimeouts"] = resource_pb2.RegisterResourceRequest.CustomTimeouts(
                create=given.create, update=given.update, delete=given.delete, read=given.read
            )
        if asked.HasField("resource_hooks"):
            # Two messages of the same form.
            form = resource_pb2.RegisterResourceRequest.ResourceHooksBinding
            optional["hooks"] = form.FromString(asked.resource_hooks.SerializeToString())
        request = resource_pb2.RegisterResourceRequest(
            type=asked.type,
            name=asked.name,
            parent=asked.parent,
            dependencies=asked.dependencies,
            providers=dict(asked.providers),
            aliases=asked.aliases,
            aliasSpecs=True,
            additionalSecretOutputs=asked.additionalSecretOutputs,
            ignoreChanges=asked.ignoreChanges,
            replaceOnChanges=asked.replaceOnChanges,
            replace_with=asked.replace_with,
            deletedWith=asked.deletedWith,
            deleteBeforeReplaceDefined=asked.HasField("deleteBeforeReplace"),
            acceptSecrets=True,
            acceptResources=True,
            supportsPartialValues=True,
            parentStackTraceHandle=asked.stack_trace_handle,
            **optional,
        )
        return (await self._register(request)).urn

    async def register(
        self, type_: str, name: str, inputs: Object, parent: str, depends_on: Iterable[str], retain: bool = False
    ) -> Reference:
        """Register a child and wait until it is as its inputs say.

        Args:
            type_: type token.
            name: name in the URN.
            inputs: with secret marks.
            parent: URN of the component.
            depends_on: URNs of what has to be there before.
            retain: whether its object stays in the cluster when the resource is deleted.

        Raises:
            PluginError: it failed. The engine has shown why.
        """
        nothing = resource_pb2.RegisterResourceRequest.PropertyDependencies()
        request = resource_pb2.RegisterResourceRequest(
            type=type_,
            name=name,
            parent=parent,
            custom=True,
            object=write(inputs),
            # The engine finds the provider of a child by itself only where the component's is an explicit one.
            provider=self._request.providers.get(PACKAGE, ""),
            version=KUBERNETES_PLUGIN,
            dependencies=depends_on,
            # Without an entry, each property counts as coming from everything that the child depends on.
            propertyDependencies=dict.fromkeys(inputs, nothing),
            acceptSecrets=True,
            acceptResources=True,
            supportsPartialValues=True,
            supportsResultReporting=True,
            parentStackTraceHandle=self._request.stack_trace_handle,
            retainOnDelete=True if retain else None,  # unset: as the component's
        )
        response = await self._register(request)
        if response.result != resource_pb2.SUCCESS:
            raise PluginError(f"{type_} {name} failed")
        return Reference(response.urn, response.id or UNKNOWN)

    async def _register(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        try:
            return await self._stub.RegisterResource(request)
        except grpc.aio.AioRpcError as error:
            raise PluginError(f"{request.type} {request.name}: {error.details()}") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

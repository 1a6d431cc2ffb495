"""One component being built: what the program asked for, and where its children go."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.plugin_base.engine import Engine
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Asset, Object, Secret, plain

from ..errors import NoSuchKind, Unreachable
from ..naming import Kind
from ..objects import built_in_scope
from ..session import Session
from .manifests import download, read_file
from .monitor import Monitor


@dataclass(frozen=True)
class Construction:
    """What a component is built with.

    Attributes:
        name: name in the program.
        urn: of the component, which is registered.
        inputs: known all through, with secret marks.
        session: the cluster.
        monitor: takes the children.
        engine: shows messages.
        cancelled: set when the user wants the operation to end.
    """

    name: str
    urn: str
    inputs: Mapping[str, Any]
    session: Session
    monitor: Monitor
    engine: Engine
    cancelled: asyncio.Event

    def text(self, name: str) -> str:
        """A string among the inputs, empty where it is not given."""
        return self._typed(name, str, "a string") or ""

    def flag(self, name: str) -> bool:
        """A boolean among the inputs, false where it is not given."""
        return self._typed(name, bool, "true or false") or False

    def items(self, name: str) -> list[Any]:
        """A list among the inputs, with its secret marks and without nulls."""
        found = without_mark(self.inputs.get(name)) or []
        if not isinstance(found, list):
            raise self.wrong(name, "a list")
        return [item for item in found if item is not None]

    def mapping(self, name: str) -> Object:
        """An object among the inputs, with the secret marks in it."""
        found = without_mark(self.inputs.get(name)) or {}
        if not isinstance(found, dict):
            raise self.wrong(name, "an object")
        return found

    def _typed(self, name: str, type_: type, called: str) -> Any:
        found = plain(self.inputs.get(name))
        if found is not None and not isinstance(found, type_):
            raise self.wrong(name, called)
        return found

    def wrong(self, name: str, called: str) -> PluginError:
        """The error for an input of another type than `called`; the value may be secret and is not named."""
        return PluginError(f"{name}: it has to be {called}")

    @property
    def prefix(self) -> str:
        """What the names of the children begin with: by default the component's, so that two never collide."""
        return self.text("resourcePrefix") if self.inputs.get("resourcePrefix") is not None else self.name

    async def warn(self, message: str) -> None:
        """Show a warning beside the component."""
        await self.engine.log("warning", message, self.urn, passing=False)

    async def scope(self, kind: Kind) -> bool | None:
        """Whether objects of a kind have a namespace; None where neither Kubernetes nor the cluster knows the kind."""
        known = built_in_scope(kind.group, kind.kind)
        if known is not None:
            return known
        try:
            return (await (await self.session.cluster()).endpoint(kind)).namespaced
        except (NoSuchKind, Unreachable):
            return None


def without_mark(value: Any) -> Any:
    """A value that is secret as a whole without that mark; what is in it keeps its own."""
    return value.value if isinstance(value, Secret) else value


async def asset_text(asset: Any, name: str) -> str:
    """The content of an asset among the inputs.

    Raises:
        PluginError: it is no asset, or cannot be read.
    """
    asset = without_mark(asset)
    if not isinstance(asset, Asset):
        raise PluginError(f"{name}: it has to be an asset: FileAsset, StringAsset or RemoteAsset")
    if asset.path:
        return read_file(asset.path)
    return await download(asset.uri) if asset.uri else asset.text

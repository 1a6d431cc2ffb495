"""Objects in a cluster, of any kind that its API server serves."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from toolchain.plugin_base.values import Object

from .connection import Connection
from .errors import ApiError, NoSuchKind, Unreachable
from .naming import Kind
from .objects import metadata, name_of

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"

_WATCH_SECONDS = 300  # the server ends a watch after this; it is then opened again
_PAUSE_SECONDS = 1.0  # before a watch that ended is opened again


class Endpoint(NamedTuple):
    """Where a kind is served."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """URL path of a collection, or of one object."""
        place = f"namespaces/{namespace}/" if self.namespaced and namespace else ""
        return f"{self.root}/{place}{self.plural}{'/' + name if name else ''}"


class Event(NamedTuple):
    """One message of a watch: ADDED, MODIFIED, DELETED, or SYNCED when all that existed has been told."""

    type: str
    object: Object


class Cluster:
    """The cluster behind one connection.

    Every method raises `Unreachable` when there is no answer and `ApiError` when the answer is a refusal.
    """

    def __init__(self, connection: Connection, default_namespace: str) -> None:
        self.connection = connection
        self.default_namespace = default_namespace
        self._kinds: dict[str, asyncio.Task[dict[str, Endpoint]]] = {}

    async def check(self) -> None:
        """Ask for something that needs accepted credentials, to know early whether the cluster can be talked to."""
        await self.connection.request("GET", "/version")

    async def version(self) -> str:
        """The API server's version, as in `v1.34.4`."""
        return str((await self.connection.request("GET", "/version"))["gitVersion"])

    async def served(self) -> list[str]:
        """All that is served now: groups with their versions (`v1`, `apps/v1`) and the kinds in them (`v1/Pod`)."""
        groups = (await self.connection.request("GET", "/apis")).get("groups") or []
        versions = ["v1", *(entry["groupVersion"] for group in groups for entry in group["versions"])]
        found = await asyncio.gather(*(self._kinds_in(version) for version in versions))
        return [name for version, kinds in zip(versions, found, strict=True) for name in (version, *kinds)]

    async def _kinds_in(self, version: str) -> list[str]:
        try:
            kinds = await self._discover(Kind.of({"apiVersion": version}))
        except ApiError:
            return []  # an aggregated API whose server is not there
        return [f"{version}/{kind}" for kind in kinds]

    async def endpoint(self, kind: Kind) -> Endpoint:
        """Where a kind is served; asked once for each group and version.

        Raises:
            NoSuchKind: it is not served.
        """
        version = kind.api_version
        if version not in self._kinds:
            self._kinds[version] = asyncio.create_task(self._discover(kind))
        try:
            served = await asyncio.shield(self._kinds[version])
        except (ApiError, Unreachable) as error:
            self._kinds.pop(version, None)
            if isinstance(error, ApiError) and error.not_found:
                raise NoSuchKind(version, kind.kind) from None
            raise
        if kind.kind not in served:
            self._kinds.pop(version, None)
            raise NoSuchKind(version, kind.kind)
        return served[kind.kind]

    async def _discover(self, kind: Kind) -> dict[str, Endpoint]:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        listing = await self.connection.request("GET", root)
        return {
            entry["kind"]: Endpoint(root, entry["name"], entry["namespaced"])
            for entry in listing.get("resources", [])
            if "/" not in entry["name"]  # not a subresource
        }

    def forget(self, definition: Object) -> None:
        """Ask again for the kinds that a CustomResourceDefinition declares."""
        spec = definition.get("spec") or {}
        for version in spec.get("versions") or []:
            self._kinds.pop(f"{spec.get('group')}/{version.get('name')}", None)

    async def serves(self, kind: Kind) -> bool:
        """Whether the kind can be had; False too when there is no cluster to ask."""
        try:
            await self.endpoint(kind)
        except (NoSuchKind, Unreachable):
            return False
        return True

    async def get(self, obj: Object) -> Object:
        """The live object of the same kind, namespace and name."""
        return await self.connection.request("GET", await self._path(obj))

    async def create(self, obj: Object, manager: str, dry_run: bool = False) -> Object:
        """Create an object that must not exist yet."""
        endpoint = await self.endpoint(Kind.of(obj))
        path = endpoint.path(self._namespace(obj))
        return await self.connection.request("POST", path, parameters=_writing(manager, dry_run), body=obj)

    async def apply(self, obj: Object, manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply: make the fields in `obj` what they say, and drop those the manager no longer names."""
        parameters = {**_writing(manager, dry_run), "force": str(force).lower()}
        return await self.connection.request(
            "PATCH", await self._path(obj), parameters=parameters, body=obj, content_type=APPLY
        )

    async def replace(self, obj: Object, manager: str, dry_run: bool = False) -> Object:
        """Overwrite an object as a whole."""
        return await self.connection.request(
            "PUT", await self._path(obj), parameters=_writing(manager, dry_run), body=obj
        )

    async def patch(self, obj: Object, operations: list[dict[str, Any]]) -> Object:
        """Apply a JSON patch (RFC 6902)."""
        return await self.connection.request("PATCH", await self._path(obj), body=operations, content_type=JSON_PATCH)

    async def delete(self, obj: Object, propagation: str) -> None:
        """Ask for an object's deletion, which may take longer than this call."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        await self.connection.request("DELETE", await self._path(obj), body=options)

    async def list(self, kind: Kind, namespace: str, selectors: Mapping[str, str]) -> tuple[list[Object], str]:
        """The objects that match, and the version of the list to watch from.

        Args:
            kind: kind of the objects.
            namespace: where to look; ignored for kinds without namespaces.
            selectors: `labelSelector` and `fieldSelector`, as the API takes them.
        """
        path = (await self.endpoint(kind)).path(namespace)
        answer = await self.connection.request("GET", path, parameters=selectors)
        items = [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in answer.get("items") or []]
        return items, str(metadata(answer).get("resourceVersion") or "")

    async def watch(self, kind: Kind, namespace: str, selectors: Mapping[str, str]) -> AsyncIterator[Event]:
        """Everything that exists, then every change, for ever; lost connections are made again.

        Raises:
            ApiError: the listing is refused, as for want of rights.
            NoSuchKind: the kind is not served.
        """
        known: dict[str, Object] = {}
        while True:
            try:
                path = (await self.endpoint(kind)).path(namespace)
                items, version = await self.list(kind, namespace, selectors)
                present = {name_of(item): item for item in items}
                for name in known.keys() - present.keys():
                    yield Event("DELETED", known.pop(name))
                for name, item in present.items():
                    known[name] = item
                    yield Event("ADDED", item)
                yield Event("SYNCED", {})
                async for event in self._changes(path, selectors, version):
                    name = name_of(event.object)
                    if event.type == "DELETED":
                        known.pop(name, None)
                    else:
                        known[name] = event.object
                    yield event
            except Unreachable:
                pass  # the API server may be restarting; whoever waits has a deadline
            except ApiError as error:
                if error.code < 500:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _changes(self, path: str, selectors: Mapping[str, str], version: str) -> AsyncIterator[Event]:
        parameters = {
            **selectors,
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        try:
            async with self.connection.lines(path, parameters) as lines:
                async for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return  # mostly 410: the version is too old, and all must be listed again
                    yield Event(event["type"], event["object"])
        except ApiError as error:
            if error.code != 410:
                raise

    async def _path(self, obj: Object) -> str:
        endpoint = await self.endpoint(Kind.of(obj))
        return endpoint.path(self._namespace(obj), name_of(obj))

    def _namespace(self, obj: Object) -> str:
        return metadata(obj).get("namespace") or self.default_namespace


def _writing(manager: str, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": manager, **({"dryRun": "All"} if dry_run else {})}

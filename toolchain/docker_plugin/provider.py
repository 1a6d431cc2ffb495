"""The provider behind the gRPC service: every operation in terms of Python values."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from toolchain.plugin_base.engine import Engine
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.naming import Autonaming, unique_name, urn_name
from toolchain.plugin_base.values import UNKNOWN, Object, plain

from . import container
from .api import Api, EngineError

NETWORK, VOLUME = "docker:index/network:Network", "docker:index/volume:Volume"
CONTAINER = "docker:index/container:Container"
_PATHS = {NETWORK: "/networks/{}", VOLUME: "/volumes/{}", CONTAINER: "/containers/{}/json"}
_INSTEAD = "this Docker plugin, which stands in for the official one"
_SUPPORTED = {NETWORK: {"labels", "name"}, VOLUME: {"labels", "name"}, CONTAINER: container.SUPPORTED}
# The official plugin's own key for inputs that it made up itself.
_DEFAULTS = "__defaults"
_POLL_SECONDS = 0.2
_WAIT_SECONDS = 60
_GRACE_SECONDS = 10
_TAIL_LINES = 15


@dataclass(frozen=True)
class Change:
    """Which properties differ, whether that takes another object, and whether the old one has to go first."""

    changed: list[str]
    replaces: list[str]
    delete_first: bool


class Provider:
    """One configured provider."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.cancelled = asyncio.Event()
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        """The Docker Engine. Nothing is asked of it before an object is."""
        if self._api is None:
            self._api = Api()
        return self._api

    def configure(self, properties: Object) -> None:
        """Take the provider's configuration: the engine's address."""
        self._api = Api(plain(properties).get("host") or "")

    async def close(self) -> None:
        """Close the connections."""
        if self._api is not None:
            await self._api.close()

    def check(
        self, urn: str, program: Object, old: Object, seed: bytes, autonaming: Autonaming | None
    ) -> tuple[Object, list[tuple[str, str]]]:
        """The inputs with a name, and what is wrong with them as pairs of property and reason."""
        kind = _kind(urn)
        failures = [
            (name, f"{name} is not supported by {_INSTEAD}")
            for name, value in program.items()
            if name not in _SUPPORTED[kind] and not name.startswith("__") and value is not None
        ]
        inputs = {key: value for key, value in program.items() if value is not None and key != _DEFAULTS}
        if "name" not in inputs:
            if "name" in old.get(_DEFAULTS, []):
                inputs["name"] = old["name"]
            elif autonaming and autonaming.proposed:
                inputs["name"] = autonaming.proposed
            else:
                inputs["name"] = unique_name(f"{urn_name(urn)}-", seed, 7)
            inputs[_DEFAULTS] = ["name"]
        return inputs, failures

    def diff(self, urn: str, old: Object, new: Object) -> Change:
        """What differs between inputs."""
        before, after = plain(old), plain(new)
        changed = sorted(
            key for key in before.keys() | after.keys() if key != _DEFAULTS and before.get(key) != after.get(key)
        )
        replaces = [key for key in changed if _kind(urn) != CONTAINER or key not in container.WITHOUT_CONTAINER]
        return Change(changed, replaces, delete_first="name" not in before.get(_DEFAULTS, []))

    async def create(self, urn: str, inputs: Object, preview: bool) -> tuple[str, Object]:
        """Make the object, and wait for a container that says so until it is healthy or done."""
        kind, asked = _kind(urn), plain(inputs)
        if preview:
            return "", {**inputs, **({"ports": UNKNOWN} if "ports" in inputs else {})}
        labels = {entry["label"]: entry["value"] for entry in asked.get("labels", [])} if kind != CONTAINER else {}
        if kind == NETWORK:
            body = {"Name": asked["name"], "Driver": "bridge", "CheckDuplicate": True, "Labels": labels}
            made = await self.api.send("POST", "/networks/create", json=body)
            return made["Id"], {**inputs, "driver": "bridge"}
        if kind == VOLUME:
            await self.api.send("POST", "/volumes/create", json={"Name": asked["name"], "Labels": labels})
            return asked["name"], dict(inputs)
        return await self._run(inputs, asked)

    async def _run(self, inputs: Object, asked: Object) -> tuple[str, Object]:
        await self.api.pull(asked["image"])
        body = container.request(asked)
        made = await self.api.send("POST", "/containers/create", params={"name": asked["name"]}, json=body)
        id_ = made["Id"]
        try:
            for network in asked.get("networksAdvanced", [])[1:]:
                more = {"Container": id_, "EndpointConfig": {"Aliases": network.get("aliases", [])}}
                await self.api.send("POST", f"/networks/{network['name']}/connect", json=more)
            if asked.get("uploads"):
                await self.api.send(
                    "PUT",
                    f"/containers/{id_}/archive",
                    params={"path": "/"},
                    content=container.uploads(asked),
                    headers={"Content-Type": "application/x-tar"},
                )
            if asked.get("start", True):
                await self.api.send("POST", f"/containers/{id_}/start")
                live = await self._settled(id_, asked)
            else:
                live = await self.api.send("GET", f"/containers/{id_}/json")
        except BaseException:
            # Nothing is left that the state does not know; what the container replaces still runs.
            await asyncio.shield(self.api.remove(f"/containers/{id_}", v=True, force=True))
            raise
        return id_, _outputs(inputs, asked, live)

    async def _settled(self, id_: str, asked: Object) -> dict[str, Any]:
        """The container as it is once it runs, is healthy (`wait`), or has done its work (`mustRun` false).

        Raises:
            PluginError: it does not become so, with the end of its log.
        """
        deadline = time.monotonic() + asked.get("waitTimeout", _WAIT_SECONDS)
        while True:
            live = await self.api.send("GET", f"/containers/{id_}/json")
            state = live["State"]
            health = state.get("Health", {}).get("Status", "healthy")
            if not asked.get("mustRun", True):
                if not state["Running"] and state["ExitCode"] == 0:
                    return live
                if not state["Running"]:
                    raise await self._failed(id_, f"ended with {state['ExitCode']}")
            elif state.get("Restarting") or not state["Running"]:
                raise await self._failed(id_, f"ended with {state['ExitCode']}")
            elif not asked.get("wait") or health == "healthy":
                return live
            elif health == "unhealthy":
                raise await self._failed(id_, "is unhealthy", state["Health"])
            if time.monotonic() > deadline:
                raise await self._failed(id_, "is not ready in time", state.get("Health", {}))
            if self.cancelled.is_set():
                raise PluginError("the operation was cancelled")
            await asyncio.sleep(_POLL_SECONDS)

    async def _failed(self, id_: str, what: str, health: dict[str, Any] | None = None) -> PluginError:
        params = {"stdout": True, "stderr": True, "tail": _TAIL_LINES}
        try:
            raw = await self.api.send("GET", f"/containers/{id_}/logs", params=params)
        except PluginError:
            raw = ""
        # Each piece of the log has a header of eight bytes, none of which is text.
        lines = ["".join(filter(str.isprintable, line)).strip() for line in str(raw).splitlines()]
        asked = [entry.get("Output", "").strip() for entry in (health or {}).get("Log", [])[-1:]]
        said = [f"  health check: {text}" for text in asked if text] + [f"  | {line}" for line in lines if line]
        return PluginError("\n".join([f"the container {what}", *said]))

    async def read(self, urn: str, id_: str, inputs: Object, outputs: Object) -> tuple[Object, Object] | None:
        """Outputs and inputs of the object as it is, None if it is gone."""
        kind = _kind(urn)
        live = await self.api.find(_PATHS[kind].format(id_))
        if live is None:
            return None
        if not inputs:
            raise PluginError(f"{urn_name(urn)} cannot be imported by {_INSTEAD}")
        if kind != CONTAINER:
            return outputs, inputs
        return _outputs(inputs, plain(inputs), live), inputs

    async def delete(self, urn: str, id_: str, inputs: Object) -> None:
        """Delete the object; a container gets time to end."""
        kind = _kind(urn)
        if kind == CONTAINER:
            grace = plain(inputs).get("destroyGraceSeconds", _GRACE_SECONDS)
            try:
                await self.api.send("POST", f"/containers/{id_}/stop", params={"t": grace})
            except EngineError as error:
                if error.status != 404:
                    raise
            await self.api.remove(f"/containers/{id_}", v=True, force=True)
            return
        await self.api.remove(_PATHS[kind].format(id_))


def _kind(urn: str) -> str:
    token = urn.split("::")[2].rpartition("$")[2]
    if token not in _SUPPORTED:
        raise PluginError(
            f"{token} is not supported by {_INSTEAD} with Network, Volume and Container only. "
            "Install the official plugin (`pulumi plugin install resource docker`) to use this type"
        )
    return token


def _outputs(inputs: Object, asked: Object, live: dict[str, Any]) -> Object:
    ports = {"ports": container.published(asked, live)} if "ports" in asked else {}
    return {**inputs, **ports, "exitCode": live["State"]["ExitCode"]}

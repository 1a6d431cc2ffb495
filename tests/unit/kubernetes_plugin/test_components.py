"""Components against a resource monitor that answers over real gRPC."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import alias_pb2, provider_pb2, resource_pb2, resource_pb2_grpc

from toolchain.kubernetes_plugin.components import builder, construct
from toolchain.kubernetes_plugin.errors import Unreachable
from toolchain.plugin_base.engine import Engine
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import UNKNOWN, Asset, Reference, Secret, read, write

GROUP = "kubernetes:yaml/v2:ConfigGroup"


@dataclass
class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Gives every resource a URN and an id, except those of which a name is in `failing`."""

    failing: set[str] = field(default_factory=set)
    requests: list[Any] = field(default_factory=list)

    async def RegisterResource(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        await asyncio.sleep(0.01)
        if request.name in self.failing:
            return resource_pb2.RegisterResourceResponse(urn="", result=resource_pb2.FAIL)
        return resource_pb2.RegisterResourceResponse(urn=f"urn:{request.name}", id=request.name)

    def named(self, name: str) -> Any:
        return next(request for request in self.requests if request.name == name)


class OneNamespace:
    """A session whose cluster nobody needs."""

    namespace = "here"

    def __init__(self, problem: Unreachable | None = None) -> None:
        self._problem = problem

    async def problem(self) -> Unreachable | None:
        return self._problem

    async def cluster(self) -> Any:
        raise Unreachable("nobody there")


Answer = tuple[str, list[Reference] | Any]


def built(monitor: Monitor, request: Any, session: OneNamespace | None = None) -> Answer:
    """What a request gives."""

    async def served() -> Answer:
        server = grpc.aio.server()
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        request.monitorEndpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        known: Any = session or OneNamespace()
        try:
            return await construct(request, builder(request.type), known, Engine(), asyncio.Event())
        finally:
            await server.stop(None)

    return asyncio.run(served())


def config_map(name: str, depends_on: str = "", **more: Any) -> dict[str, Any]:
    annotations = {"config.kubernetes.io/depends-on": depends_on} if depends_on else None
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def group(*objects: Any, **inputs: Any) -> Any:
    return provider_pb2.ConstructRequest(type=GROUP, name="it", inputs=write({"objs": list(objects), **inputs}))


def test_children_and_what_becomes_of_them() -> None:
    monitor = Monitor()
    second = config_map("b", "/namespaces/here/ConfigMap/a", data={"token": Secret("canary"), "mode": "a"})
    request = group(second, config_map("a"))
    request.providers["kubernetes"] = "urn:provider::id"
    urn, children = built(monitor, request)
    assert urn == "urn:it"
    assert {child.urn for child in children} == {"urn:it:here/a", "urn:it:here/b"}
    child = monitor.named("it:here/b")
    assert (child.type, child.parent, child.provider) == ("kubernetes:core/v1:ConfigMap", "urn:it", "urn:provider::id")
    assert list(child.dependencies) == ["urn:it:here/a"]
    assert set(child.propertyDependencies) == {"apiVersion", "kind", "metadata", "data"}
    assert read(child.object)["data"] == {"token": Secret("canary"), "mode": "a"}
    assert not child.HasField("retainOnDelete")
    assert list(monitor.named("it:here/a").dependencies) == []


def test_the_components_options_are_passed_on() -> None:
    monitor = Monitor()
    request = group()
    request.protect, request.retainOnDelete, request.deleteBeforeReplace = True, False, True
    request.parent = "urn:parent"
    request.dependencies.append("urn:before")
    request.aliases.append(alias_pb2.Alias(urn="urn:old"))
    request.customTimeouts.create = "5m"
    request.resource_hooks.before_create.append("hook")
    assert built(monitor, request) == ("urn:it", [])
    [component] = monitor.requests
    assert (component.type, component.parent, component.custom, component.remote) == (GROUP, "urn:parent", False, False)
    assert not component.object.fields
    assert (component.protect, component.retainOnDelete, component.deleteBeforeReplace) == (True, False, True)
    assert component.HasField("retainOnDelete")
    assert component.deleteBeforeReplaceDefined
    assert list(component.dependencies) == ["urn:before"]
    assert component.aliases[0].urn == "urn:old"
    assert component.customTimeouts.create == "5m"
    assert list(component.hooks.before_create) == ["hook"]


@pytest.mark.parametrize(("prefix", "name"), [({}, "it:here/a"), ({"resourcePrefix": "x"}, "x:here/a")])
def test_prefixes(prefix: dict[str, str], name: str) -> None:
    monitor = Monitor()
    built(monitor, group(config_map("a"), **prefix))
    assert monitor.requests[1].name == name


def test_an_empty_prefix_leaves_the_names_alone() -> None:
    monitor = Monitor()
    built(monitor, group(config_map("a"), resourcePrefix=""))
    assert monitor.requests[1].name == "here/a"


def test_children_that_are_not_waited_for() -> None:
    monitor = Monitor()
    built(monitor, group(config_map("a"), skipAwait=True))
    assert read(monitor.requests[1].object)["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_a_failed_child_fails_the_component_once_the_others_are_done() -> None:
    monitor = Monitor(failing={"it:here/a"})
    objects = config_map("a"), config_map("b", "/namespaces/here/ConfigMap/a"), config_map("c")
    with pytest.raises(PluginError, match="kubernetes:core/v1:ConfigMap it:here/a failed"):
        built(monitor, group(*objects))
    assert {request.name for request in monitor.requests} == {"it", "it:here/a", "it:here/c"}


def test_what_is_not_known_yet_has_no_children() -> None:
    monitor = Monitor()
    assert built(monitor, group(config_map("a", data={"x": UNKNOWN}))) == ("urn:it", UNKNOWN)
    assert len(monitor.requests) == 1


def test_without_a_cluster_nothing_is_registered() -> None:
    monitor = Monitor()
    with pytest.raises(Unreachable, match="configured Kubernetes cluster is unreachable: gone"):
        built(monitor, group(config_map("a")), OneNamespace(Unreachable("gone")))
    assert monitor.requests == []


def test_a_whole_text_that_is_secret_makes_secret_objects() -> None:
    monitor = Monitor()
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: canary}"
    built(monitor, group(yaml=Secret(text)))
    assert read(monitor.requests[1].object)["data"] == Secret({"x": "canary"})


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"yaml": 1}, "yaml: it has to be a string"),
        ({"skipAwait": "yes", "objs": [config_map("a")]}, "skipAwait: it has to be true or false"),
        ({"files": [1]}, "files: it has to be a list of paths and URLs"),
        ({"objs": ["a"]}, r"objs\[0\]: it has to be an object"),
    ],
)
def test_inputs_of_another_type(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        built(Monitor(), provider_pb2.ConstructRequest(type=GROUP, name="it", inputs=write(inputs)))


def test_assets_and_references_on_the_wire() -> None:
    wire = write({"a": Reference("urn:a", UNKNOWN), "b": Reference("urn:b", "id")})
    fields = wire.fields["b"].struct_value.fields
    assert {name: fields[name].string_value for name in ("urn", "id")} == {"urn": "urn:b", "id": "id"}
    with pytest.raises(ValueError, match="cannot be part"):
        read(wire)
    asset = write({"file": {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": "x"}})
    assert read(asset, assets=True) == {"file": Asset(text="x")}
    with pytest.raises(ValueError, match="cannot be part"):
        read(asset)

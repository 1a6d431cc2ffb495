"""What operations leave in the cluster and in the state when things go wrong half-way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.unit.kubernetes_plugin.conftest import ApiServer, status
from toolchain.kubernetes_plugin import operations
from toolchain.kubernetes_plugin.cluster import Cluster
from toolchain.kubernetes_plugin.connection import Connection
from toolchain.kubernetes_plugin.errors import Partial
from toolchain.kubernetes_plugin.operations import Operation
from toolchain.kubernetes_plugin.state import Stored
from toolchain.plugin_base.engine import Engine, Reporter
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import UNKNOWN, Secret

URN = "urn:pulumi:dev::shop::kubernetes:core/v1:ConfigMap::a"
MAPS = "/api/v1/namespaces/n/configmaps"


def config_map(value: Any = "1", **more: Any) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "n"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": value}, **more}


def stored(inputs: dict[str, Any], live: dict[str, Any] | None = None) -> Stored:
    return Stored.of({**(live or inputs), "__inputs": inputs, "__fieldManager": "m", "__initialApiVersion": "v1"})


def run(api: ApiServer, work: Callable[[Operation], Awaitable[Any]], *, cancelled: bool = False, **options: Any) -> Any:
    async def connected() -> Any:
        access = api.access()
        cluster = Cluster(Connection(access), access.namespace)
        stop = asyncio.Event()
        if cancelled:
            stop.set()
        try:
            return await work(Operation(URN, cluster, Reporter(Engine(), URN), stop, **options))
        finally:
            await cluster.connection.close()

    return asyncio.run(connected())


class TestCreate:
    def test_what_is_stored(self, api: ApiServer) -> None:
        live = config_map(status={"ok": True})
        api.on("POST", MAPS, (201, live))
        id_, outputs = run(api, lambda op: operations.create(op, config_map(Secret("1"))))
        assert id_ == "n/a"
        assert outputs["data"] == {"x": Secret("1")}
        assert outputs["__inputs"]["data"] == {"x": Secret("1")}
        assert outputs["status"] == {"ok": True}
        assert api.sent("POST")[0].body == config_map("1")

    def test_preview_asks_the_server_and_leaves_the_status_open(self, api: ApiServer) -> None:
        api.on("POST", MAPS, (201, config_map(status={})))
        id_, outputs = run(api, lambda op: operations.create(op, config_map()), preview=True)
        assert id_ == ""
        assert "status" not in outputs
        assert api.sent("POST")[0].query["dryRun"] == "All"

    def test_preview_of_what_is_not_known_yet_asks_nobody(self, api: ApiServer) -> None:
        program = config_map(UNKNOWN)
        assert run(api, lambda op: operations.create(op, program), preview=True) == ("", program)
        assert api.sent("POST") == []

    @pytest.mark.parametrize(
        "answer",
        [
            status(404, "NotFound", kind="namespaces"),
            status(403, "Forbidden"),
            status(409, "AlreadyExists"),
            status(400, "BadRequest", "admission webhook does not support dry run"),
        ],
    )
    def test_preview_without_an_answer_is_the_inputs(self, api: ApiServer, answer: Any) -> None:
        api.on("POST", MAPS, answer)
        assert run(api, lambda op: operations.create(op, config_map()), preview=True) == ("", config_map())

    @pytest.mark.parametrize("preview", [True, False])
    def test_what_the_server_finds_wrong_fails_the_preview_too(self, api: ApiServer, preview: bool) -> None:
        api.on("POST", MAPS, status(422, "Invalid", "data: too long"))
        with pytest.raises(
            PluginError, match="was not successfully created by the Kubernetes API server: data: too long"
        ):
            run(api, lambda op: operations.create(op, config_map()), preview=preview)

    def test_what_exists_already_is_not_taken_over(self, api: ApiServer) -> None:
        api.on("POST", MAPS, status(409, "AlreadyExists", 'configmaps "a" already exists'))
        with pytest.raises(PluginError, match="pulumi import"):
            run(api, lambda op: operations.create(op, config_map()))

    def test_a_namespace_that_comes_later(self, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(operations.creating, "_RETRIES_AFTER", (0.01, 0.01))
        api.on("POST", MAPS, status(404, "NotFound"), status(404, "NotFound"), (201, config_map()))
        assert run(api, lambda op: operations.create(op, config_map()))[0] == "n/a"

    def test_cancelling_ends_the_attempts(self, api: ApiServer) -> None:
        api.on("POST", MAPS, status(404, "NotFound"))
        with pytest.raises(PluginError):
            run(api, lambda op: operations.create(op, config_map()), cancelled=True)
        assert len(api.sent("POST")) == 1

    def test_an_object_that_does_not_become_ready_is_stored(self, api: ApiServer) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n", "uid": "1"}}
        api.on("POST", "/api/v1/namespaces/n/pods", (201, pod))
        api.on("GET", "/api/v1/namespaces/n/pods", (200, {"items": [pod]}))
        api.on("GET", "/api/v1/namespaces/n/pods/a", (200, {**pod, "status": {"phase": "Pending"}}))
        with pytest.raises(Partial, match="'a' timed out waiting to be Ready") as error:
            run(api, lambda op: operations.create(op, pod), timeout=0.3)
        assert error.value.id == "n/a"
        assert error.value.outputs["status"] == {"phase": "Pending"}
        assert error.value.outputs["__inputs"] == pod


class TestUpdate:
    def test_apply(self, api: ApiServer) -> None:
        api.on("GET", f"{MAPS}/a", (200, config_map("1")))
        api.on("PATCH", f"{MAPS}/a", (200, config_map("2", extra=1)))
        outputs = run(api, lambda op: operations.update(op, stored(config_map("1")), config_map("2"), []))
        assert outputs["extra"] == 1
        assert outputs["__inputs"] == config_map("2")
        assert api.sent("PATCH")[-1].query["fieldManager"] == "m"

    def test_a_conflict_says_so_and_the_state_stays_what_the_cluster_was_told(self, api: ApiServer) -> None:
        api.on("GET", f"{MAPS}/a", (200, config_map("foreign", metadata=managed("other"))))
        api.on("PATCH", f"{MAPS}/a", status(409, "Conflict", "Apply failed with 1 conflict"))
        with pytest.raises(Partial, match="Apply failed with 1 conflict") as error:
            run(api, lambda op: operations.update(op, stored(config_map("1")), config_map("2"), []))
        assert 'field manager "m"' in str(error.value)
        assert error.value.outputs["__inputs"] == config_map("1")
        assert error.value.outputs["data"] == {"x": "foreign"}

    def test_an_apply_that_does_not_become_ready_is_what_the_cluster_was_told(self, api: ApiServer) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "n"}}
        old, new = {**pod, "spec": {"image": "old"}}, {**pod, "spec": {"image": "new"}}
        api.on("GET", "/api/v1/namespaces/n/pods", (200, {"items": [new]}))
        api.on("GET", "/api/v1/namespaces/n/pods/a", (200, old), (200, new))
        api.on("PATCH", "/api/v1/namespaces/n/pods/a", (200, new))
        with pytest.raises(Partial, match="timed out") as error:
            run(api, lambda op: operations.update(op, stored(old), new, []), timeout=0.3)
        assert error.value.outputs["__inputs"] == new
        assert error.value.outputs["spec"] == {"image": "new"}

    def test_no_secret_of_old_or_new_inputs_is_stored_in_the_clear(self, api: ApiServer) -> None:
        old = {**config_map(), "old": Secret("s"), "new": "t"}
        new = {**config_map(), "old": "s", "new": Secret("t")}
        api.on("GET", f"{MAPS}/a", (200, {**config_map(metadata=managed("other")), "old": "s", "new": "t"}))
        api.on("PATCH", f"{MAPS}/a", status(409, "Conflict"))
        with pytest.raises(Partial) as error:
            run(api, lambda op: operations.update(op, stored(old), new, []))
        for place in (error.value.outputs, error.value.outputs["__inputs"]):
            assert (place["old"], place["new"]) == (Secret("s"), Secret("t"))

    def test_the_creator_s_fields_are_taken_over_first(self, api: ApiServer) -> None:
        live = config_map(metadata=managed("pulumi-kubernetes"))
        api.on("GET", f"{MAPS}/a", (200, live))
        api.on("PATCH", f"{MAPS}/a", status(409, "Conflict"), (200, live), (200, live))
        run(api, lambda op: operations.update(op, stored(config_map()), config_map("2"), []))
        kinds = [request.headers["Content-Type"] for request in api.sent("PATCH")]
        assert kinds == [*["application/json-patch+json"] * 2, "application/apply-patch+yaml"]

    def test_a_preview_writes_nothing(self, api: ApiServer) -> None:
        api.on("GET", f"{MAPS}/a", (200, config_map(metadata=managed("pulumi-kubernetes"))))
        api.on("PATCH", f"{MAPS}/a", (200, config_map("2")))
        run(api, lambda op: operations.update(op, stored(config_map()), config_map("2"), []), preview=True)
        (dry,) = api.sent("PATCH")
        assert dry.query == {"fieldManager": "m", "dryRun": "All", "force": "true"}

    def test_an_object_that_is_gone(self, api: ApiServer) -> None:
        api.on("GET", f"{MAPS}/a", status(404, "NotFound", 'configmaps "a" not found'))
        with pytest.raises(PluginError, match='configmaps "a" not found') as error:
            run(api, lambda op: operations.update(op, stored(config_map()), config_map("2"), []))
        assert not isinstance(error.value, Partial)


def managed(manager: str) -> dict[str, Any]:
    entry = {"manager": manager, "operation": "Update", "fieldsV1": {"f:data": {}}}
    return {"name": "a", "namespace": "n", "resourceVersion": "1", "managedFields": [entry]}


class TestRead:
    def test_changes_made_by_others_become_inputs(self, api: ApiServer) -> None:
        api.on("GET", f"{MAPS}/a", (200, config_map("2", extra=1)))
        known = stored(config_map("1"), config_map("1", extra=1))
        outputs, inputs = run(api, lambda op: operations.read(op, "n/a", known, config_map(Secret("1"))))
        assert inputs == config_map(Secret("2"))
        assert outputs["__inputs"] == inputs
        assert outputs["extra"] == 1

    def test_what_the_stack_does_not_know_is_adopted(self, api: ApiServer) -> None:
        api.on("GET", f"{MAPS}/a", (200, config_map("1", metadata=managed("other"), status={})))
        _, inputs = run(api, lambda op: operations.read(op, "n/a", Stored.of({}), {}))
        assert inputs == config_map("1")

    def test_what_is_gone(self, api: ApiServer) -> None:
        assert run(api, lambda op: operations.read(op, "n/a", stored(config_map()), config_map())) is None


class TestDelete:
    def test_waits_until_it_is_gone(self, api: ApiServer) -> None:
        api.on("DELETE", f"{MAPS}/a", (200, {}))
        api.on("GET", MAPS, (200, {"items": [config_map()]}), (200, {"items": []}))
        api.on("GET", f"{MAPS}?watch", (200, []))
        run(api, lambda op: operations.delete(op, "n/a", stored(config_map())))
        assert api.sent("DELETE")[0].body["propagationPolicy"] == "Foreground"
        assert (
            len([request for request in api.sent("GET") if request.path == MAPS and not request.query.get("watch")])
            == 2
        )

    def test_what_is_gone_already(self, api: ApiServer) -> None:
        run(api, lambda op: operations.delete(op, "n/a", stored(config_map())))

    def test_what_does_not_go_stays_in_the_state(self, api: ApiServer) -> None:
        held = config_map(metadata={"name": "a", "namespace": "n", "finalizers": ["keep"]})
        api.on("DELETE", f"{MAPS}/a", (200, {}))
        api.on("GET", MAPS, (200, {"items": [held]}))
        with pytest.raises(Partial, match="timed out waiting to be deleted") as error:
            run(api, lambda op: operations.delete(op, "n/a", stored(config_map())), timeout=0.3)
        assert error.value.reasons[1:] == ["finalizers might be preventing deletion (keep)"]
        assert error.value.outputs["__inputs"] == config_map()

    def test_propagation(self, api: ApiServer) -> None:
        annotated = config_map()
        annotated["metadata"] = {
            **annotated["metadata"],
            "annotations": {"pulumi.com/deletionPropagationPolicy": "orphan"},
        }
        api.on("DELETE", f"{MAPS}/a", (200, {}))
        api.on("GET", MAPS, (200, {"items": []}))
        run(api, lambda op: operations.delete(op, "n/a", stored(annotated)))
        assert api.sent("DELETE")[0].body["propagationPolicy"] == "Orphan"

import copy
from typing import Any, ClassVar

from toolchain.kubernetes_plugin.objects import adopted, annotation, built_in_scope, drifted, normalised
from toolchain.plugin_base.values import UNKNOWN


def test_normalised_drops_what_means_nothing() -> None:
    given = {"metadata": {"name": "a", "uid": "1", "managedFields": []}, "spec": {"x": None, "y": [{"z": None}]}}
    before = copy.deepcopy(given)
    assert normalised(given) == {"metadata": {"name": "a"}, "spec": {"y": [{}]}}
    assert given == before


def test_a_secret_s_texts_become_data() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "b2xk", "b": "eA=="}, "stringData": {"a": "new"}}
    assert normalised(secret) == {"apiVersion": "v1", "kind": "Secret", "data": {"a": "bmV3", "b": "eA=="}}


def test_a_secret_s_unknown_texts_wait() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": UNKNOWN}}
    assert normalised(secret) == secret


def test_somebody_else_s_stringdata_is_not_a_secret_s() -> None:
    other = {"apiVersion": "example.test/v1", "kind": "Secret", "stringData": {"a": "b"}}
    assert normalised(other) == other


def test_annotations_that_are_not_known_yet_count_as_absent() -> None:
    assert annotation({"metadata": {"annotations": UNKNOWN}}, "skipAwait") == ""
    assert annotation({"metadata": {"annotations": {"pulumi.com/skipAwait": UNKNOWN}}}, "skipAwait") == ""
    assert annotation({"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}, "skipAwait") == "true"


def test_scopes_are_known_for_kubernetes_own_kinds_only() -> None:
    assert built_in_scope("", "Namespace") is False
    assert built_in_scope("apps", "Deployment") is True
    assert built_in_scope("example.test", "Widget") is None


class TestDrift:
    inputs: ClassVar[dict[str, Any]] = {
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"replicas": 1, "memory": "1024Mi", "containers": [{"image": "a"}]},
    }
    live: ClassVar[dict[str, Any]] = {
        "metadata": {"name": "web", "labels": {"app": "web"}, "uid": "1"},
        "spec": {"replicas": 1, "memory": "1Gi", "containers": [{"image": "a", "policy": "Always"}], "extra": True},
        "status": {"ready": 1},
    }

    def now(self, **spec: object) -> dict[str, Any]:
        return {**self.live, "spec": {**self.live["spec"], **spec}, "status": {"ready": 0}}

    def test_nothing_changed(self) -> None:
        assert drifted(self.inputs, self.live, self.now()) == self.inputs

    def test_a_changed_value_is_taken_over_and_the_rest_keeps_its_spelling(self) -> None:
        found = drifted(self.inputs, self.live, self.now(replicas=3))
        assert found == {**self.inputs, "spec": {**self.inputs["spec"], "replicas": 3}}

    def test_a_change_inside_a_list_leaves_defaults_out(self) -> None:
        found = drifted(self.inputs, self.live, self.now(containers=[{"image": "b", "policy": "Always"}]))
        assert found["spec"]["containers"] == [{"image": "b"}]

    def test_an_added_element_is_taken_over(self) -> None:
        both = [{"image": "a", "policy": "Always"}, {"image": "sidecar"}]
        assert drifted(self.inputs, self.live, self.now(containers=both))["spec"]["containers"][1:] == both[1:]

    def test_an_element_that_the_server_always_added_is_not(self) -> None:
        injected = [{"image": "a"}, {"image": "mesh"}]
        before = self.now(containers=injected)
        now = self.now(containers=[{"image": "b"}, {"image": "mesh"}])
        assert drifted(self.inputs, before, now)["spec"]["containers"] == [{"image": "b"}]

    def test_a_removed_field_goes(self) -> None:
        now = copy.deepcopy(self.live)
        del now["metadata"]["labels"]["app"]
        assert drifted(self.inputs, self.live, now)["metadata"] == {"name": "web", "labels": {}}

    def test_a_foreign_field_stays_out(self) -> None:
        now = copy.deepcopy(self.live)
        now["metadata"]["labels"]["team"] = "x"
        assert drifted(self.inputs, self.live, now) == self.inputs


def test_adopted_inputs_hold_what_a_program_could_write() -> None:
    live = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "a",
            "uid": "1",
            "resourceVersion": "2",
            "annotations": {"deployment.kubernetes.io/revision": "3"},
            "labels": {"l": "m"},
        },
        "spec": {"replicas": 1},
        "status": {},
    }
    assert adopted(live) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "labels": {"l": "m"}},
        "spec": {"replicas": 1},
    }

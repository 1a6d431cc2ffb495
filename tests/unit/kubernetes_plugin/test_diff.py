from typing import Any

import pytest

from toolchain.kubernetes_plugin.config import Settings
from toolchain.kubernetes_plugin.diff import Change, compare
from toolchain.kubernetes_plugin.objects import MISSING
from toolchain.kubernetes_plugin.planning import plan
from toolchain.kubernetes_plugin.replacement import immutable_fields, touches
from toolchain.kubernetes_plugin.state import Stored
from toolchain.plugin_base.values import UNKNOWN, Secret


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    return {change.dotted: change.kind for change in compare(old, new)}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": "update"}),
        ({"a": 1}, {"a": 1.0}, {}),
        ({"a": 1}, {"a": True}, {"a": "update"}),
        ({"a": 1}, {"a": "1"}, {"a": "update"}),
        ({}, {"a": {"b": 1}}, {"a": "add"}),
        ({"a": {"b": 1, "c": 2}}, {}, {"a": "delete"}),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, {"a.c": "add", "a.b": "delete"}),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, {"a[1]": "update", "a[2]": "add"}),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]}, {"a[1]": "delete"}),
        ({"a": [1]}, {"a": {"b": 1}}, {"a": "update"}),
        ({"a": 1}, {"a": UNKNOWN}, {"a": "update"}),
        ({}, {"a": UNKNOWN}, {"a": "add"}),
        ({"l": {"x.y/z": "1"}}, {"l": {"x.y/z": "2"}}, {'l["x.y/z"]': "update"}),
    ],
)
def test_compare(old: dict[str, Any], new: dict[str, Any], expected: dict[str, str]) -> None:
    assert changes(old, new) == expected


@pytest.mark.parametrize(
    ("path", "value", "hit"),
    [
        (("spec", "selector"), {}, True),
        (("spec", "selector", "matchLabels", "a"), "b", True),
        (("spec", "selector"), MISSING, True),
        (("spec",), {"selector": {"matchLabels": {}}}, True),
        (("spec",), {"replicas": 1}, False),
        (("spec", "replicas"), 2, False),
        (("spec", "template", "selector"), 2, False),
        (("metadata", "name"), "x", True),
        (("metadata", "labels", "name"), "x", False),
    ],
)
def test_immutable_fields_of_a_deployment(path: tuple[str | int, ...], value: object, hit: bool) -> None:
    patterns = immutable_fields({"apiVersion": "apps/v1", "kind": "Deployment"})
    assert touches(path, value, patterns) is hit


def test_immutable_fields_inside_lists() -> None:
    patterns = immutable_fields({"apiVersion": "v1", "kind": "Pod"})
    assert touches(("spec", "containers", 1, "image"), "x", patterns)
    assert touches(("spec", "containers"), [{"name": "a"}, {"image": "b"}], patterns)
    assert not touches(("spec", "containers", 0, "name"), "x", patterns)
    assert not touches(("spec", "containers"), [{"name": "a"}], patterns)


@pytest.mark.parametrize(("kind", "field"), [("ConfigMap", "data"), ("ConfigMap", "binaryData"), ("Secret", "data")])
def test_contents_that_pods_read_at_their_start(kind: str, field: str) -> None:
    obj = {"apiVersion": "v1", "kind": kind}
    assert touches((field, "a"), "x", immutable_fields(obj))
    mutable = {"configmap_mutable": True, "secret_mutable": True}
    assert not touches((field, "a"), "x", immutable_fields(obj, **mutable))
    assert touches((field, "a"), "x", immutable_fields({**obj, "immutable": True}, **mutable))


class TestPlan:
    """Inputs against state, as the engine asks."""

    def stored(self, **inputs: Any) -> Stored:
        known = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, **inputs}
        return Stored.of({**known, "__inputs": known, "__fieldManager": "m"})

    def program(self, **inputs: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, **inputs}

    def test_a_replacement_of_a_given_name_deletes_first(self) -> None:
        found = plan(self.stored(data={"x": "1"}), self.program(data={"x": "2"}), Settings())
        assert found.changes == [Change(("data", "x"), "update", True)]
        assert found.replaces == ["data.x"]
        assert found.delete_first

    def test_a_replacement_of_a_made_up_name_stands_beside_the_old(self) -> None:
        name = {"name": "a", "namespace": "n", "annotations": {"pulumi.com/autonamed": "true"}}
        stored = self.stored(data={"x": "1"}, metadata=name)
        found = plan(stored, self.program(data={"x": "2"}, metadata=name), Settings())
        assert found.replaces == ["data.x"]
        assert not found.delete_first

    def test_a_new_name_stands_beside_the_old(self) -> None:
        found = plan(self.stored(), self.program(metadata={"name": "b", "namespace": "n"}), Settings())
        assert found.replaces == ["metadata.name"]
        assert not found.delete_first

    def test_another_namespace_is_another_object(self) -> None:
        found = plan(self.stored(), self.program(metadata={"name": "a", "namespace": "m"}), Settings())
        assert found.replaces == ["metadata.namespace"]
        assert not found.delete_first

    def test_naming_the_default_namespace_is_no_change(self) -> None:
        stored = self.stored(metadata={"name": "a"})
        assert plan(stored, self.program(metadata={"name": "a", "namespace": "default"}), Settings()).changes == []

    def test_naming_an_object_as_it_is_named_is_no_change(self) -> None:
        unnamed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n"}}
        stored = Stored.of({**self.program(), "__inputs": unnamed})
        assert plan(stored, self.program(), Settings()).changes == []

    def test_mutable_by_configuration(self) -> None:
        found = plan(self.stored(data={"x": "1"}), self.program(data={"x": "2"}), Settings(configmap_mutable=True))
        assert found.changes == [Change(("data", "x"), "update", False)]

    def test_secret_text_against_stored_data(self) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "n"}}
        stored = Stored.of({**secret, "__inputs": {**secret, "data": Secret({"t": "b2xk"})}})
        assert plan(stored, {**secret, "stringData": Secret({"t": "old"})}, Settings()).changes == []
        assert plan(stored, {**secret, "stringData": {"t": Secret("new")}}, Settings()).replaces == ["data.t"]

    def test_what_the_server_spells_differently_is_no_change(self) -> None:
        inputs = self.program(spec={"memory": "1024Mi"})
        stored = Stored.of({**inputs, "spec": {"memory": "1Gi", "defaulted": 1}, "__inputs": inputs})
        assert plan(stored, inputs, Settings()).changes == []

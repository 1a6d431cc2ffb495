"""Manifests: YAML as Kubernetes reads it, and what is completed before objects are registered."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from toolchain.kubernetes_plugin.components.manifests import Manifest, complete, expand, load, parse, read_files
from toolchain.kubernetes_plugin.naming import Kind
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Secret


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-31", "2026-01-31"),
        ("12:30:45", "12:30:45"),
        ("v1.2", "v1.2"),
        ("1.0.0", "1.0.0"),
        ("yes", True),
        ("Off", False),
        ("n", False),
        ("0644", 420),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("08", 8.0),
        ('"1"', "1"),
        ("~", None),
        ("", None),
        ("=", "="),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    [[found]] = load(f"- {text}", "it")
    assert found == value
    assert type(found) is type(value)


def test_keys_are_texts_and_anchors_are_followed() -> None:
    assert load("80: &x {a: 1}\ntrue: {<<: *x, b: 2}", "it") == [{"80": {"a": 1}, "true": {"a": 1, "b": 2}}]


def test_empty_documents_are_passed_over() -> None:
    assert parse("---\n# nothing\n---\na: 1\n---\n", "it") == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: 1\nb: ]", "it is not valid YAML (line 2"), ("- a", "something that is not a Kubernetes object")],
)
def test_what_is_no_manifest_is_refused(text: str, said: str) -> None:
    with pytest.raises(PluginError, match="it") as refused:
        parse(text, "it")
    assert said in str(refused.value)


def test_an_error_does_not_show_the_text() -> None:
    with pytest.raises(PluginError) as refused:
        parse("token: canary\n  b: 1\n", "it")
    assert "line 2" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_files_and_patterns(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "c.txt"):
        (tmp_path / name).write_text(name)
    pattern = f"{tmp_path}/*.yaml"
    found = asyncio.run(read_files([pattern, f"{tmp_path}/c.txt"], patterns=True))
    assert [text for _, text in found] == ["a.yaml", "b.yaml", "c.txt"]
    assert asyncio.run(read_files([f"{tmp_path}/none-*"], patterns=True)) == []
    with pytest.raises(PluginError, match=r"cannot read .*\*\.yaml"):
        asyncio.run(read_files([pattern], patterns=False))


def test_lists_are_taken_apart_with_their_secrets() -> None:
    one, two = {"kind": "A", "spec": {"x": 1}}, {"kind": "B", "spec": {"y": 2}}
    inner = {"kind": "List", "items": [two]}
    manifest = Manifest({"kind": "List", "items": [one, inner]}, {"items": [{"spec": {"x": Secret(1)}}, Secret(inner)]})
    found = expand([manifest])
    assert [obj for obj, _ in found] == [one, two]
    assert found[0].source == {"spec": {"x": Secret(1)}}
    assert found[1].source == {"spec": Secret({"y": 2})}


def completed(*objects: dict[str, Any], served: bool | None = None) -> tuple[list[str | None], list[Kind]]:
    """The objects' namespaces, and the kinds that nobody knew."""

    async def scope(kind: Kind) -> bool | None:
        return {"ConfigMap": True, "Namespace": False}.get(kind.kind, served)

    found, unknown = asyncio.run(complete([Manifest(obj, {}) for obj in objects], "here", scope))
    return [manifest.plain["metadata"].get("namespace") for manifest in found], unknown


def test_the_default_namespace() -> None:
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "there"}}
    none = {"apiVersion": "core/v1", "kind": "ConfigMap", "metadata": {"name": "b"}}
    without = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c"}}
    assert completed(own, none, without) == (["there", "here", None], [])
    assert none["metadata"] == {"name": "b"}  # the manifest itself is left alone


@pytest.mark.parametrize(("scope", "namespace"), [("Namespaced", "here"), ("Cluster", None)])
def test_a_definition_beside_its_object_says_where_that_lives(scope: str, namespace: str | None) -> None:
    gadget = {"apiVersion": "x.test/v1", "kind": "Gadget", "metadata": {"name": "g"}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.x.test", "namespace": "any"},
        "spec": {"group": "x.test", "scope": scope, "names": {"kind": "Gadget"}},
    }
    assert completed(gadget, definition) == ([namespace, "any"], [])


def test_a_kind_that_nobody_knows() -> None:
    gadget = {"apiVersion": "x.test/v1", "kind": "Gadget", "metadata": {"name": "g"}}
    assert completed(gadget) == ([None], [Kind("x.test", "v1", "Gadget")])
    assert completed(gadget, served=True) == (["here"], [])


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, "require a kind and apiVersion"),
        ({"kind": "ConfigMap", "metadata": {"name": "a"}}, "require a kind and apiVersion"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a"}}, "require a .metadata.name"),
    ],
)
def test_an_object_that_cannot_be_told_from_others(obj: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        completed(obj)


def test_a_broken_object_is_named_without_its_contents() -> None:
    broken = {"apiVersion": "v1", "kind": "Secret", "stringData": {"token": "canary"}}
    with pytest.raises(PluginError) as refused:
        completed(broken)
    assert '{"apiVersion": "v1", "kind": "Secret"}' in str(refused.value)
    assert "canary" not in str(refused.value)

"""The order in which the objects of a manifest are registered."""

from typing import Any

import pytest

from toolchain.kubernetes_plugin.components.ordering import ObjectKey, dependencies
from toolchain.plugin_base.errors import PluginError


def obj(api_version: str, kind: str, name: str, namespace: str = "", depends_on: str = "", **more: Any) -> Any:
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if depends_on:
        metadata["annotations"] = {"config.kubernetes.io/depends-on": depends_on}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def ordered(*objects: Any) -> dict[str, set[str]]:
    """Names in their order, each with the names that it depends on."""
    found = dependencies({ObjectKey.of(one): one for one in objects})
    return {key.name: {other.name for other in needed} for key, needed in found.items()}


def test_namespaces_and_definitions_come_first() -> None:
    definition = obj(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "crd", spec={"group": "x.test", "names": {"kind": "G"}}
    )
    order = ordered(
        obj("x.test/v2", "G", "custom", "ns"),
        obj("v1", "ConfigMap", "elsewhere", "other"),
        definition,
        obj("v1", "Namespace", "ns"),
    )
    assert order == {"custom": {"crd", "ns"}, "elsewhere": set(), "crd": set(), "ns": set()}
    names = list(order)
    assert names.index("custom") > max(names.index("crd"), names.index("ns"))


def test_annotations() -> None:
    order = ordered(
        obj("v1", "ConfigMap", "a", "n", "apps/namespaces/n/Deployment/b, storage.k8s.io/StorageClass/c"),
        obj("apps/v1", "Deployment", "b", "n", "/namespaces/n/ConfigMap/d"),
        obj("storage.k8s.io/v1", "StorageClass", "c"),
        obj("v1", "ConfigMap", "d", "n"),
    )
    assert order == {"a": {"b", "c"}, "b": {"d"}, "c": set(), "d": set()}
    assert list(order)[-1] == "a"


@pytest.mark.parametrize(
    ("depends_on", "said"),
    [
        ("nonsense", 'has "nonsense"; it takes'),
        ("/namespaces/n/Kind", "it takes"),
        ("/ConfigMap/none", "names /ConfigMap/none, which is not in this manifest"),
        ("/namespaces/n/ConfigMap/b", "goes round in a circle"),
    ],
)
def test_annotations_that_cannot_be_followed(depends_on: str, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        ordered(
            obj("v1", "ConfigMap", "a", "n", depends_on),
            obj("v1", "ConfigMap", "b", "n", "/namespaces/n/ConfigMap/a"),
        )

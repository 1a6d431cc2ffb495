import re

import pytest

from toolchain.kubernetes_plugin.naming import Kind, assign_name, object_id, split_id
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.naming import Autonaming, unique_name
from toolchain.plugin_base.values import UNKNOWN

URN = "urn:pulumi:dev::shop::my:own:Component$kubernetes:apps/v1:Deployment::web"
AUTONAMED = {"pulumi.com/autonamed": "true"}


@pytest.mark.parametrize(
    ("type_", "kind", "api_version"),
    [
        ("kubernetes:core/v1:Secret", Kind("", "v1", "Secret"), "v1"),
        ("kubernetes:apps/v1:Deployment", Kind("apps", "v1", "Deployment"), "apps/v1"),
        ("a:b:C$d:e:F$kubernetes:example.test/v1:Widget", Kind("example.test", "v1", "Widget"), "example.test/v1"),
    ],
)
def test_kinds_from_urns(type_: str, kind: Kind, api_version: str) -> None:
    found = Kind.from_urn(f"urn:pulumi:dev::shop::{type_}::name::with::colons")
    assert found == kind
    assert found.api_version == api_version


@pytest.mark.parametrize(
    "type_",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:apps/v1:DeploymentPatch",
        "aws:s3:B",
    ],
)
def test_what_is_not_an_object_is_refused_by_name(type_: str) -> None:
    with pytest.raises(PluginError, match=re.escape(type_)):
        Kind.from_urn(f"urn:pulumi:dev::shop::{type_}::x")


def test_ids() -> None:
    assert object_id({"metadata": {"namespace": "a", "name": "b"}}) == "a/b"
    assert object_id({"metadata": {"name": "b"}}) == "b"
    assert split_id("a/b") == ("a", "b")
    assert split_id("b") == ("", "b")


def test_made_up_names_follow_the_seed() -> None:
    first = unique_name("web-", b"seed")
    assert re.fullmatch(r"web-[0-9a-f]{8}", first)
    assert unique_name("web-", b"seed") == first
    assert unique_name("web-", b"other") != first
    assert unique_name("web-", b"") != unique_name("web-", b"")


def test_an_unnamed_object_gets_a_name_and_says_so() -> None:
    inputs: dict[str, object] = {"metadata": {"annotations": {"a": "b"}}}
    assign_name(inputs, {}, URN, b"seed", None)
    assert inputs["metadata"] == {"name": unique_name("web-", b"seed"), "annotations": {"a": "b", **AUTONAMED}}


def test_a_made_up_name_is_kept() -> None:
    inputs: dict[str, object] = {}
    assign_name(inputs, {"metadata": {"name": "web-1", "annotations": AUTONAMED}}, URN, b"seed", None)
    assert inputs["metadata"] == {"name": "web-1", "annotations": AUTONAMED}


def test_a_given_name_that_was_taken_out_is_not_kept() -> None:
    inputs: dict[str, object] = {}
    assign_name(inputs, {"metadata": {"name": "given"}}, URN, b"seed", None)
    assert inputs["metadata"] == {}


@pytest.mark.parametrize("name", ["given", UNKNOWN])
def test_a_named_object_is_left_alone(name: object) -> None:
    inputs: dict[str, object] = {"metadata": {"name": name}}
    assign_name(inputs, {}, URN, b"seed", None)
    assert inputs == {"metadata": {"name": name}}


def test_metadata_that_is_not_known_yet_is_left_alone() -> None:
    inputs: dict[str, object] = {"metadata": UNKNOWN}
    assign_name(inputs, {}, URN, b"seed", None)
    assert inputs == {"metadata": UNKNOWN}


def test_the_engine_s_proposal_is_taken() -> None:
    inputs: dict[str, object] = {}
    assign_name(inputs, {}, URN, b"seed", Autonaming(proposed="proposed"))
    assert inputs["metadata"] == {"name": "proposed", "annotations": AUTONAMED}


def test_autonaming_switched_off() -> None:
    with pytest.raises(PluginError, match="autonaming is disabled"):
        assign_name({}, {}, URN, b"seed", Autonaming(disabled=True))


def test_names_made_up_by_kubernetes_are_refused() -> None:
    with pytest.raises(PluginError, match="generateName"):
        assign_name({"metadata": {"generateName": "web-"}}, {}, URN, b"seed", None)

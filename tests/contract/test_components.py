"""Components of the plugin: YAML files and groups, and Helm charts from a folder, a registry and a repository."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.contract import charts
from tests.contract.playing import Outcome, Player
from tests.contract.test_beyond import Cluster
from toolchain.kubernetes_plugin.errors import ApiError

pytestmark = [pytest.mark.integration, pytest.mark.shared]

PROGRAMS = Path(__file__).parent / "programs"
# The official plugin renders charts itself, words its errors in its own way, and forgets what is secret in manifests.
OFFICIAL = "KUBERNETES_PLUGIN" in os.environ
KEPT = "/api/v1/namespaces/default/serviceaccounts/local"
Playground = tuple[Path, str, dict[str, str]]


@pytest.fixture(scope="module")
def arguments(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What helm was called with, written by a program of its name in front of it on PATH."""
    folder = tmp_path_factory.mktemp("spy")
    log = folder / "arguments"
    spy = folder / "helm"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{log}"\nenv >>"{log}"\nexec "{helm}" "$@"\n')
    spy.chmod(0o755)
    return log


@pytest.fixture(scope="module")
def player(
    playground: Playground, helm: str, arguments: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Player]:
    """A new stack of the program of this module, and the charts that it asks for."""
    kubeconfig, image, env = playground
    path = os.pathsep.join([str(arguments.parent), env.get("PATH") or os.environ["PATH"]])
    player = Player.create(
        tmp_path_factory.mktemp("components"), {**env, "PATH": path}, kubeconfig, image, PROGRAMS / "components.py"
    )
    for name in ("manifests", "shop"):
        shutil.copytree(PROGRAMS / name, player.folder / "project" / name)
    archives = tmp_path_factory.mktemp("archives")
    archive = charts.packaged(helm, PROGRAMS / "shop", archives)
    with charts.repository(helm, archives, "buyer", "canary-password") as url:
        places = {"oci": charts.pushed(helm, archive, image.partition("/")[0]), "repository": url}
        player.pulumi("config", "set", "places", json.dumps(places))
        yield player
        player.at("nothing")
        player.pulumi("destroy", "--yes", "--skip-preview")
        with suppress(ApiError):
            Cluster(kubeconfig)("DELETE", KEPT)


@pytest.fixture(scope="module")
def cluster(playground: Playground) -> Cluster:
    return Cluster(playground[0])


def up(player: Player, step: str) -> Outcome:
    player.at(step)
    done = player.up()
    assert done.rc == 0, done.diagnostics
    return done


def names(outcome: Outcome, op: str) -> set[str]:
    """The components' children with an operation, as `Kind name`."""
    return {f"{o['type'].rpartition(':')[2]} {o['name']}" for o in outcome.ops if o["op"] == op and ":" in o["name"]}


def resource(player: Player, name: str) -> dict[str, Any]:
    return next(found for found in player.state() if found["urn"].rpartition("::")[2] == name)


def config_map(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    return cluster("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")["data"]


class TestYaml:
    """In order: one stack with a file and two groups."""

    def test_what_is_not_known_yet_is_said(self, player: Player) -> None:
        player.at("yaml")
        previewed = player.preview()
        assert previewed.rc == 0, previewed.diagnostics
        assert {"ConfigFile", "ConfigGroup"} <= {op["type"].rpartition(":")[2] for op in previewed.ops}
        assert "Namespace file:probe-yaml" in names(previewed, "create")
        assert not [name for name in names(previewed, "create") if " late:" in name]
        [warning] = [d["message"] for d in previewed.diagnostics if d["severity"] == "warning"]
        assert warning.startswith(
            "kubernetes:yaml/v2:ConfigGroup:late -- Required input properties have unknown values"
        )

    def test_names_types_and_order(self, player: Player) -> None:
        created = names(up(player, "yaml"), "create")
        namespace = resource(player, "components")["outputs"]["metadata"]["name"]
        assert created == {
            "Namespace file:probe-yaml",
            "CustomResourceDefinition file:parcels.probe.test",
            "Parcel file:probe-yaml/one",
            "Secret file:probe-yaml/token",
            f"Service x:{namespace}/lonely",
            "ConfigMap group:default/settings",
            "ConfigMap group:default/text",
            f"ConfigMap group:{namespace}/first",
            f"ConfigMap group:{namespace}/second",
            "ConfigMap late:default/late",
        }
        parcel = resource(player, "file:probe-yaml/one")
        assert parcel["type"] == "kubernetes:probe.test/v1:Parcel"
        assert parcel["parent"] == resource(player, "file")["urn"]
        assert {urn.rpartition("::")[2] for urn in parcel["dependencies"]} == {
            "file:probe-yaml",
            "file:parcels.probe.test",
        }
        first = resource(player, f"group:{namespace}/first")["urn"]
        assert resource(player, f"group:{namespace}/second")["dependencies"] == [first]
        kinds = json.loads(player.pulumi("stack", "output", "--json").stdout)["kinds"]
        # The SDK has no class for a kind that is not Kubernetes' own, and gives the id.
        assert kinds == ["CustomResourceDefinition", "Namespace", "Secret", "str"]

    def test_values_are_as_kubectl_reads_them(self, cluster: Cluster) -> None:
        spec = cluster("GET", "/apis/probe.test/v1/namespaces/probe-yaml/parcels/one")["spec"]
        assert spec == {"sent": "2026-01-31", "weight": 1.5}

    @pytest.mark.skipif(OFFICIAL, reason="only the stand-in keeps the marks")
    def test_secrets_stay_secret(self, player: Player) -> None:
        state = json.dumps(player.state())
        for text in ("canary-manifest", "canary-object"):
            assert text not in state
            assert base64.b64encode(text.encode()).decode() not in state

    def test_nothing_changed(self, player: Player) -> None:
        assert player.preview().ops == []

    def test_a_changed_object_is_replaced_and_a_dropped_one_deleted(self, player: Player) -> None:
        manifest = player.folder / "project" / "manifests" / "settings.yaml"
        manifest.write_text(manifest.read_text().replace("settings", "others"))
        done = up(player, "changed")
        namespace = resource(player, "components")["outputs"]["metadata"]["name"]
        assert names(done, "replace") == {f"ConfigMap group:{namespace}/second"}
        assert names(done, "create") == {"ConfigMap group:default/others"}
        assert names(done, "delete") == {"ConfigMap group:default/settings"}


class TestCharts:
    """In order: one stack with three charts, which replaces the one before."""

    def test_all_sources(self, player: Player) -> None:
        created = names(up(player, "chart"), "create")
        assert created == {
            "CustomResourceDefinition local:orders.shop.test",
            *(f"{kind} local:default/local" for kind in ("Order", "ConfigMap", "ServiceAccount")),
            *(f"{kind} oci:default/oci" for kind in ("Order", "ConfigMap", "ServiceAccount")),
            *(f"{kind} repository:kube-public/named" for kind in ("Order", "ConfigMap", "ServiceAccount")),
        }

    def test_values_and_what_templates_know(self, cluster: Cluster) -> None:
        local = config_map(cluster, "default", "local")
        assert local == {
            "first": "red",
            "third": "blue",
            "mode": "given",
            "release": "install in default",
            "kubernetes": cluster("GET", "/version")["gitVersion"],
            "policies": "true",
            "default": "default",
            "url": "https://canary-value@shop.test",
        }
        assert config_map(cluster, "default", "oci")["mode"] == "default"
        assert config_map(cluster, "kube-public", "named")["mode"] == "rendered"

    def test_nothing_changed(self, player: Player) -> None:
        assert player.preview().ops == []

    def test_a_changed_value(self, player: Player, cluster: Cluster) -> None:
        done = up(player, "chart-changed")
        assert names(done, "replace") == {"ConfigMap local:default/local"}
        assert config_map(cluster, "default", "local")["mode"] == "changed"

    @pytest.mark.skipif(OFFICIAL, reason="the official plugin has helm built in")
    def test_secrets_are_neither_in_the_state_nor_in_arguments(self, player: Player, arguments: Path) -> None:
        called = arguments.read_text()
        assert "template\n" in called
        for text in ("canary-value", "canary-password"):
            assert text not in json.dumps(player.state())
            assert text not in called

    def test_what_a_chart_wants_kept_stays(self, player: Player, cluster: Cluster) -> None:
        up(player, "nothing")
        assert all(":" not in found["urn"].rpartition("::")[2] for found in player.state())
        assert cluster("GET", KEPT)["metadata"]["name"] == "local"
        with pytest.raises(ApiError, match="not found"):
            cluster("GET", KEPT.replace("local", "oci"))


def test_locked_dependencies_are_fetched_and_a_deprecated_chart_is_named(player: Player, helm: str) -> None:
    project = player.folder / "project"
    charts.dependent(helm, project / "mall", project / "shop")
    player.at("dependent-chart")
    previewed = player.preview()
    assert previewed.rc == 0, previewed.diagnostics
    assert "ConfigMap mall:default/mall" in names(previewed, "create")
    warnings = [d["message"] for d in previewed.diagnostics if d["severity"] == "warning"]
    assert warnings == ["Using a deprecated Helm chart (mall)"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("no-file", "cannot read manifests/none.yaml"),
        ("no-yaml", "yaml is not valid YAML (line 2"),
        ("no-kind", "Kubernetes resources require a kind and apiVersion"),
        ("no-name", "Kubernetes resources require a .metadata.name"),
        ("no-chart", "./none"),
        ("broken-chart", "[secret] cannot be sold"),
        ("bad-child", "spec.ports[0].port"),
    ],
)
def test_a_fault_is_named(player: Player, step: str, said: str) -> None:
    player.at(step)
    previewed = player.preview()
    assert previewed.rc == 1
    errors = [d["message"] for d in previewed.diagnostics if d["severity"] == "error"]
    assert OFFICIAL or any(said in message for message in errors), errors
    assert OFFICIAL or not any("canary" in message or "bug in" in message for message in errors), errors

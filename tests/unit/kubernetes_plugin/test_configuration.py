import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from toolchain.kubernetes_plugin.config import Settings, check_config, diff_config
from toolchain.kubernetes_plugin.errors import Unreachable
from toolchain.kubernetes_plugin.kubeconfig import active_cluster, ambient, load, select
from toolchain.plugin_base.values import UNKNOWN, Secret


def kubeconfig(name: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}", "certificate-authority": "ca.crt"}}],
        "contexts": [{"name": f"{name}-context", "context": {"cluster": name, "user": name, **more}}],
        "users": [{"name": name, "user": {"token": f"{name}-token"}}],
        "current-context": f"{name}-context",
    }


class TestKubeconfig:
    def test_contents_as_yaml_and_json(self) -> None:
        assert load(yaml.safe_dump(kubeconfig())) == load(json.dumps(kubeconfig())) == kubeconfig()

    def test_a_path_makes_its_files_absolute(self, tmp_path: Path) -> None:
        (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig()))
        assert load(str(tmp_path / "config"))["clusters"][0]["cluster"]["certificate-authority"] == str(
            tmp_path / "ca.crt"
        )

    @pytest.mark.parametrize("text", ["/no/such/file", "{", "a: [", "- list"])
    def test_what_is_neither(self, text: str) -> None:
        with pytest.raises(Unreachable, match="the provider's kubeconfig is"):
            load(text)

    def test_several_files_merge_and_the_first_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = tmp_path / "1", tmp_path / "2"
        first.write_text(yaml.safe_dump(kubeconfig("a")))
        other = kubeconfig("a")
        other["clusters"][0]["cluster"]["server"] = "https://overridden"
        other["users"].append({"name": "b", "user": {"token": "b-token"}})
        second.write_text(
            yaml.safe_dump({**other, "contexts": kubeconfig("b")["contexts"], "current-context": "b-context"})
        )
        monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")
        merged = ambient()
        assert merged["current-context"] == "a-context"
        assert select(merged).cluster["server"] == "https://a"
        assert select(merged, "b-context", cluster="a").user == {"token": "b-token"}

    def test_home_is_the_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert ambient() == {}
        (tmp_path / ".kube").mkdir()
        (tmp_path / ".kube" / "config").write_text(yaml.safe_dump(kubeconfig()))
        assert select(ambient()).cluster["server"] == "https://a"

    def test_namespace(self) -> None:
        assert select(kubeconfig()).namespace == "default"
        assert select(kubeconfig(namespace="n")).namespace == "n"
        assert select(kubeconfig(namespace="n"), namespace="m").namespace == "m"

    @pytest.mark.parametrize(
        ("config", "context", "cluster", "message"),
        [
            ({}, "", "", "no kubeconfig found"),
            (kubeconfig(), "b", "", 'context "b" does not exist in the kubeconfig \\(it has: a-context\\)'),
            ({**kubeconfig(), "current-context": ""}, "", "", "no context is selected"),
            (kubeconfig(), "", "b", 'cluster "b" has no server'),
        ],
    )
    def test_what_cannot_be_selected(self, config: dict[str, Any], context: str, cluster: str, message: str) -> None:
        with pytest.raises(Unreachable, match=message):
            select(config, context, cluster)

    def test_no_active_cluster(self) -> None:
        assert active_cluster({}) is None


class TestSettings:
    def test_values_come_as_json_text_and_secret(self) -> None:
        given = {"kubeconfig": Secret("text"), "enablePatchForce": "true", "enableSecretMutable": "false"}
        assert Settings.of(given) == Settings(kubeconfig="text", patch_force=True)

    def test_a_kubeconfig_may_be_an_object(self) -> None:
        assert load(Settings.of({"kubeconfig": kubeconfig()}).kubeconfig) == kubeconfig()

    def test_environment_variables_give_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
        assert Settings.of({}).delete_unreachable
        assert not Settings.of({"deleteUnreachable": "false"}).delete_unreachable

    def test_unsupported_settings_are_refused_by_name(self) -> None:
        assert check_config({"kubeconfig": "x", "enableServerSideApply": "true", "clusterIdentifier": "y"}) == []
        assert [name for name, _ in check_config({"renderYamlToDirectory": "out"})] == ["renderYamlToDirectory"]
        assert [name for name, _ in check_config({"enableServerSideApply": "false"})] == ["enableServerSideApply"]
        assert check_config({"__internal": {}}) == []
        assert check_config({"renderYamlToDirectory": "", "skipUpdateUnreachable": "false"}) == []


class TestDiffConfig:
    a, b = json.dumps(kubeconfig("a")), json.dumps(kubeconfig("b"))

    def test_nothing(self) -> None:
        assert diff_config({"kubeconfig": self.a}, {"kubeconfig": self.a}) == ([], [])

    def test_another_cluster_replaces_everything(self) -> None:
        assert diff_config({"kubeconfig": self.a}, {"kubeconfig": self.b}) == (["kubeconfig"], ["kubeconfig"])

    def test_another_user_does_not(self) -> None:
        other = kubeconfig("a")
        other["users"][0]["user"]["token"] = "new"
        assert diff_config({"kubeconfig": self.a}, {"kubeconfig": json.dumps(other)}) == (["kubeconfig"], [])

    def test_another_context_of_the_same_kubeconfig(self) -> None:
        both = kubeconfig("a")
        for section in ("clusters", "contexts", "users"):
            both[section] += kubeconfig("b")[section]
        text = json.dumps(both)
        found = diff_config({"kubeconfig": text}, {"kubeconfig": text, "context": "b-context"})
        assert found == (["context"], ["context"])

    def test_the_identifier_alone_decides(self) -> None:
        old, new = {"kubeconfig": self.a, "clusterIdentifier": "x"}, {"kubeconfig": self.b, "clusterIdentifier": "x"}
        assert diff_config(old, new) == (["kubeconfig"], [])
        new["clusterIdentifier"] = "y"
        assert diff_config(old, new) == (["clusterIdentifier", "kubeconfig"], ["clusterIdentifier"])

    def test_adding_an_identifier_replaces_nothing(self) -> None:
        old, new = {"kubeconfig": self.a}, {"kubeconfig": self.a, "clusterIdentifier": "x"}
        assert diff_config(old, new) == (["clusterIdentifier"], [])

    def test_a_kubeconfig_that_is_not_known_yet_may_be_another(self) -> None:
        assert diff_config({"kubeconfig": self.a}, {"kubeconfig": UNKNOWN}) == (["kubeconfig"], ["kubeconfig"])

"""Helm charts: what values become, what of them stays hidden, and how helm is run."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from toolchain.kubernetes_plugin.components.chart_values import chart_values, secret_places
from toolchain.kubernetes_plugin.components.construction import Construction
from toolchain.kubernetes_plugin.components.helm import Helm, Repository
from toolchain.kubernetes_plugin.kubeconfig import Access
from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Asset, Secret

NOTHING: Any = None


def values(**inputs: Any) -> tuple[dict[str, Any], set[str]]:
    component = Construction("it", "urn", inputs, NOTHING, NOTHING, NOTHING, NOTHING)
    return asyncio.run(chart_values(component))


def test_values_win_over_files_and_later_files_over_earlier() -> None:
    files = [Asset(text="a: {x: 1, z: 1}\nb: [1, 2]"), Asset(text="a: {x: 2}"), Asset(text="")]
    merged, hidden = values(valueYamlFiles=files, values={"a": {"z": None}, "b": [3]})
    assert merged == {"a": {"x": 2, "z": None}, "b": [3]}
    assert hidden == set()


def test_assets_among_values_become_their_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    merged, _ = values(values={"a": [Asset(path=str(tmp_path / "file"))], "b": Secret(Asset(text="canary"))})
    assert merged == {"a": ["content"], "b": "canary"}


def test_what_is_hidden() -> None:
    _, hidden = values(
        values={
            "a": {"b": Secret("canary-1")},
            "c": Secret({"d": ["canary-2", 123456]}),
            "e": "open",
            "f": Secret("ab"),
        },
        valueYamlFiles=[Secret(Asset(text="g: canary-3"))],
        repositoryOpts={"username": "open", "password": "canary-4"},
    )
    assert {"canary-1", "canary-2", "123456", "canary-3", "canary-4", "Y2FuYXJ5LTE="} <= hidden
    assert not {"open", "ab"} & hidden


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"values": ["a"]}, "values: it has to be an object"),
        ({"valueYamlFiles": ["a"]}, r"valueYamlFiles\[0\]: it has to be an asset"),
        ({"valueYamlFiles": [Asset(text="- a")]}, r"valueYamlFiles\[0\]: it has to hold an object"),
        ({"valueYamlFiles": [Asset(path="/none")]}, "cannot read /none"),
        ({"valueYamlFiles": [Asset(uri="file:///etc/passwd")]}, "only http and https"),
    ],
)
def test_what_is_no_value(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        values(**inputs)


def test_rendered_secrets_are_marked_where_they_show() -> None:
    rendered = {"data": {"url": "https://canary@x", "mode": "a"}, "list": [{"v": "canary"}, 1]}
    marked = secret_places(rendered, {"canary"})
    assert marked == {"data": {"url": Secret("https://canary@x"), "mode": "a"}, "list": [{"v": Secret("canary")}, 1]}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A helm on PATH that does what a test writes into it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "helm"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return path


def helm(*hidden: str) -> Helm:
    return Helm(asyncio.Event(), hidden)


def test_without_helm_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PluginError, match="python3 -m toolchain install helm"):
        helm()


@pytest.mark.parametrize(
    ("version", "good"), [("v3.14.0+g1", True), ("v3.22.0", True), ("v3.13.9", False), ("v4.0.0", False)]
)
def test_versions(program: Path, version: str, good: bool) -> None:
    program.write_text(f"#!/bin/sh\necho {version}\n")
    with helm() as it:
        if good:
            asyncio.run(it.check())
            return
        with pytest.raises(PluginError, match="cannot be used"):
            asyncio.run(it.check())


def test_values_go_through_standard_input_and_errors_hide_secrets(program: Path) -> None:
    program.write_text('#!/bin/sh\necho "Error: $1 cannot take $(cat)" >&2\nexit 1\n')
    with helm("canary") as it, pytest.raises(PluginError) as failed:
        asyncio.run(it.run("template", stdin="my canary"))
    assert str(failed.value) == "helm template failed: template cannot take my [secret]"


def test_credentials_are_in_files_of_one_run_only(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_KUBECONTEXT", "another")
    program.write_text('#!/bin/sh\nprintf "%s " "$@"; env\n')
    access = Access({"server": "https://x"}, {"token": "canary"}, "here")
    with helm() as it:
        it.use_cluster(access)
        reference, flags = asyncio.run(it.locate("oci://host:5000/charts/shop", Repository("", "me", "canary", {})))
        said, _ = asyncio.run(it.run("template", reference, *flags))
        files = list(it.folder.iterdir())
        assert stat.S_IMODE(it.folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        logins = json.loads((it.folder / "registry.json").read_text())["auths"]
    assert logins == {"host:5000": {"auth": "bWU6Y2FuYXJ5"}}
    assert "canary" not in said
    assert "HELM_KUBECONTEXT" not in said
    assert not any(file.exists() for file in files)


def test_a_repository_is_asked_for_its_charts_first(program: Path) -> None:
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >>"$HELM_REPOSITORY_CACHE-calls"\n')
    with helm() as it:
        found = asyncio.run(it.locate("shop", Repository("https://x.test", "me", "canary", {"ca-file": Path("/ca")})))
        [entry] = json.loads((it.folder / "repositories.yaml").read_text())["repositories"]
        calls = (it.folder / "cache-calls").read_text()
    assert found == ("repository/shop", [])
    assert entry | {"name": ""} == {
        "name": "",
        "url": "https://x.test",
        "username": "me",
        "password": "canary",
        "caFile": "/ca",
    }
    assert calls == "repo update repository\n"


def test_a_cancelled_run_ends_at_once(program: Path) -> None:
    program.write_text("#!/bin/sh\nexec sleep 60\n")

    async def interrupted() -> None:
        cancelled = asyncio.Event()
        with Helm(cancelled) as it:
            running = asyncio.create_task(it.run("template"))
            await asyncio.sleep(0.1)
            cancelled.set()
            await asyncio.wait_for(running, 5)

    with pytest.raises(PluginError, match="helm template was cancelled"):
        asyncio.run(interrupted())

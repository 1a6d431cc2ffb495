"""The environment that Pulumi gets."""

import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from toolchain import engine, local, paths
from toolchain.errors import ToolchainError
from toolchain.stack import Stack


def stack(cluster: str) -> Stack:
    return Stack("dev", "shop", Path("/nowhere/Pulumi.dev.yaml"), {"cluster": cluster}, None)


def test_a_stack_elsewhere_gets_nothing_of_ours() -> None:
    assert engine.environment(stack("production")) == {}


def test_a_local_stack_leaves_the_users_folders_alone(own_folders: Path) -> None:
    variables = engine.environment(stack("local"))
    data = str(paths.data())
    for name in ("PULUMI_HOME", "BUILDX_CONFIG", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        assert variables[name].startswith(data)
    assert variables["PULUMI_BACKEND_URL"] == f"file://{data}/state"


@pytest.mark.parametrize(
    ("set_by_user", "not_given"),
    [
        ("PULUMI_BACKEND_URL", "PULUMI_BACKEND_URL"),
        ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE_FILE"),
    ],
)
def test_the_users_own_backend_and_passphrase_win(
    set_by_user: str, not_given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(set_by_user, "the user's")
    assert not_given not in engine.environment(stack("local"))


def test_the_clusters_kubeconfig_is_given_only_while_it_runs(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "kubeconfig", lambda: None)
    assert "KUBECONFIG" not in engine.environment(stack("local"))
    monkeypatch.setattr(local, "kubeconfig", lambda: own_folders / "kubeconfig")
    assert engine.environment(stack("local"))["KUBECONFIG"] == str(own_folders / "kubeconfig")


def test_the_passphrase_is_made_once_and_private() -> None:
    engine.prepare_backend()
    file = paths.data() / "passphrase"
    first = file.read_text()
    assert len(first) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    engine.prepare_backend()
    assert file.read_text() == first


def test_the_printed_command_does_what_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    variables = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PULUMI_HOME": "/a b"}
    text = engine.printable(["sh", "-c", 'printf "%s|%s|%s" "$PULUMI_HOME" "$PATH" "$1"', "x", "y z"], variables)
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.split("|") == ["/a b", variables["PATH"], "y z"]


def test_exports_are_lines_for_a_shell() -> None:
    variables = {"PATH": f"/tools{os.pathsep}/usr/bin", "NAME": "it's"}
    assert [shlex.split(line) for line in engine.exports(variables).splitlines()] == [
        ["export", "PATH=/tools:$PATH"],
        ["export", "NAME=it's"],
    ]


def test_policies_are_those_of_the_project_with_the_stacks_own_settings(tmp_path: Path) -> None:
    dev = Stack("dev", "shop", tmp_path / "Pulumi.dev.yaml", {}, None)
    assert engine.policies(dev) == []
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "PulumiPolicy.yaml").touch()
    assert engine.policies(dev) == ["--policy-pack", "policy"]
    (tmp_path / "policy" / "dev.json").touch()
    assert engine.policies(dev) == ["--policy-pack", "policy", "--policy-pack-config", "policy/dev.json"]


@pytest.mark.parametrize(
    ("cluster", "asked"),
    [
        ({"kubeconfig": "prodCluster"}, "config get model-serving:prodCluster --stack dev --config-file"),
        (
            {"from": {"stack": "acme/platform/prod"}},
            "stack output kubeconfig --show-secrets --stack acme/platform/prod",
        ),
    ],
)
def test_pulumi_is_asked_for_a_kubeconfig_that_only_it_has(
    cluster: object, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for pulumi says what it was asked."""
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "pulumi").write_text('#!/bin/sh\necho "asked: $*"\n')
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    elsewhere = Stack("dev", "shop", tmp_path / "Pulumi.dev.yaml", {"cluster": cluster}, None)
    assert engine.kubeconfig(elsewhere).startswith(f"asked: {asked}")
    (tmp_path / "pulumi").write_text("#!/bin/sh\n")
    with pytest.raises(ToolchainError, match="its kubeconfig is empty"):
        engine.kubeconfig(elsewhere)

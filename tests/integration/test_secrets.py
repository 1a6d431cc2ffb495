"""Secret values, looked for everywhere they must not be: while all goes well, while an update and a build fail.

The values are of a kind that occurs nowhere by chance, and they are looked for as they are and in base64.
"""

import base64
import gzip
import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.canaries import Canaries, spellings
from tests.support.cluster import LocalCluster
from tests.support.registry import Image
from tests.support.services import Registry, free_port
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"canary-{secrets.token_hex(3)}"
TOKEN = "canary" + secrets.token_hex(12)
INDEX_PASSWORD = "canary" + secrets.token_hex(12)
MISTYPED = "canary" + secrets.token_hex(12)
DATABASE_PASSWORD = "canary" + secrets.token_hex(12)
REGISTRY_PASSWORD = "canary" + secrets.token_hex(12)
CLUSTER_TOKEN = "canary" + secrets.token_hex(12)
PROXY_PASSWORD = "canary" + secrets.token_hex(12)


VALUES = (
    TOKEN,
    INDEX_PASSWORD,
    MISTYPED,
    DATABASE_PASSWORD,
    REGISTRY_PASSWORD,
    CLUSTER_TOKEN,
    PROXY_PASSWORD,
)
CANARIES = Canaries(*VALUES)


@pytest.fixture(scope="module")
def workspace(
    local_cluster: LocalCluster, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A stack whose model has secrets as a file, a variable and its database's password, pulled with credentials, in a
    cluster that is reached by a kubeconfig among the secrets; built with passwords for a package index and a proxy.
    """
    home = tmp_path_factory.mktemp("canary")
    workspace = Workspace.create(home / "checkout", "dev", local_cluster.env, home / "state")
    workspace.set_config(
        namespace=STACK,
        cluster={"kubeconfig": "adminConfig"},
        registry={"repository": f"{registry.host}/models", "pullSecret": {"config": "registryLogin"}},
    )
    models = workspace.read_config()["config"]["model-serving:models"]
    database = {"host": "db", "name": "features", "user": "reader", "password": "dbPassword"}
    models["digits"] |= {
        "secrets": ["apiToken", {"config": "apiToken", "env": "API_TOKEN"}],
        "database": database | {"tls": {"mode": "disable"}, "readinessCheck": False},
        "startupTimeoutSeconds": 15,
    }
    workspace.set_config(models=models)
    workspace.install()
    # One more package index, which wants a password and is not there.
    index = f"http://reader:{INDEX_PASSWORD}@127.0.0.1:{free_port()}/simple"
    # And a proxy with a password that everything goes around; gRPC, Pulumi's own way to itself, knows no "*".
    proxy = f"http://reader:{PROXY_PASSWORD}@127.0.0.1:{free_port()}"
    workspace.extra_env = {"PIP_EXTRA_INDEX_URL": index, "https_proxy": proxy, "no_proxy": "*,localhost,127.0.0.1"}
    workspace.pulumi("stack", "init", "dev")
    kubeconfig = yaml.safe_load(local_cluster.kubeconfig.read_text())
    kubeconfig["users"].append({"name": "somebody else", "user": {"token": CLUSTER_TOKEN}})
    login = base64.b64encode(f"reader:{REGISTRY_PASSWORD}".encode()).decode()
    values = {
        "apiToken": TOKEN,
        "dbPassword": DATABASE_PASSWORD,
        "registryLogin": json.dumps({"auths": {"registry.example.com": {"auth": login}}}),
        "adminConfig": yaml.safe_dump(kubeconfig),
    }
    for key, value in values.items():
        set_secret(workspace, key, value)
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)


def set_secret(workspace: Workspace, key: str, value: str) -> None:
    workspace.pulumi("config", "set", "--secret", f"model-serving:{key}", "--stack", "dev", stdin=value)


def clean(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed, in which no secret may be."""
    printed = done.stdout + done.stderr
    assert not CANARIES.found_in(printed.encode()), "a secret was printed"
    return printed


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    for number, value in enumerate((TOKEN, INDEX_PASSWORD)):
        encoded = base64.b64encode(f"{'x' * number}{value}".encode())
        (tmp_path / f"{number}.gz").write_bytes(gzip.compress(b"before " + encoded + b" after"))
        (tmp_path / f"{number}").write_text(f"token={value};")
    (tmp_path / "none").write_text("nothing")
    assert len(CANARIES.files_below(tmp_path)) == 4


def test_previews_and_an_update_that_works(workspace: Workspace, local_cluster: LocalCluster) -> None:
    with CANARIES.watched_arguments():
        clean(workspace.preview("--diff"))
        clean(workspace.preview("--json"))
        clean(workspace.up("--diff"))
        clean(workspace.preview("--json", "--diff"))
        clean(workspace.pulumi("stack", "output", "--json", "--stack", "dev"))
        clean(workspace.pulumi("stack", "export", "--stack", "dev"))
        clean(workspace.pulumi("config", "--stack", "dev"))
    # They did arrive where they belong, so there was something to find.
    there = json.loads(local_cluster.kubectl("get", "secrets", "--output", "json", namespace=STACK))["items"]
    arrived = b"".join(base64.b64decode(text) for secret in there for text in secret["data"].values())
    for value in (TOKEN, DATABASE_PASSWORD, REGISTRY_PASSWORD):
        assert any(spelling in arrived for spelling in spellings(value))


def test_an_update_that_fails(workspace: Workspace, local_cluster: LocalCluster) -> None:
    models = workspace.read_config()["config"]["model-serving:models"]
    good = Image(workspace.outputs()["models"]["digits"]["image"])
    broken = good.with_settings(Entrypoint=["/no/such/program"])
    without_source = {key: value for key, value in models["digits"].items() if key != "source"}
    workspace.set_config(models={"digits": without_source | {"image": broken.reference}})
    with CANARIES.watched_arguments():
        failed = workspace.up(check=False)
    workspace.set_config(models=models)
    assert failed.returncode != 0
    clean(failed)
    others = local_cluster.kubectl("get", "all,configmaps,events,serviceaccounts", "--output", "yaml", namespace=STACK)
    assert not CANARIES.found_in(others.encode())
    workspace.up()
    selector = "app.kubernetes.io/name=digits"
    logs = local_cluster.kubectl("logs", "--selector", selector, "--all-containers", namespace=STACK)
    assert logs
    assert not CANARIES.found_in(logs.encode())


def test_a_build_that_fails(workspace: Workspace) -> None:
    requirements = workspace.path / "model/digits/requirements.txt"
    before = requirements.read_text() if requirements.exists() else None
    requirements.write_text("no-such-package-of-anybody==1.0\n")
    with CANARIES.watched_arguments():
        failed = workspace.up(check=False)
    if before is None:
        requirements.unlink()
    else:
        requirements.write_text(before)
    assert failed.returncode != 0
    assert "no-such-package-of-anybody" in clean(failed)


def test_a_configuration_that_is_refused(workspace: Workspace) -> None:
    """The mistake is told by its path; the value, which is a secret, is not."""
    before = workspace.read_config()
    workspace.pulumi("config", "set", "--secret", "model-serving:apiTokn", "--stack", "dev", stdin=MISTYPED)
    workspace.pulumi("config", "set", "--secret", "model-serving:registry", "--stack", "dev", stdin=MISTYPED)
    try:
        failed = workspace.preview(check=False)
    finally:
        workspace.write_config(before)
    assert failed.returncode != 0
    assert "model-serving:apiTokn" in clean(failed)


@pytest.mark.parametrize("broken", ["{token: %s", "%s", '{"clusters": 5, "token": "%s"}'])
def test_a_kubeconfig_that_is_none(workspace: Workspace, broken: str) -> None:
    before = workspace.read_config()
    set_secret(workspace, "adminConfig", broken % MISTYPED)
    # Without a change no cluster is asked for anything.
    models = before["config"]["model-serving:models"]
    workspace.set_config(models={"digits": models["digits"] | {"env": {"LOG_LEVEL": "debug"}}})
    try:
        failed = workspace.up(check=False)
    finally:
        workspace.write_config(before)
    assert failed.returncode != 0
    clean(failed)
    # The state has the broken one now; the next update puts that right, and without it nothing could be destroyed.
    clean(workspace.up())


def test_credentials_of_a_registry_that_are_none(workspace: Workspace) -> None:
    before = workspace.read_config()
    set_secret(workspace, "registryLogin", MISTYPED)
    try:
        failed = workspace.preview(check=False)
    finally:
        workspace.write_config(before)
    assert failed.returncode != 0
    assert "registry.pullSecret.config" in clean(failed)


def test_no_file_of_it_all_holds_a_secret(workspace: Workspace, registry: Registry) -> None:
    """State with its history and backups, stack files, staged contexts; layers and settings of every pushed image."""
    assert CANARIES.files_below(workspace.backend) == []
    assert CANARIES.files_below(workspace.path) == []
    assert CANARIES.files_below(registry.storage) == []
    assert len(list((registry.storage / "docker/registry/v2/blobs").rglob("data"))) > 5

"""What docs/models.md says about bringing a model of one's own, done to the letter in a new folder."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.building import key_pair
from tests.support.cluster import LocalCluster
from tests.support.workspace import ROOT, Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]


@pytest.fixture
def workspace(local_cluster: LocalCluster, tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace.create(tmp_path / "checkout", "dev", local_cluster.env, tmp_path / "state")
    workspace.set_config(namespace="own-model", models=None)
    workspace.install()
    workspace.pulumi("stack", "init", "dev")
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)


def test_bring_your_own_model(workspace: Workspace) -> None:
    section = (ROOT / "docs/models.md").read_text().split("## Bring your own model")[1].split("\n## ")[0]
    [train], [config], [request, *_] = (
        re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL) for language in ("python", "yaml", "json")
    )
    [path] = re.findall(r"`(model/\w+/train\.py)`", section)
    [label] = re.findall(r"`label`, is `\[(\d+)\]`", section)

    (workspace.path / path).parent.mkdir(parents=True)
    (workspace.path / path).write_text(train)
    document = workspace.read_config()
    document["config"] |= yaml.safe_load(config)
    workspace.write_config(document)
    workspace.up()

    served = workspace.outputs()["models"]["wines"]
    url = f"http://127.0.0.1:{served['nodePort']}/v2/models/wines/infer"
    answer = httpx.post(url, json=json.loads(request), timeout=10).raise_for_status().json()
    assert answer["outputs"][0]["name"] == "label"
    assert answer["outputs"][0]["data"] == [int(label)]

    a_signed_model_and_another_key(workspace, url, json.loads(request))


def a_signed_model_and_another_key(workspace: Workspace, url: str, request: dict[str, Any]) -> None:
    """The same model, signed: served where its key is demanded, refused where another is."""
    private, public = key_pair()
    models = workspace.read_config()["config"]["model-serving:models"]
    workspace.set_config(signing={"publicKey": public, "privateKey": "signingKey"})
    workspace.pulumi("config", "set", "--secret", "model-serving:signingKey", "--stack", "dev", stdin=private)
    printed = workspace.up()
    assert "PRIVATE KEY" not in printed.stdout + printed.stderr
    assert "PRIVATE KEY" not in workspace.pulumi("stack", "export", "--stack", "dev").stdout
    signed = workspace.outputs()["models"]["wines"]["image"]
    assert httpx.post(url, json=request, timeout=10).status_code == 200

    workspace.pulumi("config", "rm", "model-serving:signingKey", "--stack", "dev")
    promoted = {**models["wines"], "image": signed, "startupTimeoutSeconds": 20}
    del promoted["source"]
    workspace.set_config(models={"wines": promoted}, signing={"publicKey": key_pair()[1]})
    refused = workspace.up(check=False)
    assert refused.returncode != 0
    assert "model.sig: not signed with SIGNATURE_PUBLIC_KEY's key" in refused.stdout + refused.stderr
    # The pods from before the other key was demanded still answer.
    assert httpx.post(url, json=request, timeout=10).status_code == 200

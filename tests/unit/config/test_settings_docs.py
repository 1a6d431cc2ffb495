"""The examples of docs/settings.md are what a stack file may say."""

import re
from pathlib import Path
from typing import Any

import yaml

from .conftest import Load
from .test_accepted import SMALLEST

ROOT = Path(__file__).resolve().parents[3]
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def test_they_are_accepted_together(load: Load, project: Path) -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    config: dict[str, Any] = dict(SMALLEST)
    digits: dict[str, Any] = dict(SMALLEST["models"]["digits"])
    for block in blocks:
        for key, value in block.items():
            if key == "model-serving:models":
                digits |= value["digits"]
            elif key.startswith("model-serving:"):
                config[key.removeprefix("model-serving:")] = value
            else:
                digits[key] = value  # a part of a model
    (project / "model/digits/labels.txt").write_text("zero")
    (project / "config").mkdir()
    for name in ("database-ca.pem", "company-ca.pem"):
        (project / "config" / name).write_text(PEM)
    secrets = dict.fromkeys(("apiToken", "otherToken", "dbPassword"), "value")
    loaded = load(config | {"models": {"digits": digits}}, secrets=secrets)
    assert set(loaded.secrets) == set(secrets)
    model = loaded.config.models["digits"]
    assert len(model.secrets) == 4
    assert model.database is not None
    assert loaded.config.proxy is not None
    assert loaded.config.ca_bundle == "config/company-ca.pem"


def test_the_ways_of_naming_a_cluster_and_an_identity(load: Load) -> None:
    """Those between the lines: every `{...}` in the section about registries, clouds and clusters."""
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for cluster in ("{kubeconfig: adminConfig}", "{from: {stack: acme/platform/prod, output: kubeconfig}}"):
        assert cluster in " ".join(text.split())
        load(
            SMALLEST | {"cluster": yaml.safe_load(cluster)}, secrets={"adminConfig": "a"} if "admin" in cluster else {}
        )
    for pull_secret in ("pullSecret: registry-login", "pullSecret: {config: registryLogin}"):
        assert pull_secret in text
        given = SMALLEST["registry"] | yaml.safe_load(pull_secret)
        login = {"registryLogin": '{"auths": {"a": {}}}'} if "config" in pull_secret else {}
        load(SMALLEST | {"registry": given}, secrets=login)

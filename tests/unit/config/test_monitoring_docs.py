"""The examples of docs/monitoring.md are what a stack file may say."""

import re
from pathlib import Path

import pytest
import yaml

from components.planning import alert_routes

from .conftest import Load
from .test_accepted import SMALLEST

ROOT = Path(__file__).resolve().parents[3]
BLOCKS = [
    {key.removeprefix("model-serving:"): section for key, section in yaml.safe_load(block).items()}
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/monitoring.md").read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: ",".join(block))
def test_an_example_is_accepted(block: dict[str, object], load: Load) -> None:
    # One that shows a model's image shows no digest, and one of alerts not who watches.
    watched = {"monitoring": {"mode": "install"}} if "alerts" in block else {}
    models = {"models": SMALLEST["models"]}
    given = {**SMALLEST, **watched, **block, **models}
    keys = re.findall(r"(?:url|password): (\w+)", yaml.safe_dump(block))
    loaded = load(given, secrets=dict.fromkeys(keys, "of-nobody-else"))
    assert set(alert_routes.secret_keys(loaded.config.alerts)) == set(keys)


def test_there_are_examples_of_all_sections() -> None:
    assert {key for block in BLOCKS for key in block} >= {"monitoring", "alerts", "models"}

"""The pack around the rules: its documentation, the files of the stacks."""

import json
from pathlib import Path

import jsonschema
import pytest

from policy.document import page
from policy.rules import RULES

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATIONS = sorted((ROOT / "policy").glob("*.json"))


def test_the_documentation_is_that_of_the_rules() -> None:
    """After a change on purpose: python -m policy.document > docs/policies.md"""
    assert (ROOT / "docs/policies.md").read_text() == page()


def test_every_default_is_allowed_by_its_own_schema() -> None:
    for rule in RULES:
        for schema in rule.settings.values():
            jsonschema.validate(schema["default"], schema)


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.name)
def test_a_stacks_file_names_rules_and_their_settings(file: Path) -> None:
    assert (ROOT / f"Pulumi.{file.stem}.yaml").exists()
    rules = {rule.name: rule for rule in RULES}
    for name, given in json.loads(file.read_text()).items():
        assert set(given) <= {"enforcementLevel", *rules[name].settings}
        for setting, value in given.items():
            if setting != "enforcementLevel":
                jsonschema.validate(value, rules[name].settings[setting])

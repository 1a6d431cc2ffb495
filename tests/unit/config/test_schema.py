"""The JSON schema of stack files, which the error messages are made of too."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter

from components.schema import stack_file_schema

ROOT = Path(__file__).resolve().parents[3]
STACK_FILES = sorted(ROOT.glob("Pulumi.*.yaml"))


def typed_values() -> Iterator[Any]:
    """Every reusable type of the stack file, with its name as the test's."""
    for file in sorted((ROOT / "components/config").glob("*types.py")):
        for name, value in vars(importlib.import_module(f"components.config.{file.stem}")).items():
            if hasattr(value, "__metadata__"):
                yield pytest.param(value, id=name)


@pytest.mark.parametrize("annotated", list(typed_values()))
def test_the_value_that_a_message_proposes_is_accepted(annotated: Any) -> None:
    adapter = TypeAdapter(annotated)
    schema = adapter.json_schema()
    assert schema["description"]
    for example in schema["examples"]:
        adapter.validate_python(example)


def test_it_is_printed_as_json() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "components.schema"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert json.loads(printed) == stack_file_schema()


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(stack_file_schema())


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda file: file.name)
def test_the_stack_files_of_this_project_follow_it(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text()), stack_file_schema())


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("namespaces", "x"),
        ("namespace", "Models"),
        ("models", {"Digits": {}}),
        ("models", {"digits": {"replica": 1}}),
        ("models", {"digits": {"resources": {"limits": {"memory": "1GB"}}}}),
    ],
)
def test_an_editor_sees_a_mistake_too(section: str, value: Any) -> None:
    document = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())
    document["config"][f"model-serving:{section}"] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, stack_file_schema())

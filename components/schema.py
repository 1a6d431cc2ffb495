"""Print the JSON schema of stack files, for editors: `python -m components.schema > stack.schema.json`.

Name it in a stack file's first line, `# yaml-language-server: $schema=stack.schema.json`, and an editor completes and
checks the file while it is written.
"""

import json
import sys
from typing import Any

from components.config import NAMESPACE, StackConfig


def stack_file_schema() -> dict[str, Any]:
    """The schema of a whole Pulumi.<stack>.yaml whose configuration is this program's."""
    sections = StackConfig.model_json_schema()
    definitions = sections.pop("$defs")
    # Beside the sections there may be encrypted values, under keys that models list as their secrets.
    secret = {"type": "object", "properties": {"secure": {"type": "string"}}, "required": ["secure"]}
    others = f"^{NAMESPACE}:(?!({'|'.join(sections['properties'])})$)"
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of model-serving",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"{NAMESPACE}:{key}": value for key, value in sections["properties"].items()},
                "patternProperties": {others: secret | {"additionalProperties": False}},
                "required": [f"{NAMESPACE}:{key}" for key in sections["required"]],
            }
        },
        "required": ["config"],
        "$defs": definitions,
    }
    _close_maps([definitions, sections["properties"]])
    return schema


def _close_maps(node: Any) -> None:
    """Refuse keys that do not match the pattern of a map; pydantic does, but does not say so in its schema."""
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(value, dict) and "patternProperties" in value:
            value.setdefault("additionalProperties", False)
        _close_maps(value)


if __name__ == "__main__":
    json.dump(stack_file_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")

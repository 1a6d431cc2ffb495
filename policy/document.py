"""Print the documentation of the rules: `python -m policy.document > docs/policies.md`."""

import json
import sys
from collections.abc import Iterator

from policy.rules import RULES

_HEAD = """\
# Policies

What may be deployed, whoever wrote the program. `make preview` and `make up` hold every stack against these rules; so
does any Pulumi command with `--policy-pack policy`. A violation of level `mandatory` ends the operation with exit
code 1.

A stack has settings and levels of its own in `policy/<stack>.json`, which Pulumi takes as `--policy-pack-config`:

```json
{"most-gpus": {"enforcementLevel": "mandatory", "gpus": 4}, "probes-present": "advisory"}
```

What a preview cannot know yet, such as the digest of an image that is not built, is told as advice, and checked by
`up`.

Under `cluster: docker` the rules about images look at Docker's containers; what the others ask for is said of pods
and nodes.

This page is written by `python -m policy.document > docs/policies.md`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *_table(), "", *_settings(), ""])


def _table() -> Iterator[str]:
    yield "| rule | what it asks for | level | what to do about a violation |"
    yield "|---|---|---|---|"
    for rule in RULES:
        yield f"| `{rule.name}` | {rule.description} | {rule.level} | {rule.fix} |"


def _settings() -> Iterator[str]:
    yield "| rule | setting | what | default |"
    yield "|---|---|---|---|"
    for rule in RULES:
        for name, schema in rule.settings.items():
            yield f"| `{rule.name}` | `{name}` | {schema['description']} | `{json.dumps(schema['default'])}` |"


if __name__ == "__main__":
    sys.stdout.write(page())

"""`modelDefaults`: what all models of a stack share, unless they say otherwise themselves.

It is written once, in Pulumi.yaml, for all stacks; a stack file that has one of its own replaces it. Sections are
merged key by key, lists and values are replaced.
"""

from collections.abc import Mapping
from typing import Any

from components.config.problems import Path

KEY = "modelDefaults"


def applied(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the defaults in every model. What has a wrong shape stays as it is, to be refused."""
    defaults, models = data.get(KEY), data.get("models")
    if not isinstance(defaults, dict) or not isinstance(models, dict):
        return dict(data)
    return {**data, "models": {name: _merged(defaults, model) for name, model in models.items()}}


def origin(path: Path, data: Mapping[str, Any]) -> Path:
    """Where the value at a path of the merged configuration was written: in its model, or in the defaults.

    `data` is the configuration before the merge. What is in neither is missing from the section that is there.
    """
    if len(path) < 3 or path[0] != "models" or not isinstance(data.get(KEY), dict):
        return path
    models, inner = data.get("models"), path[2:]
    model = models.get(path[1]) if isinstance(models, dict) else None
    return (KEY, *inner) if _depth(data[KEY], inner) > _depth(model, inner) else path


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}


def _depth(value: Any, path: Path) -> int:
    """How many steps of a path there are in a value."""
    inner: Any = value
    for depth, part in enumerate(path):
        try:
            inner = inner[part]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(path)

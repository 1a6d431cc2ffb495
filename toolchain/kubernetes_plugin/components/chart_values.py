"""The values of a Helm chart, and what of them is secret."""

import base64
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Asset, Object, Secret, plain

from .construction import Construction, asset_text
from .manifests import load

_LENGTH_OF_SECRETS: Final = 3  # characters; shorter texts are everywhere, and the engine does not hide them either


async def chart_values(component: Construction) -> tuple[Object, set[str]]:
    """The values for a chart, as helm would merge them, and the secret texts in them and in the credentials.

    Raises:
        PluginError: a file cannot be read or holds no values.
    """
    merged: Object = {}
    hidden: set[str] = set()
    for position, file in enumerate(component.items("valueYamlFiles")):
        name = f"valueYamlFiles[{position}]"
        for document in load(await asset_text(file, name), name):
            if not isinstance(document or {}, dict):
                raise PluginError(f"{name}: it has to hold an object")
            if isinstance(file, Secret) or isinstance(component.inputs.get("valueYamlFiles"), Secret):
                hidden |= set(_texts(document))
            merged = _merge(merged, document or {})
    for name in ("values", "repositoryOpts"):
        hidden |= set(_secret_texts(component.inputs.get(name)))
    password = plain(component.mapping("repositoryOpts")).get("password")
    hidden |= {password} if isinstance(password, str) else set()
    hidden |= {base64.b64encode(text.encode()).decode() for text in hidden}
    found = {text for text in hidden if len(text) >= _LENGTH_OF_SECRETS}
    return _merge(merged, await _without_assets(component.mapping("values"))), found


def _merge(base: Object, other: Object) -> Object:
    """What helm makes of two sets of values: objects are merged, of everything else the second counts."""
    merged = dict(base)
    for key, value in other.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


async def _without_assets(value: Any) -> Any:
    """Values with the contents of assets in their places, and without secret marks."""
    if isinstance(value, Secret):
        return await _without_assets(value.value)
    if isinstance(value, dict):
        return {key: await _without_assets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [await _without_assets(item) for item in value]
    return await asset_text(value, "values") if isinstance(value, Asset) else value


def _secret_texts(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        yield from _texts(plain(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secret_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secret_texts(item)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Asset):
        yield value.text
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def secret_places(value: Any, hidden: Collection[str]) -> Any:
    """Marks on the texts of a rendered object that show one of the secret ones.

    A template forgets which of its values were secret. The state must hold them encrypted all the same.
    """
    if isinstance(value, dict):
        return {key: secret_places(item, hidden) for key, item in value.items()}
    if isinstance(value, list):
        return [secret_places(item, hidden) for item in value]
    if isinstance(value, str) and any(text in value for text in hidden):
        return Secret(value)
    return value

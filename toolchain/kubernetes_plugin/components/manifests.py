"""Kubernetes manifests: reading YAML as Kubernetes' own tools do, and completing the objects in it."""

import asyncio
import glob
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Object, Secret, plain

from ..naming import Kind
from ..objects import metadata, name_of, pluck

_DOWNLOAD_SECONDS: Final = 30
_EXCERPT: Final = 100
_CRD_GROUP: Final = "apiextensions.k8s.io"


class Manifest(NamedTuple):
    """An object to register.

    Attributes:
        plain: the object without secret marks.
        source: what is secret in it, at the same places.
    """

    plain: Object
    source: Object


# YAML with the types of JSON, which are all that a Kubernetes object can hold. YAML 1.1, as PyYAML knows it, also makes
# dates of `2026-01-31` and numbers of `12:30`; Kubernetes does neither. The C loader reads a megabyte in a second.
_Loader: Any = type("_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {"yaml_implicit_resolvers": {}})

_RESOLVERS: Final = (
    # As in the YAML library of Kubernetes' tools: https://github.com/kubernetes-sigs/yaml
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"y|Y|n|N|[Yy]es|YES|[Nn]o|NO|[Tt]rue|TRUE|[Ff]alse|FALSE|[Oo]n|ON|[Oo]ff|OFF", tuple("yYnNtTfFoO")),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)", tuple("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", tuple("-+.0123456789")),
    ("merge", r"<<", ("<",)),
)
for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    octal = re.fullmatch(r"([-+]?)0o?([0-7]+)", text)
    return int(octal[1] + octal[2], 8) if octal else int(text, 0)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).replace("_", ""))


def _truth(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return loader.construct_scalar(node).lower() in ("y", "yes", "true", "on")


_Loader.add_constructor("tag:yaml.org,2002:bool", _truth)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def load(text: str, origin: str) -> list[Any]:
    """The documents of a YAML text.

    Raises:
        PluginError: it is no YAML. The message names `origin` and the line, not the content.
    """
    try:
        return [_json(document) for document in yaml.load_all(text, Loader=_Loader)]  # a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}: {getattr(error, 'problem', '')})" if mark else ""
        raise PluginError(f"{origin} is not valid YAML{where}") from None
    except ValueError as error:
        raise PluginError(f"{origin} is not valid YAML: {error}") from None


def _json(value: Any) -> Any:
    """A YAML value as JSON has it, where keys are strings."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else json.dumps(key): _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value


def parse(text: str, origin: str) -> list[Object]:
    """The objects in a YAML text; empty documents are passed over.

    Raises:
        PluginError: it is no YAML, or a document in it is no object.
    """
    found = [document for document in load(text, origin) if document]
    for document in found:
        if not isinstance(document, dict):
            raise PluginError(f"{origin} holds something that is not a Kubernetes object: {_excerpt(document)}")
    return found


async def read_files(files: Iterable[str], *, patterns: bool) -> list[tuple[str, str]]:
    """The texts of files, with the name of each.

    Args:
        files: paths, relative to the program's folder, or URLs.
        patterns: whether a path may be a pattern with `*`, `?` or `[...]`; one that matches nothing gives nothing.

    Raises:
        PluginError: one cannot be read.
    """
    texts: list[tuple[str, str]] = []
    for file in files:
        if urllib.parse.urlsplit(file).scheme and "://" in file:
            texts.append((file, await download(file)))
            continue
        is_pattern = patterns and any(character in file for character in "*?[")
        for path in sorted(glob.glob(file)) if is_pattern else [file]:  # noqa: PTH207 - a Path takes no absolute ones
            texts.append((path, read_file(path)))
    return texts


def read_file(path: str) -> str:
    """The text of a file.

    Raises:
        PluginError: it cannot be read.
    """
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PluginError(f"cannot read {path} (relative to {Path.cwd()}): {reason}") from None


async def download(url: str) -> str:
    """The text behind a URL.

    Raises:
        PluginError: it cannot be had.
    """

    def get() -> str:
        if not url.startswith(("http://", "https://")):
            raise PluginError(f"cannot read {url}: only http and https URLs can be downloaded")
        try:
            with urllib.request.urlopen(url, timeout=_DOWNLOAD_SECONDS) as response:
                return response.read().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PluginError(f"cannot download {url}: {error}") from None

    return await asyncio.to_thread(get)


def expand(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The objects with lists (`kind: List`, `kind: ConfigMapList`) replaced by what is in them."""
    found: list[Manifest] = []
    for obj, source in manifests:
        items = obj.get("items")
        if not isinstance(items, list):
            found.append(Manifest(obj, source))
            continue
        marks = source.get("items")
        for position, item in enumerate(items):
            if not isinstance(item, dict):
                raise PluginError(f"a list holds something that is not a Kubernetes object: `{_excerpt(obj)}`")
            mark = marks[position] if isinstance(marks, list) else marks
            found += expand([Manifest(item, all_secret(item) if isinstance(mark, Secret) else mark or {})])
    return found


async def complete(
    manifests: Sequence[Manifest], namespace: str, scope: Callable[[Kind], Awaitable[bool | None]]
) -> tuple[list[Manifest], list[Kind]]:
    """Check that the objects can be registered, and give those without a namespace that should have one the default.

    Args:
        manifests: the objects.
        namespace: the default.
        scope: whether objects of a kind have a namespace; None where nobody can say.

    Returns:
        The objects, and the kinds of which nobody could say it.

    Raises:
        PluginError: an object lacks `apiVersion`, `kind` or `metadata.name`.
    """
    declared = _declared_scopes(manifest.plain for manifest in manifests)
    found: list[Manifest] = []
    unknown: list[Kind] = []
    for obj, source in manifests:
        obj = {**plain(obj)}
        if not isinstance(obj.get("kind"), str) or not isinstance(obj.get("apiVersion"), str):
            raise PluginError(f"Kubernetes resources require a kind and apiVersion: `{_excerpt(obj)}`")
        if not name_of(obj):
            raise PluginError(f"Kubernetes resources require a .metadata.name: `{_excerpt(obj)}`")
        obj["apiVersion"] = obj["apiVersion"].removeprefix("core/")
        if not metadata(obj).get("namespace"):
            kind = Kind.of(obj)
            namespaced = declared.get((kind.group, kind.kind))
            if namespaced is None:
                namespaced = await scope(kind)
            if namespaced:
                obj["metadata"]["namespace"] = namespace
            elif namespaced is None and kind not in unknown:
                unknown.append(kind)
        found.append(Manifest(obj, source))
    return found, unknown


def _declared_scopes(objects: Iterable[Object]) -> dict[tuple[str, str], bool]:
    """What CustomResourceDefinitions among the objects say about their kinds."""
    return {
        (pluck(obj, "spec", "group"), pluck(obj, "spec", "names", "kind")): pluck(obj, "spec", "scope") == "Namespaced"
        for obj in objects
        if is_definition(obj)
    }


def all_secret(obj: Object) -> Object:
    """Secret marks on everything but what an object is recognised by, which is part of its name in the state."""
    return {key: Secret(value) for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}


def is_definition(obj: Object) -> bool:
    """Whether the object is a CustomResourceDefinition."""
    return obj.get("kind") == "CustomResourceDefinition" and str(obj.get("apiVersion")).startswith(_CRD_GROUP + "/")


def _excerpt(value: Any) -> str:
    """What tells a broken object from others. Everything else in it may be secret, and stays out of errors."""
    if not isinstance(value, dict):
        return type(value).__name__
    names = {key: item for key, item in metadata(value).items() if key in ("name", "namespace", "generateName")}
    shown = {key: value[key] for key in ("apiVersion", "kind") if key in value} | ({"metadata": names} if names else {})
    text = json.dumps(shown, default=str)
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 3] + "..."

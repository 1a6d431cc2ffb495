"""`kubernetes:yaml/v2:ConfigFile` and `:ConfigGroup`: the objects of YAML files, texts and the program itself."""

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.values import Reference, Secret, plain

from .children import register
from .construction import Construction, without_mark
from .manifests import Manifest, all_secret, parse, read_files


async def config_file(component: Construction) -> list[Reference]:
    """Register the objects of one file, or of what a URL answers.

    Raises:
        PluginError: it cannot be read, or a child failed.
    """
    file = component.text("file")
    if not file:
        raise PluginError("file: a path or a URL is needed")
    texts = await read_files([file], patterns=False)
    return await register(component, _manifests(texts), component.session.namespace)


async def config_group(component: Construction) -> list[Reference]:
    """Register the objects of files, patterns of files, a YAML text, and objects.

    Raises:
        PluginError: one cannot be read or is no object, or a child failed.
    """
    files = [plain(file) for file in component.items("files")]
    if not all(isinstance(file, str) for file in files):
        raise component.wrong("files", "a list of paths and URLs")
    found = _manifests(await read_files(files, patterns=True))
    text = component.text("yaml")
    hidden = isinstance(component.inputs.get("yaml"), Secret)
    found += [Manifest(obj, all_secret(obj) if hidden else {}) for obj in parse(text, "yaml")]
    for position, marked in enumerate(component.items("objs")):
        obj = plain(marked)
        if not isinstance(obj, dict):
            raise component.wrong(f"objs[{position}]", "an object")
        hidden = isinstance(marked, Secret) or isinstance(component.inputs.get("objs"), Secret)
        found.append(Manifest(obj, all_secret(obj) if hidden else without_mark(marked)))
    return await register(component, found, component.session.namespace)


def _manifests(texts: list[tuple[str, str]]) -> list[Manifest]:
    return [Manifest(obj, {}) for origin, text in texts for obj in parse(text, origin)]

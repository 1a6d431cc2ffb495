"""Changing one value of a committed stack file and nothing else in it: comments, quotes and order stay."""

from pathlib import Path

import yaml

from toolchain.errors import ToolchainError
from toolchain.stack import NAMESPACE, Stack

_MODELS = f"{NAMESPACE}:models"


def set_image(stack: Stack, model: str, image: str) -> str:
    """Write ``image`` where the stack file has the model's image, or its source. Returns what was there.

    Raises ToolchainError where the file has neither.
    """
    text = stack.file.read_text()
    found = _entry(yaml.compose(text), model)
    if found is None:
        raise ToolchainError(
            f"set the image of {model}",
            f"{stack.file.name} names no image and no source of it",
            f"pulumi config set --path '{_MODELS}.{model}.image' {image} --stack {stack.name}",
        )
    key, value = found
    start, end = key.start_mark.index, value.end_mark.index
    # A block's end is where the next begins: the line breaks between are not its own.
    before = text[start:end].rstrip()
    _replace(stack.file, f"{text[:start]}image: {image}{text[start + len(before) :]}")
    return before


def _entry(document: yaml.Node | None, model: str) -> tuple[yaml.Node, yaml.Node] | None:
    """The key and the value of a model's ``image``, else of its ``source``."""
    node = document
    for name in ("config", _MODELS, model):
        found = _child(node, name)
        node = found[1] if found else None
    return _child(node, "image") or _child(node, "source")


def _child(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    entries = node.value if isinstance(node, yaml.MappingNode) else ()
    return next(((key, value) for key, value in entries if key.value == name), None)


def _replace(file: Path, text: str) -> None:
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text)
    fresh.chmod(file.stat().st_mode & 0o7777)
    fresh.replace(file)

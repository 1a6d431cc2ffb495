"""What all sections share."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """Base of every section: frozen, camelCase keys, nothing unknown, and errors that never quote their input."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)


def from_text(key: str, text: Any) -> Callable[[Any], Any]:
    """What to validate with before a section that may be written as the text of its `key` alone, of the type `text`."""
    adapter: TypeAdapter[str] = TypeAdapter(text)

    def section(value: Any) -> Any:
        if isinstance(value, dict | Section):
            return value
        try:
            return {key: adapter.validate_python(value)}
        except ValidationError:
            raise PydanticCustomError("neither_text_nor_section", "is neither the text nor the section") from None

    return section


def text_file(path: str | None, info: ValidationInfo) -> str | None:
    """The content of a file of the project, where the context has its `root`, else None.

    Raises:
        PydanticCustomError: there is no such file, or it holds something else than text.
    """
    root = (info.context or {}).get("root")
    if root is None or path is None:
        return None
    try:
        return (root / path).read_text("utf-8")
    except UnicodeDecodeError:
        what = "is no text (UTF-8)"
    except OSError:
        what = "does not exist or cannot be read"
    raise PydanticCustomError("project_file", "file {path} {what}", {"path": path, "what": what})

"""What is wrong with a stack file, in words: where, what, what is allowed, and the command that repairs it.

The words come from the JSON schema of the stack file (titles, descriptions and examples of components/config/types.py),
so a message and an editor's hint never disagree. Pydantic's own texts are not used: they quote their input.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from components.errors import UserError

NAMESPACE = "model-serving"

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]

# Values below these keys may be secrets that were put in the wrong place: they are never shown.
_NEVER_SHOWN = frozenset(
    {"env", "secrets", "password", "configFiles", "proxy", "kubeconfig", "webhook", "slack", "endpoint", "values"}
)

# Usually in Pulumi.yaml, where no command of Pulumi's writes: set in a stack, a part would replace all of it.
_SHARED = "modelDefaults"

# What to do about mistakes that no single command repairs, by the kind of pydantic's error.
_ADVICE = {
    "request_above_limit": "lower the request or raise the limit",
    "repeated": "list each once",
    "keep_one": "keep one of them",
    "ports_differ": "change one of them",
    "not_of_service": "set service.type, or take them out",
    "one_certificate": "keep one of them; without a certificate, take tls out",
    "pods_or_addresses": "give namespace, pods (labels by name), or cidr",
    "min_above_max": "lower min or raise max",
    "nothing_to_scale": "raise max, or take out what is beside min and max",
    "budget_is_empty": "give one of them, or take disruptionBudget out: one pod may leave at a time",
    "budget_blocks": "lower minAvailable, raise replicas (replicas.min), or use maxUnavailable: 1",
    "nothing_moves": "let maxSurge be 1 (an update needs room for one more pod), or maxUnavailable",
    "max_gpus": "raise it, or take it out",
    "above_max_nodes": "lower it or raise maxNodes",
    "values_of_operator": "change the operator or the values",
    "schedule_with_duration": "give the other one too, or neither",
    "expires_without_end": "set terminationGracePeriod too, or expireAfter: Never",
    "variable_twice": "keep one of them",
    "user_with_password": "give the other one too, or neither",
    "route_of_all": "give one of them or more; all others go to alerts.default",
    "give_one": "give one of them",
    "secret_target": "add file: NAME or env: NAME to it",
    "reserved_file": "rename it",
    "reserved_secret": "rename it, or take it out",
    "slo_is_empty": "give one of them, or take slo out",
    "files_too_large": "take out what the server can do without, or put it into its image",
}

# Mistakes that an example of what is allowed shows the way out of.
_REPAIRED_BY_AN_EXAMPLE = frozenset(
    {
        "model_folder",
        "model_files",
        "needed_by_mode",
        "needed_by_runtime",
        "needed_by_target",
        "needed_by_type",
        "needs_cluster",
        "needs_identity",
        "needs_proxy",
        "project_file",
        "runtime_of_source",
    }
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: where it is (below `model-serving:`), what it is, and how to repair it (a command or advice)."""

    path: Path
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{NAMESPACE}:{dotted(self.path)}: {self.message} -> {self.fix}"


class ConfigError(UserError):
    """Every mistake in the configuration of a stack."""

    def __init__(self, stack: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        lines = [f"{count} in the configuration of stack {stack} (Pulumi.{stack}.yaml); nothing was changed"]
        super().__init__("\n".join([*lines, *(f"  {problem}" for problem in self.problems)]))


def dotted(path: Iterable[str | int]) -> str:
    """A path as Pulumi writes it: models.digits.secrets[0], or models["a.b"] for a key with other characters."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


class Commands:
    """The pulumi commands that repair the configuration of one stack."""

    def __init__(self, stack: str) -> None:
        self._stack = f"--stack {shlex.quote(stack)}"

    def set(self, path: Path, value: Any) -> str:
        shown = value if isinstance(value, str) else json.dumps(value)
        if path[0] == _SHARED:
            return f"write {dotted(path)}: {shown} where it stands, in Pulumi.yaml or the stack file"
        return f"pulumi config set {self._where(path)} {shlex.quote(shown)} {self._stack}"

    def set_secret(self, key: str) -> str:
        return f"pulumi config set --secret {shlex.quote(f'{NAMESPACE}:{key}')} {self._stack}"

    def remove(self, path: Path) -> str:
        if path[0] == _SHARED:
            return f"take {dotted(path)} out of Pulumi.yaml or the stack file"
        return f"pulumi config rm {self._where(path)} {self._stack}"

    @staticmethod
    def _where(path: Path) -> str:
        text = f"{NAMESPACE}:{dotted(path)}"
        quoted = "'" + text.replace("'", "'\"'\"'") + "'"
        return text if len(path) == 1 and shlex.quote(text) == text else f"--path {quoted}"


class Explainer:
    """Turns pydantic's error details into problems, with the words of the schema that the data was checked against."""

    def __init__(self, schema: Schema, data: Mapping[str, Any], commands: Commands) -> None:
        self._schema, self._data, self._commands = schema, data, commands

    def explain(self, error: ErrorDetails) -> Problem:
        path, kind = self._without_tags(error["loc"]), error["type"]
        if path and path[-1] == "[key]":
            return self._wrong_key(path[:-1])
        if kind == "extra_forbidden":
            return self._unknown_key(path)
        if kind in ("missing", "too_short"):
            return self._missing(path, "is empty" if kind == "too_short" else "is required and missing")
        if kind in ("union_tag_not_found", "union_tag_invalid"):
            return self._wrong_choice(path, kind)
        if kind in ("source_and_image", "not_of_runtime", "gpu_resource", "only_operator", "not_of_target"):
            return Problem(path=path, message=error["msg"], fix=self._commands.remove(path))
        if kind == "target_not_measured":
            path = (*path, error.get("ctx", {})["key"])
            return Problem(path=path, message=error["msg"], fix=self._commands.remove(path))
        if kind == "no_trigger_wakes":
            return Problem(path=(*path, "min"), message=error["msg"], fix=self._set_example((*path, "min")))
        if kind == "only_whole_gpus":
            path = (*path, "resource")
            return Problem(path=path, message=error["msg"], fix=self._commands.remove(path))
        if kind in ("latency_not_measured", "latency_not_counted"):
            path = (*path, "latencyP99")
            nearest = error.get("ctx", {}).get("nearest")
            fix = self._commands.set(path, nearest) if nearest else self._commands.remove(path)
            return Problem(path=path, message=error["msg"], fix=fix)
        if kind == "runtime_with_source":
            return Problem(path=path, message=error["msg"], fix=self._commands.remove((*path[:-1], "source")))
        if kind == "neither_source_nor_image":
            source: Path = (*path[:-1], "source")
            return Problem(path=path[:-1], message=error["msg"], fix=self._set_example(source))
        if kind == "canary_needs_route":
            route: Path = (*path[:-1], "route")
            return Problem(path=path, message=error["msg"], fix=self._set_example(route))
        if kind == "reserved_env":
            names = error.get("ctx", {})["names"].split(", ")
            return Problem(path=path, message=error["msg"], fix=self._commands.remove((*path, names[0])))
        if kind in _ADVICE:
            return Problem(path=path, message=error["msg"], fix=_ADVICE[kind])
        if kind in _REPAIRED_BY_AN_EXAMPLE:
            return Problem(path=path, message=error["msg"], fix=self._set_example(path))
        return self._wrong_value(path)

    def _wrong_value(self, path: Path) -> Problem:
        node = self._node(path)
        if choices := _choices(node):
            message = f"{self._shown(path)} is not one of the choices; allowed: {', '.join(choices)}"
        elif node.get("type") == "object":
            allowed = ", ".join(node.get("properties", {})) or "names that you choose"
            message = f"{self._shown(path)} is not a section; keys allowed in it: {allowed}"
        elif node.get("type") == "array":
            items = self._resolve(node["items"])
            each = f"one of {', '.join(_choices(items))}" if _choices(items) else f"a {items.get('title')}"
            message = f"{self._shown(path)} is not a list; allowed: a list, each {each}"
        else:
            what = node.get("title")
            verdict = f"is not {_article(what)} {what}" if what else "is not possible here"
            message = f"{self._shown(path)} {verdict}; allowed: {node.get('description')}"
        return Problem(path=path, message=message, fix=self._set_example(path))

    def _wrong_key(self, path: Path) -> Problem:
        names = self._node(path[:-1]).get("propertyNames", {})
        message = f"{json.dumps(path[-1])} is not possible as a name here; allowed: {names.get('description')}"
        return Problem(path=path, message=message, fix=f"rename it, or {self._commands.remove(path)}")

    def _unknown_key(self, path: Path) -> Problem:
        known = list(self._section(self._node(path[:-1])).get("properties", {}))
        return unknown_key(path, known, self._commands)

    def _wrong_choice(self, path: Path, kind: str) -> Problem:
        """A section of several forms, whose key that says which is missing or wrong."""
        key, forms = _forms(self._node(path, chosen=False))
        where, choices = (*path, key), list(forms)
        if kind == "union_tag_not_found":
            message = f"is required and missing; allowed: one of {', '.join(choices)}"
        else:
            message = f"{self._shown(where)} is not one of the choices; allowed: {', '.join(choices)}"
        return Problem(path=where, message=message, fix=self._commands.set(where, choices[0]))

    def _missing(self, path: Path, verdict: str) -> Problem:
        node = self._node(path)
        # The description of a section is its docstring, for readers of the code.
        what = (None if "properties" in node else node.get("description")) or _shape(node)
        return Problem(path=path, message=f"{verdict}; allowed: {what}", fix=self._set_example(path))

    def _set_example(self, path: Path) -> str:
        """The command that sets the first value which `path` needs to an example that is allowed."""
        suffix, example = self._example(self._node(path))
        return self._commands.set((*path, *suffix), example)

    def _example(self, node: Schema) -> tuple[Path, Any]:
        if node.get("examples"):
            return (), node["examples"][0]
        if choices := _choices(node):
            return (), choices[0]
        if node.get("type") == "array":
            suffix, example = self._example(self._resolve(node["items"]))
            return (0, *suffix), example
        if "propertyNames" in node:
            key = node["propertyNames"]["examples"][0]
            suffix, example = self._example(self._resolve(_values_of_map(node)))
            return (key, *suffix), example
        if "discriminator" in node:
            key, forms = _forms(node)
            return (key,), next(iter(forms))
        properties = node["properties"]
        first = next(iter(node.get("required", properties)))
        suffix, example = self._example(self._resolve(properties[first]))
        return (first, *suffix), example

    def _node(self, path: Path, *, chosen: bool = True) -> Schema:
        """The part of the schema that describes the value at `path`; {} for what it does not know.

        Where a section has several forms it is the one that the data chooses, at the end of the path only if `chosen`.
        """
        node, data = self._resolve(self._schema), self._data
        for part in path:
            node = self._form(node, data)
            if isinstance(part, int):
                node = node.get("items", {})
            else:
                node = self._section(node)
                node = node.get("properties", {}).get(part) or _values_of_map(node)
            node = self._resolve(node)
            data = _value_at(data, part)
        return self._form(node, data) if chosen else node

    def _form(self, node: Schema, data: Any) -> Schema:
        """The one of several forms of a section that the data chooses."""
        if "discriminator" not in node:
            return node
        key, forms = _forms(node)
        chosen = _value_at(data, key)
        return self._resolve({"$ref": forms[chosen]}) if isinstance(chosen, str) and chosen in forms else {}

    def _without_tags(self, location: Path) -> Path:
        """Where an error is in the data: pydantic puts the chosen form of a section behind the section's name."""
        path: Path = ()
        is_tag = False
        for part in location:
            if is_tag and part != "[key]":
                is_tag = False
                continue
            path = (*path, part)
            is_tag = "discriminator" in self._node(path, chosen=False)
        return path

    def _resolve(self, node: Schema) -> Schema:
        """Follow a reference, and take the branch of an optional value that is not null. Words of the type win."""
        if "$ref" in node:
            return {**node, **self._resolve(self._schema["$defs"][node["$ref"].rsplit("/", 1)[-1]])}
        if {"type": "null"} in node.get("anyOf", ()):
            return {**node, **self._resolve(node["anyOf"][0])}
        return node

    def _section(self, node: Schema) -> Schema:
        """Of a value that may be plain or a section: the section."""
        branches = [self._resolve(branch) for branch in node.get("anyOf", ())]
        return next((branch for branch in branches if branch.get("type") == "object"), node)

    def _shown(self, path: Path) -> str:
        """The wrong value, short, for the message. What may be a secret in the wrong place is not shown."""
        if _NEVER_SHOWN.intersection(map(str, path)):
            return "the value"
        value: Any = self._data
        for part in path:
            value = value[part]
        shown = json.dumps(value, ensure_ascii=False)
        return shown if len(shown) <= 60 and not isinstance(value, dict | list) else f"a {_kind(value)}"


def unknown_key(path: Path, known: Sequence[str], commands: Commands) -> Problem:
    """The problem of a key that nothing reads, with the known key that it may have been meant for."""
    given = str(path[-1])
    close = get_close_matches(given, known, n=1, cutoff=0.6) or [key for key in known if key.startswith(given)]
    hint = f', did you mean "{close[0]}"?' if close else ";"
    message = f"unknown key{hint} allowed: {', '.join(known)}"
    return Problem(path=path, message=message, fix=commands.remove(path))


def _forms(node: Schema) -> tuple[str, dict[str, str]]:
    """Of a section with several forms: the key that chooses, and for each of its values, in order, the form."""
    values = {form: value for value, form in node["discriminator"]["mapping"].items()}
    forms = [form["$ref"] for form in node["oneOf"]]
    return node["discriminator"]["propertyName"], {values[form]: form for form in forms}


def _value_at(data: Any, part: str | int) -> Any:
    """What is at a key or index of data that may be wrong in any way; None if nothing is."""
    if isinstance(data, dict):
        return data.get(part)
    return data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None


def _choices(node: Schema) -> list[str]:
    return list(node.get("enum", ())) or ([node["const"]] if "const" in node else [])


def _values_of_map(node: Schema) -> Schema:
    """The schema of the values of a map with keys of the user's own; {} for a section."""
    return next(iter(node.get("patternProperties", {}).values()), None) or node.get("additionalProperties") or {}


def _article(noun: str) -> str:
    return "an" if noun[0].lower() in "aeiou" else "a"


def _shape(node: Schema) -> str:
    if choices := _choices(node):
        return f"one of {', '.join(choices)}"
    keys = ", ".join(node.get("properties", {}))
    return f"a section with {keys}" if keys else str(node.get("title", "a value"))


def _kind(value: Any) -> str:
    return {dict: "section", list: "list", str: "long text"}.get(type(value), "value")

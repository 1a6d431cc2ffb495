"""Reading and following the logs of models, of all their pods at once."""

import json
import re
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from toolchain import interruption
from toolchain.errors import ToolchainError
from toolchain.kube import Gone, Kube
from toolchain.progress import out
from toolchain.stack import Stack

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_LEVELS = {"debug": "dim", "warning": "yellow", "warn": "yellow", "error": "red", "critical": "red", "fatal": "red"}
# How often pods are looked for, and how long until a log that ended is asked for again.
_LOOK_SECONDS, _AGAIN_SECONDS = 1.0, 0.5
_printing = threading.Lock()


def show(stack: Stack, model: str | None, since: str, *, follow: bool) -> None:
    """Print what the pods of ``model``, or of all models, have written, by time; with ``follow`` until Ctrl-C.

    Raises ToolchainError for a model that the stack does not have, and when the cluster does not answer.
    """
    seconds = since_seconds(since)
    if model is not None and model not in stack.models:
        known = ", ".join(stack.models) or "none"
        raise ToolchainError(f"logs of {model}", f"stack {stack.name} has the models: {known}", "Give MODEL=<name>.")
    kube = Kube(stack)
    served = stack.served_name(model) if model is not None else None
    if follow:
        _follow(kube, stack.namespace, served, seconds)
        return
    pods = _pods(kube, stack.namespace, served)
    if not pods:
        raise ToolchainError(
            f"logs of {model or stack.name}", "no pod of it is there", f"make status STACK={stack.name}"
        )
    lines = [
        (*line, pod) for pod in pods for line in _written(kube, stack.namespace, pod, {"sinceSeconds": str(seconds)})
    ]
    for _, text, pod in sorted(lines, key=lambda line: _order(line[0])):
        _print(pod, text)


def since_seconds(since: str) -> int:
    """Seconds of a span such as 30s, 10m, 2h or 1d. Raises ToolchainError for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", since)
    if match is None:
        raise ToolchainError(
            f"logs since {since!r}", "it is no span of time", "Give SINCE=<number><unit>, such as 30s, 10m, 2h or 1d."
        )
    return int(match[1]) * _UNITS[match[2]]


def _pods(kube: Kube, namespace: str, model: str | None) -> list[str]:
    return [pod.name for pod in kube.pods(namespace) if model in (None, pod.model)]


def _written(kube: Kube, namespace: str, pod: str, parameters: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Time and text of each line of a pod; none of one that is gone or has not started."""
    try:
        for line in kube.log(namespace, pod, {"timestamps": "true", **parameters}):
            moment, _, text = line.partition(" ")
            yield moment, text
    except Gone:
        return


def _follow(kube: Kube, namespace: str, model: str | None, seconds: int) -> None:
    """Until a signal comes: it is raised here, and ends the threads with the process."""
    followed: dict[str, threading.Thread] = {}
    failures: list[ToolchainError] = []
    parameters = {"sinceSeconds": str(seconds)}
    while not failures:
        pods = _pods(kube, namespace, model)
        for pod in pods:
            if pod not in followed or not followed[pod].is_alive():
                arguments = (kube, namespace, pod, dict(parameters), failures)
                followed[pod] = threading.Thread(target=_follow_one, args=arguments, daemon=True)
                followed[pod].start()
        for gone in set(followed) - set(pods):
            del followed[gone]  # its thread ends with its log
        parameters = {}  # whoever joins now is shown from its first line
        time.sleep(_LOOK_SECONDS)
    raise failures[0]


def _follow_one(
    kube: Kube, namespace: str, pod: str, parameters: dict[str, str], failures: list[ToolchainError]
) -> None:
    """Print a pod's log as it is written, across restarts of its container, until the pod is gone."""
    last = ""
    try:
        while not interruption.stopping.is_set():
            for moment, text in _written(kube, namespace, pod, {"follow": "true", **parameters}):
                # A log that is asked for again begins with the whole second in which it ended.
                if _order(moment) > _order(last):
                    last = moment
                    _print(pod, text)
            if last:
                parameters = {"sinceTime": last[:19] + "Z"}
            time.sleep(_AGAIN_SECONDS)
            if pod not in {one.name for one in kube.pods(namespace)}:
                return
    except ToolchainError as error:
        failures.append(error)


def _order(moment: str) -> str:
    """A time of the API server in a form that sorts: it leaves zeros at the end of a fraction out."""
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}"


def _print(pod: str, text: str) -> None:
    line = Text.assemble((pod, _COLOURS[zlib.crc32(pod.encode()) % len(_COLOURS)]), " ", rendered(text))
    with _printing:
        out.print(line, soft_wrap=True, highlight=False)


def rendered(text: str) -> Text:
    """A line for people: of a JSON object time, level and event, then the other fields as name=value."""
    try:
        entry = json.loads(text) if text.startswith("{") else None
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return Text(_harmless(text))
    fields: dict[str, Any] = dict(entry)
    moment, level = fields.pop("time", ""), str(fields.pop("level", "")).lower()
    event = fields.pop("event", fields.pop("message", ""))
    parts = [Text(_harmless(str(moment))), Text(_harmless(level), _LEVELS.get(level, "")), Text(_harmless(str(event)))]
    parts += [Text(f"{_harmless(name)}={_value(value)}", "dim") for name, value in fields.items()]
    return Text(" ").join(part for part in parts if part.plain)


def _value(value: Any) -> str:
    plain = isinstance(value, str) and re.fullmatch(r"[^\s\"=]+", value)
    return _harmless(value if plain else json.dumps(value))


def _harmless(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in text)

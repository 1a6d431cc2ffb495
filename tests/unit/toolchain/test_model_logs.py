"""Reading the logs of models: how a line is shown, and what is asked of the cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from toolchain import model_logs
from toolchain.errors import ToolchainError
from toolchain.kube import Gone, Pod
from toolchain.progress import out
from toolchain.stack import Stack

STACK = Stack("dev", "shop", Path("/nowhere"), {"cluster": "local", "models": {"digits": {}, "iris": {}}}, None)
WRITTEN = {
    "digits-1": [("2026-11-25T10:00:00.2Z", "first"), ("2026-11-25T10:00:02.1Z", "third")],
    "digits-2": [("2026-11-25T10:00:00.25Z", "second")],
    "iris-1": [("2026-11-25T10:00:00Z", "of another model")],
}


class Cluster:
    """Pods with what they have written."""

    asked: ClassVar[list[dict[str, str]]] = []

    def __init__(self, stack: Stack) -> None:
        self.asked.clear()

    def pods(self, namespace: str) -> list[Pod]:
        return [Pod(name, name.split("-")[0], "Running", True, 0, ()) for name in (*WRITTEN, "digits-starting")]

    def log(self, namespace: str, pod: str, parameters: dict[str, str]) -> Iterator[str]:
        self.asked.append(parameters)
        if pod not in WRITTEN:
            raise Gone(pod)
        yield from (f"{moment} {text}" for moment, text in WRITTEN[pod])


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_logs, "Kube", Cluster)


def shown(model: str | None = "digits", since: str = "10m") -> list[str]:
    with out.capture() as captured:
        model_logs.show(STACK, model, since, follow=False)
    return captured.get().splitlines()


def test_the_pods_of_a_model_are_read_together_by_time() -> None:
    assert shown() == ["digits-1 first", "digits-2 second", "digits-1 third"]
    assert Cluster.asked[0] == {"timestamps": "true", "sinceSeconds": "600"}


def test_the_pods_of_a_renamed_model_have_its_first_name() -> None:
    models = {"numbers": {"renamedFrom": "digits"}, "iris": {}}
    renamed = Stack("dev", "shop", Path("/nowhere"), {"cluster": "local", "models": models}, None)
    with out.capture() as captured:
        model_logs.show(renamed, "numbers", "10m", follow=False)
    assert captured.get().splitlines() == ["digits-1 first", "digits-2 second", "digits-1 third"]


def test_without_a_model_every_model_is_read() -> None:
    assert shown(None)[0] == "iris-1 of another model"


@pytest.mark.parametrize(("since", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_spans(since: str, seconds: int) -> None:
    assert model_logs.since_seconds(since) == seconds


@pytest.mark.parametrize("since", ["", "10", "0m", "1.5h", "yesterday"])
def test_what_is_no_span(since: str) -> None:
    with pytest.raises(ToolchainError, match="no span of time"):
        model_logs.since_seconds(since)


def test_a_model_that_the_stack_does_not_have() -> None:
    with pytest.raises(ToolchainError, match="has the models: digits, iris"):
        shown("digit")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Loading weights", "Loading weights"),
        ("{not json", "{not json"),
        ("[1, 2]", "[1, 2]"),
        (
            json.dumps({"time": "T", "level": "info", "event": "ready", "model": "digits", "port": 8080}),
            "T info ready model=digits port=8080",
        ),
        (json.dumps({"level": "ERROR", "message": "x", "why": "two words"}), 'error x why="two words"'),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        (json.dumps({"event": "\x1b]0;title", "field": "a\x1bb"}), "\\x1b]0;title field=a\\x1bb"),
    ],
)
def test_a_line_for_people(line: str, text: str) -> None:
    assert model_logs.rendered(line).plain == text

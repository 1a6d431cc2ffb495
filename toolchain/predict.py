"""Asking a deployed model for an answer that is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from rich.markup import escape

from toolchain import engine, paths
from toolchain.errors import ToolchainError
from toolchain.kube import Kube
from toolchain.progress import out
from toolchain.stack import Stack

# To a model, as its entry in the stack's outputs says: a path and a request give an answer.
Send = Callable[[dict[str, Any], str, Any], Any]


def predict(stack: Stack, model: str | None) -> bool:
    """Send the examples of each model of the stack, or of ``model``. Returns whether every answer was the expected one.

    Raises ToolchainError when a model is not deployed or does not answer.
    """
    deployed = engine.outputs(stack)
    models: dict[str, Any] = deployed.get("models", {})
    if not models:
        raise ToolchainError(
            f"predict with stack {stack.name}", "nothing is deployed", f"Run: make up STACK={stack.name}"
        )
    if model is not None and model not in models:
        raise ToolchainError(
            f"predict with {model}", f"stack {stack.name} has: {', '.join(models)}", "Give MODEL=<name>."
        )
    send = _to_container if stack.docker else _through_cluster(Kube(stack), deployed["namespace"])
    right = True
    for name, entry in models.items():
        if model in (None, name):
            right &= _predict_one(stack, send, name, entry, asked=model is not None)
    return right


def _through_cluster(kube: Kube, namespace: str) -> Send:
    def send(entry: dict[str, Any], path: str, request: Any) -> Any:
        return kube.post_to_service(namespace, entry["service"], entry["port"], path, request).json()

    return send


def _to_container(entry: dict[str, Any], path: str, request: Any) -> Any:
    url = f"{entry['urls'][0]}/{path}"
    try:
        return httpx2.post(url, json=request, timeout=60).raise_for_status().json()
    except httpx2.HTTPError as error:
        raise ToolchainError(f"ask {url}", str(error)) from None


def _predict_one(stack: Stack, send: Send, name: str, entry: dict[str, Any], *, asked: bool) -> bool:
    folder = _examples(stack, name)
    files = sorted(folder.glob("*.json")) if folder else []
    if not files:
        if asked:
            raise ToolchainError(f"predict with {name}", f"there is no example in {folder}/*.json")
        out.print(f"{name}: no example to send (model/{stack.served_name(name)}/examples/*.json)", markup=False)
        return True
    all_right, served = True, stack.served_name(name)
    for file in files:
        example = json.loads(file.read_text())
        answer, expected = label(send(entry, f"v2/models/{served}/infer", example["request"])), example["expected"]
        right = is_right(answer, expected)
        shown_expected = escape(str(expected.get("label", expected.get("value"))))
        verdict = "[green]right[/green]" if right else f"[red]wrong[/red], expected {shown_expected}"
        shown = file.relative_to(paths.REPOSITORY) if file.is_relative_to(paths.REPOSITORY) else file
        out.print(f"{escape(name)}: {escape(str(shown))} -> [bold]{escape(str(answer))}[/bold]  {verdict}")
        all_right &= right
    return all_right


def is_right(answer: Any, expected: dict[str, Any]) -> bool:
    """Whether an answer is the expected ``label``, or a number at most ``within`` away from the expected ``value``."""
    if "value" in expected:
        return abs(answer - expected["value"]) <= expected["within"]
    return answer == expected["label"]


def label(response: dict[str, Any]) -> Any:
    """The answer in the first output of an Open Inference Protocol response.

    Of floating-point scores for several classes it is the index of the largest; else the first value.
    """
    output = response["outputs"][0]
    values = output["data"]
    while values and isinstance(values[0], list):
        values = values[0]
    if str(output.get("datatype", "")).startswith(("FP", "BF")) and len(values) > 1:
        width = output["shape"][-1]
        scores = values[:width]
        return max(range(len(scores)), key=scores.__getitem__)
    return values[0]


def _examples(stack: Stack, name: str) -> Path | None:
    source = stack.models.get(name, {}).get("source")
    path = source.get("path") if isinstance(source, dict) else None
    return stack.file.parent / (str(path) if path else f"model/{stack.served_name(name)}") / "examples"

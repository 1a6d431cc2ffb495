"""Prometheus, asked through its own address or through the API server of the stack's cluster."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx2 as httpx

from toolchain import engine
from toolchain.errors import ToolchainError
from toolchain.kube import Kube
from toolchain.stack import Stack

# The Service that the Prometheus Operator makes beside every Prometheus.
_SERVICE = "prometheus-operated:9090"
_HOW = "Give the address of a Prometheus: make report PROMETHEUS=http://..."

Labels = dict[str, str]


@dataclass(frozen=True)
class Line:
    """One series: its labels, and (seconds since 1970, value) points, without those that are not a number."""

    labels: Labels
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        return self.points[-1][1]


class Source(Protocol):
    """What answers PromQL."""

    def __call__(self, expression: str, *, start: float, end: float, step: float) -> list[Line]:
        """The values of an expression at every `step` seconds, series without any left out."""
        ...


def watched(stack: Stack) -> Stack:
    """The stack with what another one told it of the Prometheus that watches it, where its file names that one.

    Raises ToolchainError when it was never brought up.
    """
    if stack.monitoring.get("mode") != "stack":
        return stack
    told = engine.outputs(stack).get("monitoring") if engine.exists(stack) else None
    if not told:
        why = f"no update of it asked stack {stack.monitoring.get('stack')} which Prometheus that is"
        raise ToolchainError(f"report on stack {stack.name}", why, f"Run: make up STACK={stack.name}")
    return replace(stack, settings={**stack.settings, "monitoring": stack.monitoring | told})


def source(stack: Stack, address: str | None) -> Source:
    """The Prometheus at an address, or else the one that watches the stack.

    Raises ToolchainError when the stack is not watched, and when asked for what no Prometheus answers.
    """
    if address:
        return _source(_at(address), address)
    if not stack.monitoring:
        why = "monitoring.mode is off, so no Prometheus watches it"
        raise ToolchainError(f"report on stack {stack.name}", why, f"Set monitoring.mode. {_HOW}")
    namespace = stack.monitoring.get("namespace", "monitoring")
    kube = Kube(stack)
    base = f"/api/v1/namespaces/{namespace}/services/{_SERVICE}/proxy"
    return _source(lambda path, asked: kube.get(f"{base}{path}", **asked), f"{_SERVICE} in namespace {namespace}")


def _source(get: Callable[[str, Labels], dict[str, Any]], where: str) -> Source:
    def ask(expression: str, *, start: float, end: float, step: float) -> list[Line]:
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        try:
            answer = get("/api/v1/query_range", asked)
        except ToolchainError as error:
            raise ToolchainError(f"ask Prometheus ({where})", f"{error.step}: {error.why}", _HOW) from None
        if answer.get("status") != "success":
            raise ToolchainError(f"ask Prometheus ({where})", str(answer.get("error", "it is not Prometheus")), _HOW)
        lines = [Line(series["metric"], _points(series["values"])) for series in answer["data"]["result"]]
        return [line for line in lines if line.points]

    return ask


def _points(values: list[tuple[float, str]]) -> list[tuple[float, float]]:
    numbers = [(float(time), float(value)) for time, value in values]
    return [(time, value) for time, value in numbers if value == value and abs(value) != float("inf")]


def _at(address: str) -> Callable[[str, Labels], dict[str, Any]]:
    if not address.startswith(("http://", "https://")):
        raise ToolchainError("report", f"{address!r} is no address of a Prometheus", _HOW)

    def get(path: str, asked: Labels) -> dict[str, Any]:
        try:
            # The proxies of the environment are for the internet.
            answer = httpx.get(f"{address.rstrip('/')}{path}", params=asked, timeout=30, trust_env=False)
            return answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ToolchainError(f"GET {path}", str(error)) from None

    return get

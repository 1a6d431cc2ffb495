"""Predictions sent through a Service's NodePort, one at a time or as a steady load."""

import itertools
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import httpx


def infer(node_port: int, model: str, request: dict[str, Any], *, client: httpx.Client | None = None) -> list[float]:
    """The scores that `model` answers to an Open Inference Protocol request for one row.

    Raises httpx.HTTPStatusError for an answer other than 200, httpx.TransportError for none.
    """
    url = f"http://127.0.0.1:{node_port}/v2/models/{model}/infer"
    response = (client or httpx).post(url, json=request, timeout=10)
    response.raise_for_status()
    return response.json()["outputs"][0]["data"]


def label(scores: list[float]) -> int:
    """The class with the highest score."""
    return max(range(len(scores)), key=scores.__getitem__)


def examples(model_folder: Path) -> list[tuple[dict[str, Any], int]]:
    """The (request, right label) pairs that ship with a model folder."""
    read = [json.loads(path.read_text()) for path in sorted((model_folder / "examples").glob("*.json"))]
    assert read, f"{model_folder}/examples holds no example"
    return [(example["request"], example["expected"]["label"]) for example in read]


class Load:
    """A steady load from a few threads while the `with` block runs; every answer is checked.

    Each request opens its own connection, as requests of many different clients would: a kept-alive connection
    stays with one pod and would not see a rollout. With `rate`, so many requests a second are sent, and what a slow
    answer held up is caught up with; else each thread pauses after an answer.
    """

    def __init__(
        self, node_port: int, model: str, folder: Path, *, threads: int = 2, pause: float = 0.02, rate: float = 0
    ) -> None:
        self._target = (node_port, model)
        self._examples = examples(folder)
        self._pause = pause
        self._interval = threads / rate if rate else 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(threads)]
        self._lock = threading.Lock()
        self.right = 0
        self.failures: Counter[str] = Counter()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        with httpx.Client(limits=httpx.Limits(max_keepalive_connections=0)) as client:
            due = time.monotonic()
            for request, expected in itertools.cycle(self._examples):
                if self._stop.is_set():
                    return
                try:
                    answer = label(infer(*self._target, request, client=client))
                    problem = None if answer == expected else f"answered {answer} for a {expected}"
                except httpx.HTTPError as error:
                    problem = f"{type(error).__name__}: {error}"
                with self._lock:
                    if problem is None:
                        self.right += 1
                    else:
                        self.failures[problem] += 1
                if not self._interval:
                    time.sleep(self._pause)
                    continue
                due += self._interval
                time.sleep(max(0.0, due - time.monotonic()))

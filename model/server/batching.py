"""Dynamic batching: requests that arrive together are computed together."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import logs
from .contract import Contract, compare, expected_answers
from .errors import RefusalError, RequestError
from .protocol import decode_request
from .tensors import InferRequest, Signature, Tensors

Run = Callable[[Tensors, Sequence[str]], Tensors]


@dataclass(slots=True)
class _Waiting:
    request: InferRequest
    rows: int
    small: bool
    answer: "asyncio.Future[Tensors]"
    since: float


@dataclass(slots=True, eq=False)
class _Group:
    """Requests whose tensors differ in the number of rows alone."""

    requests: list[_Waiting] = field(default_factory=list)
    rows: int = 0
    timer: asyncio.TimerHandle | None = None


class Batcher:
    """Collects requests until there are `max_size` rows, or the first has waited `max_delay` seconds.

    A batch that is due waits for a thread, and grows meanwhile; one of small requests to a `quick` model is computed in
    the event loop. Without a delay it is of the requests that arrived while the loop was at work. All methods belong to
    the event loop's thread.
    """

    def __init__(
        self,
        run: Run,
        executor: Executor,
        *,
        threads: int,
        max_size: int,
        max_delay: float,
        quick: Callable[[], bool],
        observe_wait: Callable[[float], None],
    ) -> None:
        self._run = run
        self._executor = executor
        self._free = threads
        self._max_size = max_size
        self._max_delay = max_delay
        self._quick = quick
        self._observe_wait = observe_wait
        self._open: dict[tuple[Any, ...], _Group] = {}
        self._due: deque[tuple[tuple[Any, ...], _Group]] = deque()

    async def infer(self, request: InferRequest, *, small: bool = False) -> Tensors:
        """The answers to one request. A `small` one may be computed in the event loop.

        Raises: RequestError: the model refuses this request, whatever it says of the others.
        """
        loop = asyncio.get_running_loop()
        sizes = {len(values) for values in request.inputs.values()}
        # Inputs of different lengths have no rows in common; they get a group of their own, that nothing joins.
        rows = sizes.pop() if len(sizes) == 1 else self._max_size
        waiting = _Waiting(request, rows, small, loop.create_future(), time.perf_counter())
        key = tuple((name, values.shape[1:]) for name, values in sorted(request.inputs.items()))
        group = self._open.get(key)
        if group is not None and group.rows + rows > self._max_size:
            self._close(key, group)
            group = None
        if group is None:
            group = self._open[key] = _Group()
            if rows < self._max_size:
                group.timer = loop.call_later(self._max_delay, self._timed_out, key, group)
        group.requests.append(waiting)
        group.rows += rows
        if group.rows >= self._max_size:
            self._close(key, group)
        return await waiting.answer

    def _timed_out(self, key: tuple[Any, ...], group: _Group) -> None:
        if self._free or self._at_once(group):
            self._close(key, group)
        else:
            # It stays open, so that it grows until a thread is free.
            self._due.append((key, group))

    def _close(self, key: tuple[Any, ...], group: _Group) -> None:
        """Takes no more requests into the group, and computes it as soon as a thread is free."""
        if group.timer is not None:
            group.timer.cancel()
        if self._open.get(key) is group:
            del self._open[key]
        at_once = self._at_once(group)
        if not self._free and not at_once:
            if (key, group) not in self._due:
                self._due.append((key, group))
            return
        requests = [waiting for waiting in group.requests if not waiting.answer.done()]
        if not requests:
            return  # whoever asked has left
        now = time.perf_counter()
        for waiting in requests:
            self._observe_wait(now - waiting.since)
        if at_once:
            self._answer(requests, self._compute(requests))
            return
        self._free -= 1
        computing = asyncio.get_running_loop().run_in_executor(self._executor, self._compute, requests)
        computing.add_done_callback(lambda done: self._computed(requests, done))

    def _at_once(self, group: _Group) -> bool:
        return self._quick() and all(waiting.small for waiting in group.requests)

    def _computed(self, requests: list[_Waiting], done: "asyncio.Future[list[Tensors | Exception]]") -> None:
        self._free += 1
        error = done.exception()
        self._answer(requests, [error] * len(requests) if error else done.result())
        while self._due and self._free:
            self._close(*self._due.popleft())

    def _answer(self, requests: list[_Waiting], answers: Sequence[Tensors | BaseException]) -> None:
        for waiting, answer in zip(requests, answers, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(answer, BaseException):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)

    def _compute(self, requests: list[_Waiting]) -> list[Tensors | Exception]:
        """In a thread: an answer or an error for each request."""
        if len(requests) > 1:
            try:
                return self._together([waiting.request for waiting in requests], [w.rows for w in requests])
            except Exception as error:
                # One of them may be to blame; which one, shows when they are computed alone.
                logs.event(logging.DEBUG, "batch split", requests=len(requests), error=type(error).__name__)
        return [self._alone(waiting.request) for waiting in requests]

    def _together(self, requests: list[InferRequest], rows: list[int]) -> list[Tensors | Exception]:
        outputs = list(dict.fromkeys(name for request in requests for name in request.outputs))
        inputs = concatenated([request.inputs for request in requests])
        together = self._run(inputs, outputs)
        if any(len(values) != sum(rows) for values in together.values()):
            raise ValueError("the answer has another number of rows than the batch")
        answers: list[Tensors | Exception] = []
        start = 0
        for request, count in zip(requests, rows, strict=True):
            answers.append({name: together[name][start : start + count] for name in request.outputs})
            start += count
        return answers

    def _alone(self, request: InferRequest) -> Tensors | Exception:
        try:
            return self._run(request.inputs, request.outputs)
        except Exception as error:
            return error


def concatenated(parts: Sequence[Tensors]) -> Tensors:
    """The rows of several requests, one after the other."""
    return {name: np.concatenate([inputs[name] for inputs in parts]) for name in parts[0]}


def check_possible(signature: Signature) -> None:
    """Raises: RefusalError: the model takes or gives tensors whose first dimension is fixed."""
    for spec in (*signature.inputs, *signature.outputs):
        if not spec.shape or spec.shape[0] != -1:
            raise RefusalError(
                f"MAX_BATCH_SIZE: {spec.name} has shape {list(spec.shape)}, so requests cannot be put together; "
                "batching needs models whose every input and output has a variable first dimension"
            )


def prove(contract: Contract, run: Run) -> None:
    """Puts the golden requests together and compares the answers: rows may not depend on the others of their batch.

    Raises: RefusalError: they do.
    """
    outputs = [spec.name for spec in contract.signature.outputs]
    together: dict[tuple[Any, ...], list[tuple[Tensors, Tensors, float]]] = {}
    for golden in contract.golden:
        inputs = decode_request(golden.request, contract.signature).inputs
        key = tuple((name, values.shape[1:]) for name, values in sorted(inputs.items()))
        together.setdefault(key, []).append((inputs, expected_answers(contract, golden), golden.tolerance))
    for group in together.values():
        # Each twice, so that a single golden request proves something too.
        group = group * 2
        try:
            answers = run(concatenated([inputs for inputs, _, _ in group]), outputs)
        except RequestError as error:
            raise RefusalError(f"MAX_BATCH_SIZE: golden requests put together: {error}") from error
        for name in outputs:
            expected = np.concatenate([wanted[name] for _, wanted, _ in group])
            where = f"MAX_BATCH_SIZE: golden requests put together: output {name}"
            compare(expected, answers[name], max(tolerance for _, _, tolerance in group), where)

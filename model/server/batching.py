"""Dynamic batching: requests that arrive together are computed together."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from . import logs
from .contract import Contract, compare, expected_answers
from .errors import RefusalError, RequestError
from .protocol import decode_request
from .tensors import InferRequest, Signature, Tensors, numbers_in

T = TypeVar("T")
Run = Callable[[Tensors, Sequence[str]], Tensors]
Encode = Callable[[InferRequest, Tensors], T]

_Kind = tuple[Any, ...]
_Arrived = tuple[Callable[[], InferRequest], Encode[T], "asyncio.Future[T]", float]
_Decoded = tuple[InferRequest, int, Encode[T], "asyncio.Future[T]"]


@dataclass(slots=True)
class _Waiting:
    request: InferRequest
    rows: int
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

    A batch that is due waits for a thread, and grows meanwhile. All methods belong to the event loop's thread.
    """

    def __init__(
        self,
        run: Run,
        executor: Executor,
        *,
        threads: int,
        max_size: int,
        max_delay: float,
        observe_wait: Callable[[float], None],
    ) -> None:
        self._run = run
        self._executor = executor
        self._free = threads
        self._max_size = max_size
        self._max_delay = max_delay
        self._observe_wait = observe_wait
        self._open: dict[_Kind, _Group] = {}
        self._due: deque[tuple[_Kind, _Group]] = deque()

    async def infer(self, request: InferRequest) -> Tensors:
        """The answers to one request.

        Raises: RequestError: the model refuses this request, whatever it says of the others.
        """
        loop = asyncio.get_running_loop()
        key, rows = _kind(request, self._max_size)
        waiting = _Waiting(request, rows, loop.create_future(), time.perf_counter())
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

    def _timed_out(self, key: "_Kind", group: _Group) -> None:
        if self._free:
            self._close(key, group)
        else:
            # It stays open, so that it grows until a thread is free.
            self._due.append((key, group))

    def _close(self, key: "_Kind", group: _Group) -> None:
        """Takes no more requests into the group, and computes it as soon as a thread is free."""
        if group.timer is not None:
            group.timer.cancel()
        if self._open.get(key) is group:
            del self._open[key]
        if not self._free:
            if (key, group) not in self._due:
                self._due.append((key, group))
            return
        requests = [waiting for waiting in group.requests if not waiting.answer.done()]
        if not requests:
            return  # whoever asked has left
        now = time.perf_counter()
        for waiting in requests:
            self._observe_wait(now - waiting.since)
        self._free -= 1
        batch = [(waiting.request, waiting.rows) for waiting in requests]
        computing = asyncio.get_running_loop().run_in_executor(self._executor, _compute, self._run, batch)
        computing.add_done_callback(lambda done: self._computed(requests, done))

    def _computed(self, requests: list[_Waiting], done: "asyncio.Future[list[Tensors | Exception]]") -> None:
        self._free += 1
        error = done.exception()
        answers = [error] * len(requests) if error else done.result()
        for waiting, answer in zip(requests, answers, strict=True):
            _settle(waiting.answer, answer)
        while self._due and self._free:
            self._close(*self._due.popleft())


class Burst(Generic[T]):
    """Small requests to a quick model that arrived while the event loop was at work, or within `max_delay` seconds.

    They are decoded, computed and encoded in the event loop, step by step for all of them: code that has just run runs
    again in half the time. As long as more arrive with each turn of the loop, and others are on their way, they wait
    for those. All methods belong to the event loop's thread.
    """

    def __init__(
        self,
        run: Run,
        executor: Executor,
        *,
        max_size: int,
        max_delay: float,
        large: int,
        in_flight: Callable[[], int],
        observe_wait: Callable[[float], None],
    ) -> None:
        """Answers of more than `large` numbers are encoded by the executor. `in_flight`: requests that have begun."""
        self._run = run
        self._executor = executor
        self._max_size = max_size
        self._max_delay = max_delay
        self._large = large
        self._in_flight = in_flight
        self._observe_wait = observe_wait
        self._seen = 0
        self._arrived: list[_Arrived[T]] = []
        self._timer: asyncio.Handle | None = None

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet."""
        return len(self._arrived)

    def answer(self, decode: Callable[[], InferRequest], encode: Encode[T]) -> "asyncio.Future[T]":
        """decode -> model -> encode, soon. The future gets what they raise."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            delay = self._max_delay
            self._timer = loop.call_later(delay, self._compute) if delay else loop.call_soon(self._compute)
        elif len(self._arrived) + 1 == self._max_size and self._max_delay:
            self._timer.cancel()
            self._timer = loop.call_soon(self._compute)
        future = loop.create_future()
        self._arrived.append((decode, encode, future, time.perf_counter()))
        return future

    def _compute(self) -> None:
        here = len(self._arrived)
        if self._seen < here < min(self._max_size, self._in_flight()):
            self._seen = here
            self._timer = asyncio.get_running_loop().call_soon(self._compute)
            return
        self._seen = 0
        # No more at once: what else there is to do, such as to answer probes, has its turn in between.
        arrived, self._arrived = self._arrived[: self._max_size], self._arrived[self._max_size :]
        self._timer = asyncio.get_running_loop().call_soon(self._compute) if self._arrived else None
        now = time.perf_counter()
        batches: dict[_Kind, list[_Decoded[T]]] = {}
        for decode, encode, future, since in arrived:
            if future.done():
                continue  # who asked has left
            self._observe_wait(now - since)
            try:
                request = decode()
            except Exception as error:
                future.set_exception(error)
                continue
            key, rows = _kind(request, self._max_size)
            batches.setdefault(key, []).append((request, rows, encode, future))
        for batch in batches.values():
            for part in _parts(batch, self._max_size):
                answers = _compute(self._run, [(request, rows) for request, rows, _, _ in part])
                for (request, _, encode, future), outputs in zip(part, answers, strict=True):
                    self._encode(request, encode, future, outputs)

    def _encode(
        self, request: InferRequest, encode: Encode[T], future: "asyncio.Future[T]", outputs: Tensors | Exception
    ) -> None:
        if isinstance(outputs, Exception):
            future.set_exception(outputs)
            return
        if numbers_in(outputs) > self._large:
            encoding = asyncio.get_running_loop().run_in_executor(self._executor, encode, request, outputs)
            encoding.add_done_callback(lambda done: _settle(future, done.exception() or done.result()))
            return
        try:
            future.set_result(encode(request, outputs))
        except Exception as error:
            future.set_exception(error)


def _kind(request: InferRequest, most: int) -> "tuple[_Kind, int]":
    """What the requests of a batch have in common, and the rows of this one."""
    inputs = request.inputs
    if len(inputs) == 1:
        [(name, values)] = inputs.items()
        return (name, values.shape[1:]), len(values)
    sizes = {len(values) for values in inputs.values()}
    # Inputs of different lengths have no rows in common; they get a batch of their own, that nothing joins.
    rows = sizes.pop() if len(sizes) == 1 else most
    return tuple((name, values.shape[1:]) for name, values in sorted(inputs.items())), rows


def _parts(batch: "list[_Decoded[T]]", most: int) -> "Iterator[list[_Decoded[T]]]":
    """The requests in parts of up to `most` rows, or of one request."""
    part: list[_Decoded[T]] = []
    size = 0
    for decoded in batch:
        if part and size + decoded[1] > most:
            yield part
            part, size = [], 0
        part.append(decoded)
        size += decoded[1]
    yield part


def _compute(run: Run, batch: list[tuple[InferRequest, int]]) -> list[Tensors | Exception]:
    """An answer or an error for each request, of which the numbers of rows are given."""
    if len(batch) > 1:
        try:
            return _together(run, batch)
        except Exception as error:
            # One of them may be to blame; which one, shows when they are computed alone.
            logs.event(logging.DEBUG, "batch split", requests=len(batch), error=type(error).__name__)
    return [_alone(run, request) for request, _ in batch]


def _together(run: Run, batch: list[tuple[InferRequest, int]]) -> list[Tensors | Exception]:
    outputs = list(dict.fromkeys(name for request, _ in batch for name in request.outputs))
    together = run(concatenated([request.inputs for request, _ in batch]), outputs)
    total = sum(rows for _, rows in batch)
    if any(len(values) != total for values in together.values()):
        raise ValueError("the answer has another number of rows than the batch")
    answers: list[Tensors | Exception] = []
    start = 0
    for request, rows in batch:
        answers.append({name: together[name][start : start + rows] for name in request.outputs})
        start += rows
    return answers


def _alone(run: Run, request: InferRequest) -> Tensors | Exception:
    try:
        return run(request.inputs, request.outputs)
    except Exception as error:
        return error


def _settle(future: "asyncio.Future[Any]", outcome: object) -> None:
    """Gives an outcome, or raises it, to whoever still waits."""
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


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

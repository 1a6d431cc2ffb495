"""Where and when a request is computed: at once, in a thread, or together with others; and how many may wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from .batching import Batcher, Burst, Encode
from .errors import overloaded
from .metrics import Metrics
from .model import Model
from .settings import Settings
from .tensors import InferRequest, Tensors, numbers_in

T = TypeVar("T")
Decode = Callable[[], InferRequest]

AT_ONCE_BYTES = 16 << 10
AT_ONCE_SECONDS = 0.001
"""A small request to a model as quick as this is computed in the event loop: to hand it to a thread would take longer.
Probes then wait a millisecond at most; they wait their turn for the processor as long."""


class Engine:
    """Computes answers. All methods belong to the event loop's thread."""

    def __init__(self, settings: Settings, metrics: Metrics, executor: Executor) -> None:
        self.in_flight = 0
        """Requests to infer from their head to their answer."""
        self.taken = 0
        """All that ever were in flight."""
        self.buffered = 0
        """Bytes of large requests that arrived, and have no answer yet."""
        self._settings = settings
        self._executor = executor
        self._model: Model | None = None
        self._batcher: Batcher | None = None
        self._burst: Burst[Any] | None = None
        self._waiting = 0
        self._pace = 1.0
        self._metrics = metrics
        metrics.in_flight.set_function(lambda: self.in_flight)
        metrics.queued.set_function(lambda: self.queued)

    @property
    def queued(self) -> int:
        """Requests that arrived whole and have no answer yet."""
        return self._waiting + (self._burst.waiting if self._burst else 0)

    @property
    def model(self) -> Model | None:
        """None until it has proved itself."""
        return self._model

    def serve(self, model: Model) -> None:
        """Takes the model into use."""
        self._pace = model.answer_seconds
        if self._settings.max_batch_size > 1:
            self._batcher = Batcher(
                self._run,
                self._executor,
                threads=self._settings.threads,
                max_size=self._settings.max_batch_size,
                max_delay=self._settings.max_batch_delay_seconds,
                observe_wait=self._metrics.queue_seconds.observe,
            )
            self._burst = Burst(
                self._run,
                self._executor,
                max_size=self._settings.max_batch_size,
                max_delay=self._settings.max_batch_delay_seconds,
                large=AT_ONCE_BYTES,
                in_flight=lambda: self.in_flight,
                observe_wait=self._metrics.queue_seconds.observe,
            )
        self._session_run = model.session.run
        self._model = model

    def begin(self) -> None:
        """A request to infer has arrived; `end` it."""
        self.in_flight += 1
        self.taken += 1

    def end(self) -> None:
        """The opposite of `begin`."""
        self.in_flight -= 1

    def hold(self, size: int) -> None:
        """Counts bytes of a large request as they arrive; `release` them. Raises: RequestError: 503: too many."""
        if self.buffered + size > self._settings.max_buffered_bytes:
            raise overloaded(f"overloaded: {self.buffered} bytes of large requests wait for an answer")
        self.buffered += size

    def promise(self, size: int) -> bool:
        """Counts bytes before they arrive, which can then be read in one go; `release` them. False: hold them instead.

        Clients that announce much and send it slowly get half of the room in this way, and no more.
        """
        if self.buffered + size > self._settings.max_buffered_bytes // 2:
            return False
        self.buffered += size
        return True

    def release(self, size: int) -> None:
        """The opposite of `hold` and `promise`."""
        self.buffered -= size

    def answer(self, size: int, decode: Decode, encode: Encode[T]) -> Awaitable[T]:
        """decode -> model -> encode, for a request of `size` bytes.

        Raises, at once or when it is awaited: RequestError: 503: too many wait already; and what decode, encode and the
        model raise.
        """
        if self.queued >= self._settings.max_queue:
            raise overloaded(f"overloaded: {self.queued} requests wait for an answer")
        if size <= AT_ONCE_BYTES and self._pace <= AT_ONCE_SECONDS:
            return self._burst.answer(decode, encode) if self._burst else self._at_once(decode, encode)
        return self._in_turn(size, decode, encode)

    async def _at_once(self, decode: Decode, encode: Encode[T]) -> T:
        # It waits for nobody, and nobody can look meanwhile: it need not be counted as waiting.
        return self._whole(time.perf_counter(), decode, encode)

    async def _in_turn(self, size: int, decode: Decode, encode: Encode[T]) -> T:
        self._waiting += 1
        try:
            if self._batcher is not None:
                return await self._batched(self._batcher, size, decode, encode)
            # In a thread, so that probes are answered while the model computes, which it does without Python's lock.
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._whole, time.perf_counter(), decode, encode)
        finally:
            self._waiting -= 1

    def _whole(self, arrived: float, decode: Decode, encode: Encode[T]) -> T:
        self._metrics.queue_seconds.observe(time.perf_counter() - arrived)
        request = decode()
        return encode(request, self._run(request.inputs, request.outputs))

    async def _batched(self, batcher: Batcher, size: int, decode: Decode, encode: Encode[T]) -> T:
        loop = asyncio.get_running_loop()
        request = decode() if size <= AT_ONCE_BYTES else await loop.run_in_executor(self._executor, decode)
        outputs = await batcher.infer(request)
        # A small request may have a large answer.
        if numbers_in(outputs) <= AT_ONCE_BYTES:
            return encode(request, outputs)
        return await loop.run_in_executor(self._executor, encode, request, outputs)

    def _run(self, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        """In any thread: the model, measured."""
        started = time.perf_counter()
        answers = self._session_run(inputs, outputs)
        seconds = time.perf_counter() - started
        # The recent requests' mean, roughly: so that a model that turns out slow leaves the event loop, and may return.
        self._pace += (seconds - self._pace) * 0.1
        self._metrics.inference_seconds.observe(seconds)
        self._metrics.batch_rows.observe(len(first) if (first := next(iter(inputs.values()))).ndim else 1)
        return answers

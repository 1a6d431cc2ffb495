"""Requests that arrive together are computed together, and nobody can tell by the answers."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from model.exporter import contract as exporter_contract
from model.server.batching import Batcher, Burst
from model.server.errors import RefusalError, RequestError
from model.server.model import load
from model.server.tensors import InferRequest, Tensors
from tests.unit.server.models import onnx_model, tensor, write, write_linear


class Doubling:
    """x [rows, ...] -> y = 2x and n, the same in whole numbers. Refuses any batch with a 13 in it, as a model may."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        values = inputs["x"]
        self.batches.append(len(values))
        if (values == 13).any():
            raise RequestError(422, "13")
        answers: Tensors = {"y": values * 2, "n": values.astype(np.int64) * 2}
        return {name: answers[name] for name in outputs}


def request(*rows: float, width: int = 1, outputs: Sequence[str] = ("y",)) -> InferRequest:
    values = np.repeat(np.array(rows, dtype=np.float32)[:, None], width, axis=1)
    return InferRequest(id=None, inputs={"x": values}, outputs=list(outputs))


async def ask(
    model: Doubling,
    requests: Sequence[InferRequest],
    *,
    max_size: int = 8,
    max_delay: float = 0.01,
    quick: bool = False,
    leave: int | None = None,
) -> list:
    """The answers or errors; the client of request `leave` leaves before it is computed."""
    with ThreadPoolExecutor(1) as executor:
        limits: dict[str, Any] = {"max_size": max_size, "max_delay": max_delay, "observe_wait": lambda seconds: None}
        if quick:
            burst: Burst[Tensors] = Burst(model, executor, large=1000, in_flight=lambda: 0, **limits)
            tasks = [burst.answer(lambda one=one: one, lambda _, outputs: outputs) for one in requests]
        else:
            batcher = Batcher(model, executor, threads=1, **limits)
            tasks = [asyncio.create_task(batcher.infer(one)) for one in requests]
        await asyncio.sleep(0)
        if leave is not None:
            tasks[leave].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)


def rows(answer: Tensors, name: str = "y") -> list[float]:
    return answer[name][:, 0].tolist()


@pytest.mark.parametrize("quick", [False, True])
def test_requests_that_wait_are_one_batch_and_each_gets_its_own_rows(quick: bool) -> None:
    model = Doubling()
    answers = asyncio.run(ask(model, [request(1), request(2, 3), request(4)], quick=quick))
    assert [rows(answer) for answer in answers] == [[2], [4, 6], [8]]
    assert model.batches == [4]


def test_a_full_batch_does_not_wait_and_none_is_larger() -> None:
    model = Doubling()
    answers = asyncio.run(ask(model, [request(1), request(2, 3), request(4, 5), request(6)], max_size=3))
    assert [rows(answer) for answer in answers] == [[2], [4, 6], [8, 10], [12]]
    assert model.batches == [3, 3]


def test_a_request_beyond_the_size_goes_alone() -> None:
    model = Doubling()
    answers = asyncio.run(ask(model, [request(1), request(2, 3, 4, 5)], max_size=3))
    assert [rows(answer) for answer in answers] == [[2], [4, 6, 8, 10]]
    assert sorted(model.batches) == [1, 4]


@pytest.mark.parametrize("quick", [False, True])
def test_other_shapes_do_not_mix(quick: bool) -> None:
    model = Doubling()
    answers = asyncio.run(ask(model, [request(1), request(2, width=3), request(3), request(4, width=3)], quick=quick))
    assert [answer["y"].shape for answer in answers] == [(1, 1), (1, 3), (1, 1), (1, 3)]
    assert [rows(answer) for answer in answers] == [[2], [4], [6], [8]]
    assert model.batches == [2, 2]


@pytest.mark.parametrize("quick", [False, True])
def test_each_gets_the_outputs_it_asked_for(quick: bool) -> None:
    model = Doubling()
    answers = asyncio.run(
        ask(model, [request(1), request(2, outputs=["n"]), request(3, outputs=["n", "y"])], quick=quick)
    )
    assert [list(answer) for answer in answers] == [["y"], ["n"], ["n", "y"]]
    assert rows(answers[1], "n") == [4]
    assert model.batches == [3]


@pytest.mark.parametrize("quick", [False, True])
def test_one_bad_request_spoils_no_other(quick: bool) -> None:
    model = Doubling()
    first, bad, last = asyncio.run(ask(model, [request(1), request(13), request(3)], quick=quick))
    assert isinstance(bad, RequestError)
    assert (rows(first), rows(last)) == ([2], [6])
    assert model.batches == [3, 1, 1, 1]


@pytest.mark.parametrize("quick", [False, True])
def test_who_left_is_not_computed_and_the_others_are(quick: bool) -> None:
    model = Doubling()
    first, left, last = asyncio.run(ask(model, [request(1), request(2), request(3)], leave=1, quick=quick))
    assert isinstance(left, asyncio.CancelledError)
    assert (rows(first), rows(last)) == ([2], [6])
    assert model.batches == [2]


def test_a_quick_model_needs_no_thread_and_takes_what_arrived_together() -> None:
    model = Doubling()
    requests = [request(1), request(13), request(3), request(4, 5)]
    first, bad, third, last = asyncio.run(ask(model, requests, max_delay=0, quick=True))
    assert isinstance(bad, RequestError)
    assert (rows(first), rows(third), rows(last)) == ([2], [6], [8, 10])
    assert model.batches == [5, 1, 1, 1, 2]


@contextmanager
def bursts(model: Doubling, *, max_size: int = 8, large: int = 1000, in_flight: int = 0) -> Iterator[Burst[str]]:
    """Of a quick model."""
    with ThreadPoolExecutor(1, thread_name_prefix="large") as executor:
        yield Burst(
            model,
            executor,
            max_size=max_size,
            max_delay=0,
            large=large,
            in_flight=lambda: in_flight,
            observe_wait=lambda seconds: None,
        )


def refuse(*_: object) -> Any:
    raise RequestError(422, threading.current_thread().name)


def test_a_request_that_cannot_be_decoded_or_answered_spoils_no_other() -> None:
    async def main() -> list[str | BaseException]:
        with bursts(model) as burst:
            answers = [
                burst.answer(lambda: request(1), lambda _, outputs: str(rows(outputs))),
                burst.answer(refuse, lambda _, outputs: str(rows(outputs))),
                burst.answer(lambda: request(3), refuse),
                burst.answer(lambda: request(4), lambda _, outputs: str(rows(outputs))),
            ]
            assert burst.waiting == 4
            return await asyncio.gather(*answers, return_exceptions=True)

    model = Doubling()
    first, undecoded, unanswered, last = asyncio.run(main())
    assert (first, last) == ("[2.0]", "[8.0]")
    assert isinstance(undecoded, RequestError)
    assert isinstance(unanswered, RequestError)
    assert model.batches == [3]


def test_a_large_answer_is_encoded_in_a_thread_and_may_fail_there() -> None:
    async def main() -> list[str | BaseException]:
        with bursts(Doubling(), large=2) as burst:
            answers = [
                burst.answer(lambda: request(1, 2), lambda *_: threading.current_thread().name),
                burst.answer(lambda: request(1, 2, 3), lambda *_: threading.current_thread().name),
                burst.answer(lambda: request(1, 2, 3), refuse),
            ]
            return await asyncio.gather(*answers, return_exceptions=True)

    small, large, refused = asyncio.run(main())
    assert (small, large) == (threading.main_thread().name, "large_0")
    assert isinstance(refused, RequestError)
    assert str(refused) == "large_0"


def test_many_requests_leave_the_event_loop_to_others_in_between() -> None:
    async def main() -> int:
        with bursts(model, max_size=2) as burst:
            answers = [burst.answer(lambda: request(1), lambda *_: "") for _ in range(6)]
            await answers[0]
            return sum(answer.done() for answer in answers)

    model = Doubling()
    assert asyncio.run(main()) < 6
    assert model.batches[0] == 2


@pytest.mark.parametrize(
    ("turns", "in_flight", "batches"),
    [
        ([1, 1, 1], 3, [3]),  # all come, one with each turn
        ([1, 1, 0, 0, 1], 3, [2, 1]),  # the last one takes its time
        ([1, 1, 1], 1, [1, 1, 1]),  # nobody else has begun
    ],
)
def test_a_burst_waits_for_those_who_are_on_their_way_as_long_as_they_arrive(
    turns: list[int], in_flight: int, batches: list[int]
) -> None:
    async def main() -> None:
        with bursts(model, in_flight=in_flight) as burst:
            answers: list[asyncio.Future[str]] = []
            for count in turns:
                answers += [burst.answer(lambda: request(1), lambda *_: "") for _ in range(count)]
                await asyncio.sleep(0)
            await asyncio.gather(*answers)

    model = Doubling()
    asyncio.run(main())
    assert model.batches == batches


@pytest.mark.parametrize("quick", [False, True])
def test_many_at_once_are_all_right(quick: bool) -> None:
    model = Doubling()
    random = np.random.default_rng(0)
    requests = [request(*random.integers(100, 200, random.integers(1, 6))) for _ in range(300)]
    answers = asyncio.run(ask(model, requests, quick=quick))
    for one, answer in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(answer["y"], one.inputs["x"] * 2)
    assert max(model.batches) <= 8
    assert len(model.batches) < 300


def test_a_model_whose_rows_are_independent_may_be_batched(tmp_path: Path) -> None:
    assert load("linear", write_linear(tmp_path / "model"), 1, batched=True)


def test_a_model_whose_rows_depend_on_each_other_is_refused(tmp_path: Path) -> None:
    model = onnx_model(
        [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0]), helper.make_node("Sub", ["x", "mean"], ["y"])],
        [tensor("x", TensorProto.FLOAT, ["batch", 2])],
        [tensor("y", TensorProto.FLOAT, ["batch", 2])],
    )
    spec = {"datatype": "FP32", "shape": [-1, 2]}
    signature = {"inputs": [{"name": "x", **spec}], "outputs": [{"name": "y", **spec}]}
    goldens = [
        exporter_contract.golden({"x": np.array([[1, 2]], np.float32)}, {"y": np.zeros((1, 2), np.float32)}),
        exporter_contract.golden({"x": np.array([[3, 5]], np.float32)}, {"y": np.zeros((1, 2), np.float32)}),
    ]
    folder = write(tmp_path / "model", model, signature, goldens)
    assert load("centred", folder, 1)
    with pytest.raises(RefusalError, match="golden requests put together: output y differs"):
        load("centred", folder, 1, batched=True)


def test_a_model_with_a_fixed_first_dimension_cannot_be_batched(tmp_path: Path) -> None:
    model = onnx_model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", TensorProto.FLOAT, [1, 2])],
        [tensor("y", TensorProto.FLOAT, [1, 2])],
    )
    spec = {"datatype": "FP32", "shape": [1, 2]}
    signature = {"inputs": [{"name": "x", **spec}], "outputs": [{"name": "y", **spec}]}
    values = np.array([[1, 2]], np.float32)
    folder = write(tmp_path / "model", model, signature, [exporter_contract.golden({"x": values}, {"y": values})])
    with pytest.raises(RefusalError, match=r"MAX_BATCH_SIZE: x has shape \[1, 2\]"):
        load("fixed", folder, 1, batched=True)

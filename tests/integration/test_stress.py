"""A server process under more than it can do, and told to stop while it is asked. No cluster."""

import asyncio
import json
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.unit.server.models import linear, write_linear, write_slow
from tests.unit.server.running import Running, serving

pytestmark = pytest.mark.integration

SLOW = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}]}


def body(rows: list[list[float]]) -> dict[str, list[dict[str, object]]]:
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [len(rows), 3], "data": rows}]}


def samples(server: Running) -> dict[str, float]:
    lines = [line for line in httpx.get(f"{server.url}/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_beyond_the_queue_clients_are_told_to_come_back(tmp_path: Path) -> None:
    async def flood(url: str) -> tuple[Counter[int], httpx.Response]:
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=50)) as client:
            asked = [asyncio.create_task(client.post(f"{url}/v2/models/slow/infer", json=SLOW)) for _ in range(40)]
            answers = await asyncio.gather(*asked)
            refused = next(answer for answer in answers if answer.status_code == 503)
            return Counter(answer.status_code for answer in answers), refused

    with serving(write_slow(tmp_path / "model"), tmp_path / "run", MODEL_NAME="slow", MAX_QUEUE="3") as server:
        codes, refused = asyncio.run(flood(server.url))
        assert set(codes) == {200, 503}
        assert codes[200] >= 3
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["error"].startswith("overloaded: ")
        after = samples(server)
        assert after['model_server_requests_total{code="503",model="slow",protocol="v2_rest"}'] == codes[503]
        assert after['model_server_requests_queued{model="slow"}'] == 0
        assert httpx.post(f"{server.url}/v2/models/slow/infer", json=SLOW, timeout=60).status_code == 200


def test_memory_of_large_bodies_is_bounded(tmp_path: Path) -> None:
    limits = {"MAX_BODY_BYTES": "1000000", "MAX_BUFFERED_BYTES": "2000000"}
    head = "POST /v2/models/linear/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", **limits) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(3)]
        try:
            for connection in slow[:2]:
                connection.sendall(head.encode() + b" " * 990_000)
            deadline = time.monotonic() + 10
            while samples(server)['model_server_requests_in_flight{model="linear"}'] < 2:
                assert time.monotonic() < deadline
            time.sleep(0.3)
            slow[2].sendall(head.encode() + b" " * 500_000)
            assert slow[2].recv(100).startswith(b"HTTP/1.1 503 ")
            # Small ones are not counted, and so go on.
            assert httpx.post(f"{server.url}/v2/models/linear/infer", json=body([[1, 2, 3]])).status_code == 200
        finally:
            for connection in slow:
                connection.close()


def test_batches_answer_each_client_right(tmp_path: Path) -> None:
    async def ask(url: str) -> None:
        random = np.random.default_rng(0)
        async with httpx.AsyncClient(timeout=60) as client:

            async def one() -> None:
                rows = random.integers(-9, 9, (int(random.integers(1, 5)), 3)).astype(float).tolist()
                answer = await client.post(f"{url}/v2/models/linear/infer", json=body(rows))
                assert answer.json()["outputs"][0]["data"] == pytest.approx(linear(rows).ravel().tolist(), abs=1e-4)

            async def bad() -> None:
                answer = await client.post(f"{url}/v2/models/linear/infer", json=body([[3e38, 3e38, 3e38]]))
                assert answer.status_code == 422

            await asyncio.gather(*(one() if turn % 10 else bad() for turn in range(200)))

    settings = {"MAX_BATCH_SIZE": "16", "MAX_BATCH_DELAY_SECONDS": "0.005"}
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", **settings) as server:
        asyncio.run(ask(server.url))
        after = samples(server)
        batches = after['model_server_batch_size_count{model="linear"}']
        assert after['model_server_batch_size_bucket{le="16.0",model="linear"}'] == batches
        assert batches < 200


def test_no_request_is_lost_when_it_stops(tmp_path: Path) -> None:
    """Clients on open connections, as those of a Service are: the answer tells them that it was the last."""
    failures: list[str] = []
    right = 0
    stopped = threading.Event()

    def ask(server: Running) -> None:
        nonlocal right
        with httpx.Client(base_url=server.url) as client:
            while True:
                try:
                    answer = client.post("/v2/models/linear/infer", json=body([[1, 2, 3]]))
                except httpx.ConnectError:
                    return  # it listens no more, so nobody's request was taken
                except httpx.TransportError as error:
                    failures.append(repr(error))
                    return
                if answer.status_code != 200:
                    failures.append(answer.text)
                right += 1
                if answer.headers.get("connection") == "close":
                    # As a client does that looks for another server.
                    stopped.set()
                    return

    with serving(write_linear(tmp_path / "model"), tmp_path / "run") as server:
        threads = [threading.Thread(target=ask, args=(server,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        while right < 100:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        assert server.end(None) == 0
    assert not failures
    assert stopped.is_set()
    assert json.loads(server.output.splitlines()[-1])["abandoned"] == 0

"""What the server tells of itself before anybody asked it anything, and of the first that goes wrong."""

from pathlib import Path

import httpx
import pytest

from model.server.metrics import Metrics
from tests.unit.server.models import write_linear
from tests.unit.server.running import free_port, serving

COUNTED = ("200", "400", "500", "503")
REQUESTS = "model_server_requests_total"
DURATIONS = "model_server_request_duration_seconds_count"


def samples(text: str, name: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(f"{name}{{")]
    return {labels.removeprefix(name): float(value) for labels, value in lines}


def counter(code: str, protocol: str, model: str = "linear") -> str:
    return f'{{code="{code}",model="{model}",protocol="{protocol}"}}'


def told(metrics: Metrics) -> dict[str, float]:
    return samples(metrics.expose("")[0].decode(), REQUESTS)


def test_the_first_error_is_an_increase() -> None:
    metrics = Metrics("linear", ("v2_rest",))
    before = told(metrics)
    assert before == {counter(code, "v2_rest"): 0 for code in COUNTED}
    metrics.answered("v2_rest", 503, 0.01, None)
    assert told(metrics) == before | {counter("503", "v2_rest"): 1}


def test_what_is_rare_comes_when_it_happens() -> None:
    metrics = Metrics("linear", ("v2_rest", "tf_serving"))
    metrics.answered("tf_serving", 413, 0.01, None)
    metrics.refused("v2_rest", 404, known=False)
    new = {name: count for name, count in told(metrics).items() if count}
    assert new == {counter("413", "tf_serving"): 1, counter("404", "v2_rest", "unknown"): 1}


@pytest.mark.parametrize("grpc", [False, True], ids=["without gRPC", "with gRPC"])
def test_a_server_counts_in_the_protocols_that_it_speaks(grpc: bool, tmp_path: Path) -> None:
    protocols = ["v2_rest", "tf_serving", *(["v2_grpc"] if grpc else [])]
    port = {"GRPC_PORT": str(free_port())} if grpc else {}
    with serving(write_linear(tmp_path / "model"), tmp_path / "run", **port) as server:
        text = httpx.get(f"{server.url}/metrics").raise_for_status().text
    assert samples(text, REQUESTS) == {counter(code, protocol): 0 for protocol in protocols for code in COUNTED}
    assert samples(text, DURATIONS) == {f'{{model="linear",protocol="{protocol}"}}': 0 for protocol in protocols}

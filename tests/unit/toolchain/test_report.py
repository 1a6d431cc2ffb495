"""The page about a stack's last hour: what it says, and that it says only what Prometheus answered, as text."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from toolchain import report
from toolchain.errors import ToolchainError
from toolchain.report.charts import drawn, number
from toolchain.report.facts import HOUR, Chart, Facts, ModelFacts, facts
from toolchain.report.page import page
from toolchain.report.source import Line, source, watched
from toolchain.stack import Stack

NOW = 1_800_000_000.0
HOSTILE = '"><script>alert(1)</script>&'


def stack(**settings: Any) -> Stack:
    given = {"cluster": "production", "namespace": "models", "models": {"digits": {}}} | settings
    return Stack(name="dev", project="model-serving", file=Path("Pulumi.dev.yaml"), settings=given, virtualenv=None)


def line(*values: float, step: float = 30.0, end: float = NOW, **labels: str) -> Line:
    return Line(labels, [(end - step * (len(values) - 1 - place), value) for place, value in enumerate(values)])


class Answers:
    """A Prometheus that answers an expression that contains a text with some lines, the first that fits."""

    def __init__(self, **answers: list[Line]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, expression: str, *, start: float, end: float, step: float) -> list[Line]:
        assert start < end == NOW
        assert step > 0
        self.asked.append(expression)
        return next((lines for text, lines in self.answers.items() if text in expression), [])


def test_a_model_is_read_from_prometheus() -> None:
    ask = Answers(
        model_server_ready=[line(2.0, 2.0)],
        slo_budget=[line(0.75, slo="availability"), line(-0.5, slo="latency")],
        histogram_quantile=[line(0.01, 0.06)],
        code=[line(0.002)],
        requests_total=[line(5.0, 7.5)],
        status_replicas_available=[line(1.0)],
        spec_replicas=[line(2.0)],
    )
    promised = {"availability": 99.9, "latencyP99": "50ms"}
    watched = stack(models={"digits": {"slo": promised}}, monitoring={"mode": "existing", "scrapeInterval": "60s"})
    [model] = facts(watched, ask, NOW).models
    assert (model.requests, model.failed, model.latency, model.ready, model.wanted) == (7.5, 0.002, 0.06, 2.0, 2.0)
    assert (model.allowed_failures, model.allowed_latency) == (0.001, 0.05)
    assert model.budgets == {"availability": 0.75, "latency": -0.5}
    assert all("[240s]" in expression for expression in ask.asked if "rate(" in expression)


def test_a_renamed_model_is_called_so_and_its_series_are_those_of_its_first_name() -> None:
    ask = Answers(requests_total=[line(5.0)])
    [model] = facts(stack(models={"numbers": {"renamedFrom": "digits"}}), ask, NOW).models
    assert (model.name, model.requests) == ("numbers", 5.0)
    assert any("digits" in expression for expression in ask.asked)
    assert not any("numbers" in expression for expression in ask.asked)


def test_what_ended_is_not_now() -> None:
    [model] = facts(stack(), Answers(requests_total=[line(5.0, 7.5, end=NOW - 600)]), NOW).models
    assert model.requests is None
    assert model.charts[0].lines


def test_the_current_digest_and_the_one_before() -> None:
    served = line(2.0, 2.0, digest="aaa")
    gone = line(2.0, 2.0, end=NOW - 900, digest="bbb")
    older = line(1.0, end=NOW - 9000, digest="ccc")
    [model] = facts(stack(), Answers(model_info=[gone, older, served]), NOW).models
    assert model.digests == ("aaa",)
    assert model.previous == "bbb"
    assert model.changed == NOW - 30


def test_another_server_and_its_gpus_are_asked_for_in_its_own_words() -> None:
    ask = Answers()
    shared = {"runtime": "triton", "gpus": 1}
    facts(stack(models={"m": {}}, modelDefaults=shared), ask, NOW)
    assert any("nv_inference_request_success" in expression for expression in ask.asked)
    assert any("DCGM_FI_DEV_GPU_UTIL" in expression for expression in ask.asked)
    assert not any("model_server" in expression for expression in ask.asked)


def whole(**model: Any) -> str:
    about = ModelFacts(name="digits", runtime="onnx", **model)
    return page(Facts(stack="dev", namespace="models", start=NOW - HOUR, end=NOW, models=[about]))


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = whole(charts=[Chart(title="Requests", unit="", lines={"a": line(1.0, 2.0)})])
    assert "default-src 'none'" in text
    for loaded in ("<script", "<link", "<img", "@import", "url(", "src=", "http://", "https://"):
        assert loaded not in text


def test_whatever_prometheus_answers_is_text() -> None:
    lines = {HOSTILE: line(1.0, 2.0)}
    about = ModelFacts(
        name=HOSTILE,
        runtime=HOSTILE,
        charts=[Chart(title=HOSTILE, unit="", lines=lines)],
        allowed_failures=0.1,
        budgets={HOSTILE: 0.5},
        digests=(HOSTILE,),
        previous=HOSTILE,
        changed=NOW,
    )
    text = page(Facts(stack=HOSTILE, namespace=HOSTILE, start=NOW - HOUR, end=NOW, models=[about]))
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 9


def test_what_misses_its_objective_is_marked() -> None:
    text = whole(
        failed=0.01, allowed_failures=0.001, budgets={"availability": -0.2}, latency=0.01, allowed_latency=0.05
    )
    assert '<span class="bad">1 %</span>' in text
    assert 'availability <span class="bad">-20 %</span>' in text
    assert "<td>10 ms</td>" in text


def test_what_is_not_known_says_so() -> None:
    text = whole(charts=[Chart(title="GPU utilisation", unit="%", lines={})])
    assert text.count("no data") >= 5
    assert "no objective" in text
    assert "none seen" in text


def test_a_chart_is_well_formed_and_inside_its_frame() -> None:
    many = {f"pod-{n}": line(*(float(n + place) for place in range(10))) for n in range(8)}
    figure = ElementTree.fromstring(drawn(Chart(title="Pods", unit="B", lines=many, limit=12), NOW - HOUR, NOW))
    [svg] = figure.iter("svg")
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    strokes = list(figure.iter("polyline"))
    assert len(strokes) == 8
    for stroke in strokes:
        for point in stroke.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    assert "and 2 more" in "".join(figure.itertext())


def test_a_gap_interrupts_a_line() -> None:
    gap = Line({}, [(NOW - 300, 1.0), (NOW - 270, 1.0), (NOW - 60, 2.0), (NOW - 30, 2.0), (NOW, 2.0)])
    figure = ElementTree.fromstring(drawn(Chart(title="Requests", unit="", lines={"a": gap}), NOW - HOUR, NOW))
    assert [len(stroke.attrib["points"].split()) for stroke in figure.iter("polyline")] == [2, 3]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "", "no data"), (0.0, "", "0"), (1234.5, "", "1234"), (0.0123, "", "0.0123"), (0.0015, "%", "0.15 %"),
        (0.00045, "s", "450 µs"), (0.05, "s", "50 ms"), (2.5, "s", "2.5 s"), (0, "B", "0 B"), (2**29, "B", "512 MiB"),
    ],
)  # fmt: skip
def test_numbers_are_as_people_read_them(value: float | None, unit: str, shown: str) -> None:
    assert number(value, unit) == shown


class _Prometheus(BaseHTTPRequestHandler):
    answer: ClassVar[tuple[int, Any]] = (200, {})
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(parse_qs(urlsplit(self.path).query)["query"][0])
        code, body = self.answer
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that answers as `_Prometheus.answer` says."""
    server = HTTPServer(("127.0.0.1", 0), _Prometheus)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _Prometheus.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_prometheus_answers_at_its_address(address: str, tmp_path: Path) -> None:
    values = [[NOW - 60, "1"], [NOW - 30, "NaN"], [NOW, "+Inf"]]
    result = [{"metric": {"pod": "a"}, "values": values}, {"metric": {}, "values": [[NOW, "NaN"]]}]
    _Prometheus.answer = (200, {"status": "success", "data": {"result": result}})
    lines = source(stack(), address)("up", start=NOW - 60, end=NOW, step=30)
    assert lines == [Line({"pod": "a"}, [(NOW - 60, 1.0)])]
    assert _Prometheus.asked == ["up"]
    report.write(stack(), tmp_path / "page.html", address)
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((400, {"status": "error", "error": "parse error"}), "parse error"),
        ((200, {"hello": "world"}), "it is not Prometheus"),
        ((502, b"<html>"), "Expecting value"),
    ],
)
def test_what_does_not_answer_as_prometheus_is_one_message(address: str, answer: tuple[int, Any], why: str) -> None:
    _Prometheus.answer = answer
    with pytest.raises(ToolchainError, match=why) as caught:
        source(stack(), address)("up", start=0, end=1, step=1)
    assert address in str(caught.value)
    assert "PROMETHEUS=" in str(caught.value)


def test_no_prometheus_at_the_address_is_one_message() -> None:
    with pytest.raises(ToolchainError, match="refused"):
        source(stack(), "http://127.0.0.1:1")("up", start=0, end=1, step=1)
    with pytest.raises(ToolchainError, match="is no address"):
        source(stack(), "localhost:9090")


@pytest.mark.parametrize("monitoring", [None, {"mode": "off"}, "strange"])
def test_a_stack_that_nobody_watches_is_one_message(monitoring: Any) -> None:
    with pytest.raises(ToolchainError, match=r"monitoring\.mode is off") as caught:
        source(stack(monitoring=monitoring), None)
    assert "PROMETHEUS=" in str(caught.value)


class TestAnotherStacksPrometheus:
    SETTINGS: ClassVar[dict[str, Any]] = {"mode": "stack", "stack": "organization/model-serving/platform"}

    def test_it_is_the_one_that_the_last_update_was_told_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told = {
            "namespace": "platform-monitoring",
            "scrapeInterval": "60s",
            "labels": {},
            "prometheus": "http://p:9090",
        }
        monkeypatch.setattr("toolchain.engine.exists", lambda stack: True)
        monkeypatch.setattr("toolchain.engine.outputs", lambda stack: {"monitoring": told})
        found = watched(stack(monitoring=self.SETTINGS))
        assert found.settings["monitoring"] == self.SETTINGS | told
        ask = Answers()
        facts(found, ask, NOW)
        assert any("[240s]" in expression for expression in ask.asked)

    @pytest.mark.parametrize("exists", [True, False])
    def test_without_an_update_nobody_knows(self, exists: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("toolchain.engine.exists", lambda stack: exists)
        monkeypatch.setattr("toolchain.engine.outputs", lambda stack: {})
        with pytest.raises(ToolchainError, match="no update of it asked stack organization/") as caught:
            watched(stack(monitoring=self.SETTINGS))
        assert "make up STACK=dev" in str(caught.value)

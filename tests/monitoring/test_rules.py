"""The rules of a model by Prometheus' own tool: what they record, when they fire, and when they do not."""

from pathlib import Path
from typing import Any

import pytest

from components.config import ModelConfig, MonitoringConfig
from components.planning.slo import rules_of
from tests.monitoring.promtool import Group, Promtool, Story, counter, minutes_of, steady

IMAGE = "registry.example.com/m@sha256:" + "a" * 64
FILES = {"claim": "m"}
SLO = {"availability": 99.9, "latencyP99": "50ms"}
TARGET = 'namespace="models",job="digits"'
POD = f'{TARGET},pod="digits-server-1"'
WHO = {"model": "digits", "namespace": "models"}
REQUESTS = "model_server_requests_total"
DURATION = "model_server_request_duration_seconds"
BURN_ALERTS = ("ModelErrorBudgetBurn", "ModelLatencyBudgetBurn")
ALL_ALERTS = (*BURN_ALERTS, "ModelTargetDown", "ModelAbsent", "ModelNoReadyReplica")

RUNTIMES: dict[str, dict[str, Any]] = {
    "onnx": {"slo": SLO},
    "tensorflow": {"runtime": "tensorflow", "slo": SLO},
    "tf-serving": {"runtime": "tf-serving", "files": FILES, "slo": {"availability": 99, "latencyP99": "20.823ms"}},
    "triton": {"runtime": "triton", "files": FILES, "slo": {"availability": 99.9}},
    "vllm": {"runtime": "vllm", "files": FILES, "slo": {"availability": 99.5, "latencyP99": "10s", "window": "7d"}},
    "image": {"runtime": "image", "container": {"probes": {"readiness": "/"}}},
    "no objective": {},
}


def rules(**model: Any) -> list[Group]:
    config = ModelConfig.model_validate({"image": IMAGE, "slo": SLO} | model)
    return rules_of("dev", "models", "digits", config, MonitoringConfig(mode="existing"))


def healthy(duration: str, **changed: str) -> Story:
    """Ten requests a second, each within a bucket of 5 ms, by one pod that is ready."""
    series = {
        f"up{{{POD}}}": steady(1, duration),
        f"model_server_ready{{{POD}}}": steady(1, duration),
        f'{REQUESTS}{{{POD},model="digits",protocol="v2_rest",code="200"}}': counter((duration, 600)),
    }
    for bound in ("0.0025", "0.05", "+Inf"):
        grows = 0 if bound == "0.0025" else 600
        series[f'{DURATION}_bucket{{{POD},protocol="v2_rest",le="{bound}"}}'] = counter((duration, grows))
    series[f'{DURATION}_count{{{POD},protocol="v2_rest"}}'] = counter((duration, 600))
    return Story(series | changed)


def failing(*phases: tuple[str, float]) -> dict[str, str]:
    """Requests per minute that end with 500, beside the ten a second that do not."""
    return {f'{REQUESTS}{{{POD},model="digits",protocol="v2_rest",code="500"}}': counter(*phases)}


def burning(alert: str, slo: str, long: str, short: str, severity: str, said: tuple[str, str]) -> dict[str, Any]:
    summary, description = said
    return {
        "exp_labels": WHO
        | {"stack": "dev", "slo": slo, "long_window": long, "short_window": short, "severity": severity},
        "exp_annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": f"docs/monitoring.md#{alert.lower()}",
        },
    }


def failed(share: str, long: str, short: str, severity: str, burn: str, lasts: str) -> dict[str, Any]:
    return burning(
        "ModelErrorBudgetBurn",
        "availability",
        long,
        short,
        severity,
        (
            f"digits uses up its availability budget {burn} times as fast as it may",
            f"{share} of the requests of the last {long} failed; promised are 99.9 % without a server's error over 30 "
            f"days. At this speed the budget lasts {lasts} days in all.",
        ),
    )


@pytest.mark.parametrize("model", RUNTIMES.values(), ids=RUNTIMES.keys())
def test_prometheus_takes_the_rules_of_every_server(promtool: Promtool, model: dict[str, Any]) -> None:
    groups = rules(**{"slo": None} | model)
    count = sum(len(group["rules"]) for group in groups)
    assert f"{count} rules found" in promtool.check(groups)


def test_a_healthy_hour_fires_nothing_and_leaves_the_budget(promtool: Promtool) -> None:
    story = healthy("1h")
    for minute in range(5, 61, 5):
        for alert in ALL_ALERTS:
            story.fires(f"{minute}m", alert)
    story.is_("1h", "ALERTS")
    story.is_("1h", "model:requests:rate5m", ('model:requests:rate5m{model="digits",namespace="models"}', 10))
    story.is_(
        "1h",
        "model:slo_budget_remaining:ratio",
        *(
            (f'model:slo_budget_remaining:ratio{{model="digits",namespace="models",slo="{slo}"}}', 1)
            for slo in ("availability", "latency")
        ),
    )
    promtool.test(rules(), story)


def test_five_per_cent_errors_are_a_fast_burn_and_recovery_ends_it(promtool: Promtool) -> None:
    """99.9 %: 1.44 % in an hour. Of 30 healthy minutes and n with 5 %, that is reached after 13, and held 2 more."""
    story = healthy("2h", **failing(("30m", 0), ("30m", 600 / 19), ("1h", 0)))
    story.fires("40m", "ModelErrorBudgetBurn")
    # ... the slower tiers need to hold for longer.
    story.fires("50m", "ModelErrorBudgetBurn", failed("1.935%", "1h", "5m", "critical", "14.4", "2.1"))
    # The short windows forget within minutes what the long ones still remember: at first five, then half an hour.
    story.fires("70m", "ModelErrorBudgetBurn", failed("2.269%", "6h", "30m", "critical", "6", "5"))
    story.fires("90m", "ModelErrorBudgetBurn")
    story.fires("50m", "ModelLatencyBudgetBurn")
    promtool.test(rules(), story)


def test_a_slow_burn_is_seen_over_hours_and_wakes_nobody(promtool: Promtool) -> None:
    """0.4 % of errors: four times the budget. Too little for the fast tiers, and enough for the day's."""
    story = healthy("8h", **failing(("8h", 2.4)))
    story.fires("90m", "ModelErrorBudgetBurn", failed("0.3984%", "1d", "2h", "warning", "3", "10"))
    promtool.test(rules(), story)


def test_one_error_in_a_quiet_week_is_no_outage(promtool: Promtool) -> None:
    story = healthy("2h", **failing(("1h", 0), ("1m", 1), ("59m", 0)))
    for minute in range(60, 121, 3):
        story.fires(f"{minute}m", "ModelErrorBudgetBurn")
    promtool.test(rules(), story)


def test_slow_answers_burn_the_budget_of_latency(promtool: Promtool) -> None:
    """A fifth of the requests takes longer than 50 ms; the objective allows one in a hundred."""
    bucket = f'{DURATION}_bucket{{{POD},protocol="v2_rest",le="0.05"}}'
    story = healthy("1h", **{bucket: counter(("1h", 480))})
    said = (
        "digits uses up its latency budget 14.4 times as fast as it may",
        "20% of the requests of the last 1h took longer than 50ms; promised are 99 % within 50ms over 30 days. At this "
        "speed the budget lasts 2.1 days in all.",
    )
    fast = burning("ModelLatencyBudgetBurn", "latency", "1h", "5m", "critical", said)
    said = (
        "digits uses up its latency budget 6 times as fast as it may",
        said[1].replace("1h", "6h").replace("2.1", "5"),
    )
    slow = burning("ModelLatencyBudgetBurn", "latency", "6h", "30m", "critical", said)
    story.fires("15m", "ModelLatencyBudgetBurn", fast)
    story.fires("30m", "ModelLatencyBudgetBurn", fast, slow)
    story.fires("30m", "ModelErrorBudgetBurn")
    promtool.test(rules(), story)


def test_without_traffic_nothing_fires_and_nothing_is_not_a_number(promtool: Promtool) -> None:
    """As after the start: the server has counted nothing yet, and has no series of any status."""
    series = {f"up{{{POD}}}": steady(1, "8h"), f"model_server_ready{{{POD}}}": steady(1, "8h")}
    for bound in ("0.05", "+Inf"):
        series[f'{DURATION}_bucket{{{POD},le="{bound}"}}'] = steady(0, "8h")
    series[f"{DURATION}_count{{{POD}}}"] = steady(0, "8h")
    story = Story(series)
    for alert in ALL_ALERTS:
        story.fires("1h", alert)
        story.fires("8h", alert)
    story.is_("8h", "model:request_errors:ratio_rate1h != 0 or model:slow_requests:ratio_rate6h != 0")
    story.is_("8h", "count(model:request_errors:ratio_rate1h)", ("{}", 1))
    recorded = '{__name__=~"model:.+"}'
    story.is_("8h", f"count({recorded}) - count({recorded} >= -Inf)", ("{}", 0))
    story.is_("8h", "min(model:slo_budget_remaining:ratio)", ("{}", 1))
    promtool.test(rules(), story)


def test_traffic_that_ends_takes_its_errors_with_it(promtool: Promtool) -> None:
    story = healthy("1h")
    story.series = {
        f"up{{{POD}}}": steady(1, "2h"),
        f"model_server_ready{{{POD}}}": steady(1, "2h"),
        f'{REQUESTS}{{{POD},code="500"}}': counter(("10m", 600), ("110m", 0)),
        f'{REQUESTS}{{{POD},code="200"}}': counter(("10m", 600), ("110m", 0)),
    }
    story.fires("50m", "ModelErrorBudgetBurn")
    story.is_(
        "50m",
        "model:request_errors:ratio_rate5m",
        (
            'model:request_errors:ratio_rate5m{model="digits",namespace="models"}',
            0,
        ),
    )
    promtool.test(rules(), story)


def health(alert: str, severity: str, labels: dict[str, str], summary: str, description: str) -> dict[str, Any]:
    return {
        "exp_labels": {"model": "digits", "stack": "dev", "severity": severity} | labels,
        "exp_annotations": {
            "summary": summary,
            "description": description,
            "runbook_url": f"docs/monitoring.md#{alert.lower()}",
        },
    }


def test_a_pod_that_does_not_answer_a_model_that_is_gone_and_one_that_is_not_ready(promtool: Promtool) -> None:
    absent = health(
        "ModelAbsent", "critical", {"namespace": "models"},
        "No pod of digits answers Prometheus",
        "Namespace models has no pod of digits whose metrics can be read.",
    )  # fmt: skip
    down = health(
        "ModelTargetDown", "warning", {"namespace": "models", "job": "digits", "pod": "digits-server-1"},
        "A pod of digits does not answer Prometheus",
        "Pod digits-server-1 has not answered for its metrics: it does not run, hangs, or a network policy keeps "
        "Prometheus out.",
    )  # fmt: skip
    unready = health(
        "ModelNoReadyReplica", "critical", {"namespace": "models"},
        "No replica of digits takes requests",
        "Pods of digits run, but none of them is ready, so every request fails.",
    )  # fmt: skip
    gone = Story({f"up{{{POD}}}": steady(1, "10m")})
    gone.fires("10m", "ModelAbsent")
    gone.fires("30m", "ModelAbsent", absent)
    gone.fires("30m", "ModelTargetDown")
    hanging = Story({f"up{{{POD}}}": steady(0, "10m")})
    hanging.fires("4m", "ModelTargetDown")
    hanging.fires("6m", "ModelTargetDown", down)
    hanging.fires("6m", "ModelAbsent", absent)
    refusing = Story({f"up{{{POD}}}": steady(1, "10m"), f"model_server_ready{{{POD}}}": steady(0, "10m")})
    refusing.fires("6m", "ModelNoReadyReplica", unready)
    refusing.fires("6m", "ModelAbsent")
    for story in (gone, hanging, refusing):
        promtool.test(rules(), story)


def test_one_of_two_pods_that_is_not_ready_is_an_update(promtool: Promtool) -> None:
    story = healthy("10m")
    other = POD.replace("server-1", "server-2")
    story.series |= {f"up{{{other}}}": steady(1, "10m"), f"model_server_ready{{{other}}}": steady(0, "10m")}
    for alert in ALL_ALERTS:
        story.fires("10m", alert)
    promtool.test(rules(), story)


def test_other_servers_count_in_their_own_way(promtool: Promtool) -> None:
    """A third of Triton's requests fails; the latencies of TensorFlow Serving are in microseconds."""
    triton = Story(
        {
            f"up{{{POD}}}": steady(1, "30m"),
            f'nv_inference_request_success{{{POD},model="digits"}}': counter(("30m", 400)),
            f'nv_inference_request_failure{{{POD},model="digits",reason="BACKEND"}}': counter(("30m", 200)),
        }
    )
    triton.is_("30m", "model:requests:rate5m", ('model:requests:rate5m{model="digits",namespace="models"}', 10))
    ratio = 'model:request_errors:ratio_rate5m{model="digits",namespace="models"}'
    triton.is_(
        "30m", "model:request_errors:ratio_rate5m * 3", (ratio.removeprefix("model:request_errors:ratio_rate5m"), 1)
    )
    promtool.test(rules(**RUNTIMES["triton"]), triton)

    bucket = ":tensorflow:serving:request_latency_bucket"
    # Written as TensorFlow Serving does, and as Prometheus 3 keeps it.
    for whole in ("20823", "20823.0"):
        tensorflow = Story(
            {
                f"up{{{POD}}}": steady(1, "30m"),
                f':tensorflow:serving:request_count{{{POD},status="OK"}}': counter(("30m", 60)),
                f'{bucket}{{{POD},le="11568.3"}}': counter(("30m", 0)),
                f'{bucket}{{{POD},le="{whole}"}}': counter(("30m", 30)),
                f'{bucket}{{{POD},le="+Inf"}}': counter(("30m", 60)),
                f":tensorflow:serving:request_latency_count{{{POD}}}": counter(("30m", 60)),
            }
        )
        tensorflow.is_(
            "30m",
            "model:slow_requests:ratio_rate5m",
            (
                'model:slow_requests:ratio_rate5m{model="digits",namespace="models"}',
                0.5,
            ),
        )
        tensorflow.is_(
            "30m",
            "model:request_duration_seconds:p99_rate5m > bool 0.0208",
            (
                '{model="digits",namespace="models"}',
                1,
            ),
        )
        promtool.test(rules(**RUNTIMES["tf-serving"]), tensorflow)


def test_an_autoscaler_sees_what_each_pod_has_to_do(promtool: Promtool) -> None:
    """Ten requests a second, each for 200 ms and 50 ms of them in the queue, are two at once; another pod has none."""
    other = POD.replace("server-1", "server-2")
    queue = "model_server_queue_duration_seconds"
    story = Story(
        {
            f"up{{{POD}}}": steady(1, "10m"),
            f"up{{{other}}}": steady(1, "10m"),
            f'{DURATION}_sum{{{POD},protocol="v2_rest"}}': counter(("10m", 120)),
            f"{queue}_sum{{{POD}}}": counter(("10m", 30)),
            f"{queue}_count{{{POD}}}": counter(("10m", 600)),
            f"{queue}_sum{{{other}}}": steady(0, "10m"),
            f"{queue}_count{{{other}}}": steady(0, "10m"),
        }
    )
    for name, value in (("model:pod_requests_in_flight", 2), ("model:pod_queue_seconds", 0.05)):
        labels = '{model="digits",namespace="models",pod="digits-server-%s"}'
        story.is_("10m", name, (name + labels % 1, value), (name + labels % 2, 0))
    replicas = {"max": 3, "targetInFlight": 2, "targetQueueTime": "5ms"}
    groups = rules(replicas=replicas)
    # A sample a minute is all that promtool's series have.
    for group in groups:
        for rule in group["rules"]:
            rule["expr"] = rule["expr"].replace("[90s]", "[3m]")
    promtool.test(groups, story)
    triton = {"runtime": "triton", "files": FILES, "slo": None, "replicas": replicas}
    vllm = {"runtime": "vllm", "files": FILES, "slo": None, "replicas": {"max": 3, "targetInFlight": 2}}
    for model in (triton, vllm):
        promtool.check(rules(**model))
    running = Story({f"vllm:num_requests_{what}{{{POD}}}": steady(3, "5m") for what in ("running", "waiting")})
    running.is_(
        "5m",
        "model:pod_requests_in_flight",
        (
            'model:pod_requests_in_flight{model="digits",namespace="models",pod="digits-server-1"}',
            6,
        ),
    )
    promtool.test(rules(**vllm), running)


def test_the_test_itself_can_fail(promtool: Promtool) -> None:
    story = healthy("1h")
    story.fires("1h", "ModelErrorBudgetBurn", failed("5%", "1h", "5m", "critical", "14.4", "2.1"))
    with pytest.raises(AssertionError, match="ModelErrorBudgetBurn"):
        promtool.test(rules(), story)
    with pytest.raises(AssertionError, match="parse error"):
        promtool.check([{"name": "g", "rules": [{"record": "a:b:c", "expr": "sum("}]}])


@pytest.mark.parametrize("alert", ALL_ALERTS)
def test_every_alert_has_its_runbook(alert: str) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/monitoring.md").read_text()
    assert f"\n### {alert}\n" in page


def test_there_are_no_other_alerts() -> None:
    alerts = {rule["alert"] for group in rules() for rule in group["rules"] if "alert" in rule}
    assert alerts == set(ALL_ALERTS)


def test_a_window_in_minutes() -> None:
    assert [minutes_of(duration) for duration in ("30m", "2h", "3d")] == [30, 120, 4320]

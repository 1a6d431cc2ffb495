"""Dashboards: valid for Grafana, by the SDK's own types, and about what the stack file says."""

import enum
import re
import types
import typing
from itertools import pairwise
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.models import dashboard as sdk

from components.config import StackConfig
from components.planning.dashboards import PlannedDashboard, dashboards
from components.planning.monitoring_stack import kubelet_monitor

IMAGE = "registry.example.com/m@sha256:" + "a" * 64
OTHER = {"image": IMAGE, "files": {"image": IMAGE}}
MODELS = {
    "digits": {"image": IMAGE, "slo": {"availability": 99.9, "latencyP99": "50ms", "window": "28d"}},
    "plain": {"image": IMAGE, "runtime": "tensorflow", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}},
    "tf": {**OTHER, "runtime": "tf-serving"},
    "triton": {**OTHER, "runtime": "triton", "nodePool": "l4", "gpus": 1},
    "vllm": {**OTHER, "runtime": "vllm"},
    "unknown": {**OTHER, "runtime": "image", "container": {"probes": {"readiness": "/ready"}}},
}
POOLS = {"l4": {"provider": "karpenter", "gpu": {"type": "nvidia-l4"}, "maxNodes": 2}}


def planned(**sections: Any) -> dict[str, PlannedDashboard]:
    given = {"cluster": "local", "models": MODELS, "nodePools": POOLS, "monitoring": {"mode": "existing"}} | sections
    return {each.name: each for each in dashboards(StackConfig.model_validate(given))}


ALL = planned()
each_dashboard = pytest.mark.parametrize("dashboard", ALL.values(), ids=ALL.keys())


def panels(dashboard: PlannedDashboard) -> dict[str, dict[str, Any]]:
    return {panel["title"]: panel for panel in dashboard.document["panels"] if panel["type"] != "row"}


def test_there_is_one_for_the_stack_one_for_each_model_and_one_for_gpus() -> None:
    assert list(ALL) == ["models", *(f"model-{name}" for name in MODELS), "gpus"]
    assert list(planned(models={"digits": MODELS["digits"]}, nodePools={})) == ["models", "model-digits"]


def test_files_and_addresses_differ_between_dashboards_and_between_stacks() -> None:
    every = [*ALL.values(), *planned(namespace="other").values()]
    assert len({each.file for each in every}) == len(every)
    assert len({each.document["uid"] for each in every}) == len(every)
    assert len({each.document["title"] for each in every}) == len(every)
    assert all(len(each.document["uid"]) <= 40 for each in every)


def test_the_same_configuration_is_the_same_text() -> None:
    assert [each.text for each in planned().values()] == [each.text for each in ALL.values()]


@each_dashboard
def test_grafana_knows_every_field_and_its_type(dashboard: PlannedDashboard) -> None:
    plugins.register_default_plugins()
    document = dashboard.document
    ours = {"titleFormat", "textFormat", "step"}  # of the Prometheus data source, which the SDK does not describe
    for annotation in document.get("annotations", {}).get("list", []):
        assert ours <= annotation.keys()
    read = sdk.Dashboard.from_json(document)
    assert not list(faults(read, sdk.Dashboard, "dashboard"))
    assert not list(unknown(document, as_json(read), "dashboard", ours))


@each_dashboard
def test_panels_have_their_own_numbers_titles_and_places_and_a_unit(dashboard: PlannedDashboard) -> None:
    every = dashboard.document["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    charts = panels(dashboard)
    assert len(charts) == len([panel for panel in every if panel["type"] != "row"])
    for panel in charts.values():
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["interval"] == "30s"
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["expr"]
            assert target["legendFormat"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@each_dashboard
def test_queries_are_all_there_and_have_no_variables_left(dashboard: PlannedDashboard) -> None:
    queries = dashboard.queries("2m")
    assert queries.keys() >= panels(dashboard).keys()
    for expressions in queries.values():
        assert expressions
        for expression in expressions:
            assert "$_" not in expression
            assert "$node" not in expression
            assert expression.count("(") == expression.count(")")


def test_what_is_promised_is_the_limit() -> None:
    charts = panels(ALL["model-digits"])
    assert limit(charts["Latency"]) == limit(charts["99 % are answered within"]) == 0.05
    assert limit(charts["Failures"]) == limit(charts["Failed requests"]) == 0.001
    assert charts["Latency"]["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] == "dashed+area"
    assert "Budget left of 28d" in charts
    speeds = ALL["model-digits"].queries("2m")["Speed at which budgets are used"]
    assert [speed.rpartition(" / ")[2] for speed in speeds] == ["0.001", "0.001", "0.01", "0.01"]


def test_what_is_not_promised_has_no_limit() -> None:
    charts = panels(ALL["model-plain"])
    assert "thresholds" not in charts["Latency"]["fieldConfig"]["defaults"]
    assert not [title for title in charts if title.startswith("Budget")]


def test_a_limit_of_the_container_is_one_in_the_chart() -> None:
    charts = panels(ALL["model-plain"])
    assert limit(charts["Cores in use"]) == 0.5
    assert limit(charts["Memory"]) == 2**30
    assert "Throttled by the CPU limit" in charts
    assert "Throttled by the CPU limit" not in panels(ALL["model-digits"])


def test_a_server_is_asked_in_its_own_words() -> None:
    asked = {name: str(ALL[f"model-{name}"].queries("2m")) for name in MODELS}
    own = {"digits", "plain"}
    metrics = {"tf": ":tensorflow:serving:", "triton": "nv_inference_", "vllm": "vllm:"}
    for name, text in asked.items():
        assert ("model_server_" in text) == (name in own)
        for server, metric in metrics.items():
            assert (metric in text) == (name == server)
        assert ("DCGM_" in text) == (name == "triton")


@each_dashboard
def test_rates_of_what_exporters_say_are_over_two_minutes(dashboard: PlannedDashboard) -> None:
    """However often the models are scraped: an exporter is scraped when somebody else decided."""
    for expressions in dashboard.queries("4s").values():
        for expression in expressions:
            for metric, window in re.findall(r"(\w+){[^}]*}\[(\w+)\]", expression):
                assert window == ("2m" if metric.startswith(("kube_", "container_")) else "4s"), expression


def test_an_installed_prometheus_keeps_what_is_asked_of_kubelets() -> None:
    [endpoint] = kubelet_monitor()["endpoints"]
    [kept] = endpoint["metricRelabelings"]
    asked = {metric for board in ALL.values() for metric in re.findall(r"\bcontainer_\w+", str(board.queries("2m")))}
    assert len(asked) == 4
    assert not {metric for metric in asked if not re.fullmatch(kept["regex"], metric)}


def test_of_an_unknown_server_the_pods_are_shown() -> None:
    charts = panels(ALL["model-unknown"])
    assert {"Cores in use", "Memory", "Replicas", "Restarts", "Pods by digest"} == charts.keys()


def test_a_new_digest_marks_every_chart() -> None:
    [rollouts] = ALL["model-digits"].document["annotations"]["list"]
    assert rollouts["textFormat"] == "{{digest}}"
    now, _, before = rollouts["expr"].partition(" unless ")
    assert before.replace(" offset 2m", "") == now


def test_each_kind_of_server_is_a_query_of_the_overview() -> None:
    requests = ALL["models"].queries("2m")["Requests"]
    assert len(requests) == 4  # ours, TensorFlow Serving, Triton, vLLM
    assert all(expression.startswith("sum by (job) ") for expression in requests)


def test_resources_of_gpus_are_named_as_kube_state_metrics_does() -> None:
    shared = {"provider": "karpenter", "gpu": {"type": "nvidia-l4", "timeSlicing": 4}, "maxNodes": 1}
    titles = panels(planned(models={}, nodePools={"shared": shared})["gpus"])
    assert 'resource="nvidia_com_gpu"' in titles["Pods' nvidia.com/gpu"]["targets"][0]["expr"]


def limit(panel: dict[str, Any]) -> float:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert all(low["value"] is None or low["value"] < high["value"] for low, high in pairwise(steps))
    return steps[-1]["value"]


def as_json(value: Any) -> Any:
    """What an object of the SDK writes, to the last level."""
    if hasattr(value, "to_json"):
        return as_json(value.to_json())
    if isinstance(value, dict):
        return {key: as_json(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [as_json(entry) for entry in value]
    return value.value if isinstance(value, enum.Enum) else value


def unknown(ours: Any, theirs: Any, path: str, allowed: set[str]) -> typing.Iterator[str]:
    """Keys and values that the SDK dropped or changed when it read them."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from (f"{path}.{key}" for key in ours.keys() - theirs.keys() - allowed)
        for key in ours.keys() & theirs.keys():
            yield from unknown(ours[key], theirs[key], f"{path}.{key}", allowed)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from unknown(one, other, f"{path}[{number}]", allowed)
    elif ours != theirs:
        yield f"{path}: {ours!r} is {theirs!r}"


def faults(value: Any, hint: Any, path: str) -> typing.Iterator[str]:
    """Where a value is not of the type that the SDK declares, which it does not check itself."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (typing.Any, object):
        if hasattr(value, "to_json"):
            yield from faults(value, type(value), path)
    elif origin in (typing.Union, types.UnionType):
        found = [list(faults(value, each, path)) for each in arguments]
        if all(found):
            yield from min(found, key=len)
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{path}: {value!r} is none of {arguments}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for number, entry in enumerate(value):
            yield from faults(entry, arguments[0], f"{path}[{number}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no mapping"
            return
        for key, entry in value.items():
            yield from faults(entry, arguments[1], f"{path}.{key}")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [each.value for each in hint]:
            yield f"{path}: {value!r} is no {hint.__name__}"
    elif not isinstance(value, (int, float) if hint is float else hint):
        yield f"{path}: {value!r} is no {hint}"
    elif hasattr(value, "to_json"):
        for name, wanted in typing.get_type_hints(type(value)).items():
            yield from faults(getattr(value, name), wanted, f"{path}.{name}")


def test_the_check_of_types_finds_a_wrong_one() -> None:
    plugins.register_default_plugins()
    document = {**ALL["models"].document, "title": 7, "graphTooltip": 9, "strange": True}
    read = sdk.Dashboard.from_json(document)
    assert {fault.partition(":")[0] for fault in faults(read, sdk.Dashboard, "d")} == {"d.title", "d.graph_tooltip"}
    assert list(unknown(document, as_json(read), "d", {"titleFormat", "textFormat", "step"})) == ["d.strange"]

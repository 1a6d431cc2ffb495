"""Where charts come from and what they need."""

from pathlib import Path
from typing import Any

import pytest

from components.chart_archives import sources
from components.config import ChartConfig, StackConfig
from components.planning.charts import ChartSource, PinnedChart, archive, namespaces, pull_command

DIGEST = "sha256:" + "1" * 64


def chart(**keys: Any) -> ChartConfig:
    given = {"chart": "oci://registry.example.com/charts/keda", "version": "2.18.0", "digest": DIGEST}
    return ChartConfig.model_validate(given | {"namespace": "keda"} | keys)


def test_a_namespace_admits_what_any_of_its_charts_needs() -> None:
    charts = {
        "keda": chart(),
        "exporter": chart(namespace="nodes", podSecurity="privileged"),
        "other": chart(namespace="nodes", podSecurity="baseline"),
        "beside": chart(namespace="models", podSecurity="privileged"),
    }
    assert namespaces(charts, "models") == {"keda": "restricted", "nodes": "privileged"}


def test_an_archive_is_named_by_its_content() -> None:
    assert archive(DIGEST) == Path(f".build/.charts/{'1' * 64}.tgz")


def source(**keys: Any) -> ChartSource:
    given = {"path": ("charts", "keda"), "chart": "keda", "version": "2.18.0", "repository": None, "digest": DIGEST}
    return ChartSource(**given | keys)


def test_a_registry_of_this_machine_is_asked_without_tls_and_no_other() -> None:
    plain = "--plain-http"
    assert plain in pull_command(source(chart="oci://localhost:5001/charts/keda"), Path("/x"))
    assert plain not in pull_command(source(chart="oci://localhost.example.com/charts/keda"), Path("/x"))
    from_repository = pull_command(source(repository="https://charts.example.com"), Path("/x"))
    assert from_repository == [
        "pull", "keda", "--version=2.18.0", "--destination=/x", "--repo=https://charts.example.com",
    ]  # fmt: skip


PINNED = PinnedChart(name="keda", repository="https://charts.example.com", version="2.18.0", digest=DIGEST)
OTHER = "sha256:" + "2" * 64


@pytest.mark.parametrize(
    ("version", "repository", "digest", "wanted"),
    [
        (None, None, None, DIGEST),
        ("2.18.0", "https://mirror.example.com", None, DIGEST),  # a mirror has the same archive
        (None, None, OTHER, OTHER),
        ("2.19.0", None, OTHER, OTHER),
        ("2.19.0", None, None, None),  # ours is of another version
    ],
)
def test_our_digest_is_that_of_our_version(
    version: str | None, repository: str | None, digest: str | None, wanted: str | None
) -> None:
    found = PINNED.source(("x",), version, repository, digest)
    assert found.digest == wanted
    assert (found.version, found.repository) == (version or "2.18.0", repository or "https://charts.example.com")


def test_without_a_digest_there_is_no_archive() -> None:
    with pytest.raises(ValueError, match=r"charts\.keda has no digest"):
        _ = source(digest=None).archive


def test_every_chart_of_a_stack_is_fetched_and_compared() -> None:
    pool = {"provider": "existing", "nodeSelector": {"pool": "gpus"}, "gpu": {"type": "t4"}}
    stack = {
        "cluster": "local",
        "nodePools": {"gpus": pool},
        "gpuSupport": {"install": "device-plugin"},
        "monitoring": {"mode": "chart", "chart": {"digest": OTHER}},
        "charts": {
            "keda": {"chart": "oci://x.example.com/keda", "version": "1.0.0", "digest": DIGEST, "namespace": "k"}
        },
    }
    found = {chart.path: (chart.chart, chart.digest) for chart in sources(StackConfig.model_validate(stack))}
    assert found.keys() == {("charts", "keda"), ("gpuSupport",), ("monitoring", "chart")}
    assert found["monitoring", "chart"] == ("kube-prometheus-stack", OTHER)
    assert found["gpuSupport",][1] is not None
    assert list(sources(StackConfig.model_validate({"cluster": "local"}))) == []

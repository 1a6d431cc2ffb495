"""Where charts come from and what they need."""

from pathlib import Path
from typing import Any

from components.config import ChartConfig
from components.planning.charts import archive, namespaces, pull_command

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


def test_a_registry_of_this_machine_is_asked_without_tls_and_no_other() -> None:
    plain = "--plain-http"
    assert plain in pull_command(chart(chart="oci://localhost:5001/charts/keda"), Path("/x"))
    assert plain not in pull_command(chart(chart="oci://localhost.example.com/charts/keda"), Path("/x"))
    from_repository = pull_command(chart(chart="keda", repository="https://charts.example.com"), Path("/x"))
    assert from_repository == [
        "pull", "keda", "--version=2.18.0", "--destination=/x", "--repo=https://charts.example.com",
    ]  # fmt: skip

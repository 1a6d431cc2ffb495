"""What a stack file may not say of charts, and the line that says so."""

from typing import Any

import pytest

from .test_accepted import SMALLEST
from .test_rejected import Mistakes

CHART = "model-serving:charts.keda"
GOOD = {
    "chart": "oci://registry.example.com/charts/keda",
    "version": "2.18.0",
    "digest": "sha256:" + "1" * 64,
    "namespace": "keda",
}
REFERENCE = "the name of a chart in its repository, or oci://REGISTRY/PATH without a version"
EXAMPLE = "oci://registry.example.com/charts/keda"
DIGEST = (
    "sha256: and the 64 hex digits of the chart's archive (helm pull CHART --version VERSION, then sha256sum; "
    "a repository's index.yaml says it too)"
)


def fix(key: str, value: str) -> str:
    return f"-> pulumi config set --path 'model-serving:charts.keda.{key}' {value} --stack dev"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"chart": "oci://registry.example.com/charts/keda:2.18.0"},
            f'{CHART}.chart: "oci://registry.example.com/charts/keda:2.18.0" is not a chart; allowed: {REFERENCE} '
            + fix("chart", EXAMPLE),
        ),
        (
            {"version": "^2"},
            f'{CHART}.version: "^2" is not a chart version; allowed: the version of a Helm chart, exactly, such as '
            "0.18.0 or v26.3.3 " + fix("version", "0.18.0"),
        ),
        (
            {"digest": "sha256:12"},
            f'{CHART}.digest: "sha256:12" is not a digest of a chart; allowed: {DIGEST} '
            + fix("digest", "sha256:" + "0" * 64),
        ),
        (
            {"digest": None},
            f"{CHART}.digest: is required and missing; allowed: {DIGEST} " + fix("digest", "sha256:" + "0" * 64),
        ),
        (
            {"repository": "https://charts.example.com"},
            f"{CHART}: repository is given, and chart is in an OCI registry; a chart comes from one place "
            "-> keep one of them",
        ),
        (
            {"chart": "keda"},
            f"{CHART}: neither repository is given nor is chart oci://; a chart comes from one of them "
            "-> give one of them",
        ),
        (
            {"podSecurity": "none"},
            f'{CHART}.podSecurity: "none" is not one of the choices; allowed: restricted, baseline, privileged '
            + fix("podSecurity", "restricted"),
        ),
        (
            {"values": "replicas: 2"},
            f"{CHART}.values: the value is not a section; keys allowed in it: names that you choose "
            + fix("values", "'{}'"),
        ),
    ],
)
def test_a_mistake(changed: dict[str, Any], line: str, mistakes: Mistakes) -> None:
    chart = {key: value for key, value in (GOOD | changed).items() if value is not None}
    assert mistakes(SMALLEST | {"charts": {"keda": chart}}) == [line]


def test_a_release_whose_name_is_none(mistakes: Mistakes) -> None:
    [line] = mistakes(SMALLEST | {"charts": {"Keda!": GOOD}})
    assert line.startswith('model-serving:charts["Keda!"]: "Keda!" is not possible as a name here; allowed: 1 to 40')

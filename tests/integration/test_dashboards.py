"""Every expression of dashboards and rules, asked of the Prometheus of a running stack; and the page of `make report`.

Three kinds have no data here, and Prometheus reads their expressions all the same: a GPU's, since this machine has
none; other servers', which do not run here; and NO_DATA.
"""

import os
import struct
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.config import StackConfig
from components.planning.dashboards import dashboards
from components.planning.slo import rules_of
from tests.support.browser import open_page
from tests.support.cluster import LocalCluster, toolchain
from tests.support.load import Load
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace
from tests.unit.planning.test_dashboards import MODELS, POOLS
from toolchain.errors import ToolchainError
from toolchain.report.source import Source, source
from toolchain.stack import load

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"dashboards-{uuid.uuid4().hex[:6]}"
WATCHERS = f"{STACK}-watchers"
SECONDS = 180.0
RATES = "10s"
# The cAdvisor in the local cluster's kubelet knows pods and not their containers: containerd's socket is not where
# cAdvisor looks for it.
NO_DATA = {"Throttled by the CPU limit"}


@pytest.fixture(scope="module")
def workspace(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The example model with both objectives and a limit of its CPU, scraped every second."""
    toolchain("start", "--addon", "monitoring")
    home = tmp_path_factory.mktemp("dashboards")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    digits = workspace.read_config()["config"]["model-serving:models"]["digits"]
    promised = {"availability": 99.9, "latencyP99": "250ms"}
    limits = {"cpu": "1", "memory": "512Mi"}
    workspace.set_config(
        namespace=STACK,
        models={"digits": digits | {"slo": promised, "resources": {"limits": limits}}},
        monitoring={
            "mode": "install",
            "namespace": WATCHERS,
            "scrapeInterval": "1s",
            "install": {"imageRegistry": local_cluster.registry, "grafana": False, "nodeExporter": False},
        },
    )
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    workspace.up()
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


@pytest.fixture(scope="module")
def config(workspace: Workspace) -> StackConfig:
    written = workspace.read_config()["config"]
    sections = {key.removeprefix("model-serving:"): value for key, value in written.items()}
    return StackConfig.model_validate(sections, context={"root": workspace.path})


@pytest.fixture(scope="module")
def prometheus(workspace: Workspace) -> Source:
    """As the report asks it: through the API server. It has read the model's metrics when this returns."""
    ask = source(load(STACK, workspace.path), None)
    scraped = f'up{{namespace="{STACK}",job="digits"}} == 1'
    # Its configuration is made while it starts, and a pod sees a changed Secret up to two minutes late.
    wait_until(lambda: answers(ask, scraped), "the model's metrics", 2 * SECONDS)
    return ask


@pytest.fixture(scope="module")
def loaded(workspace: Workspace) -> Iterator[None]:
    """Requests all the time."""
    port = workspace.outputs()["models"]["digits"]["nodePort"]
    with Load(port, "digits", workspace.path / "model/digits", threads=1, pause=0.05):
        yield


def answers(prometheus: Source, expression: str) -> list[Any]:
    """Lines of the last half hour, as a chart shows them; none while Prometheus starts."""
    now = time.time()
    try:
        return list(prometheus(expression, start=now - 1800, end=now, step=5))
    except ToolchainError as error:
        if "parse error" in error.why:
            raise
        return []


def wait_for_data(prometheus: Source, expressions: set[str]) -> None:
    """Wait until each has some, and name those without any."""
    missing, deadline = set(expressions), time.monotonic() + SECONDS
    while missing and time.monotonic() < deadline:
        missing -= {expression for expression in missing if answers(prometheus, expression)}
        time.sleep(1)
    assert not missing


def test_every_query_of_every_dashboard_has_data(config: StackConfig, prometheus: Source, loaded: None) -> None:
    queries = {
        (title, expression)
        for board in dashboards(config)
        for title, expressions in board.queries(RATES).items()
        for expression in expressions
    }
    assert {title for title, _ in queries} >= NO_DATA
    asked = {expression for title, expression in queries if title not in NO_DATA}
    assert len(asked) > 30
    wait_for_data(prometheus, asked)


def test_every_expression_of_the_rules_has_data(config: StackConfig, prometheus: Source, loaded: None) -> None:
    """Of an alert, what it compares: that it fires is another test's."""
    groups = rules_of(STACK, config.namespace, "digits", config.models["digits"], config.monitoring)
    asked = {operand for group in groups for rule in group["rules"] for operand in operands(rule)}
    assert len(asked) > 20
    wait_for_data(prometheus, asked)


def operands(rule: dict[str, Any]) -> list[str]:
    """What a rule records, or what an alert's comparisons are of."""
    if "record" in rule:
        return [rule["expr"]]
    found = []
    for comparison in rule["expr"].removeprefix("absent(").split(" and "):
        left, _, _ = comparison.rpartition(" > " if " > " in comparison else " == ")
        assert left, rule["expr"]
        found.append(left)
    return found


def test_prometheus_reads_what_has_no_data_here(prometheus: Source, loaded: None) -> None:
    given = {"cluster": "local", "models": MODELS, "nodePools": POOLS, "monitoring": {"mode": "existing"}}
    now = time.time()
    for board in dashboards(StackConfig.model_validate(given)):
        for expressions in board.queries(RATES).values():
            for expression in expressions:
                prometheus(expression, start=now - 60, end=now, step=30)


def test_the_page_of_the_report_opens_in_a_browser(
    workspace: Workspace, config: StackConfig, prometheus: Source, loaded: None, tmp_path: Path
) -> None:
    wait_until(lambda: answers(prometheus, "model:slo_budget_remaining:ratio"), "budgets", SECONDS)
    assert "wrote report-" in workspace.toolchain("report").stdout
    page = workspace.path / f"report-{STACK}.html"
    opened = open_page(page, tmp_path)
    assert opened.console == []  # of a page that loads nothing, and whose policy forbids nothing that it has
    assert "no data" not in opened.tree
    assert opened.tree.count("<svg") == 6
    assert opened.tree.count("<polyline") + opened.tree.count("<circle") >= 6
    assert "availability" in opened.tree
    image = opened.picture.read_bytes()
    assert struct.unpack(">II", image[16:24]) == (1280, 1400)
    assert len(image) > 40_000  # an empty page of this size has a tenth of it
    if keep := os.environ.get("KEEP_PICTURES"):
        (Path(keep) / "report.png").write_bytes(image)

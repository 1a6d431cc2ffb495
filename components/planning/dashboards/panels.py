"""Panels in the one look that all dashboards have: a title, a unit, a legend that says what a line is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as values
from grafana_foundation_sdk.models import dashboard as models

Panel = timeseries.Panel | stat.Panel

TAG = "model-serving"
DATA_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
# What a rate is over: Grafana makes it long enough for the distance of the points and of the samples.
RATE = "$__rate_interval"
# Grafana's columns, and rows of 30 pixels.
_WIDTH, _HEIGHT, _STAT_HEIGHT = 24, 8, 4
_GOOD, _BAD = "green", "red"


@dataclass(frozen=True)
class Query:
    """An expression, and what its lines are called: text with {{label}}s."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Limit:
    """A value that is not to be crossed, upwards or, where `least`, downwards."""

    value: float
    least: bool = False


def new_dashboard(title: str, identity: str, description: str) -> dashboard.Dashboard:
    """An empty dashboard. Its address follows from `identity`, whatever the title."""
    return (
        dashboard.Dashboard(title)
        # Grafana takes 40 characters.
        .uid(f"{TAG}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}")
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        # Grafana has it from a file: what is changed in the browser would be lost.
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .link(
            dashboard.DashboardLink("Models")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )


def add_variable(board: dashboard.Dashboard, name: str, label: str, metric: str, values_of: str) -> None:
    """Let people choose among the values of a metric's label; at first all."""
    board.with_variable(
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATA_SOURCE)
        .query(f"label_values({metric}, {values_of})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all"))
    )


def add_rollouts(board: dashboard.Dashboard, expr: str) -> None:
    """Mark the times at which an expression has a value, on every chart."""
    board.annotation(
        dashboard.AnnotationQuery().name("Rollouts").datasource(DATA_SOURCE).expr(expr).icon_color("blue").enable(True)
    )


def add_row(board: dashboard.Dashboard, title: str, panels: Sequence[Panel]) -> None:
    """A heading, and panels that share the width below it; no heading for no panels."""
    if panels:
        board.with_row(dashboard.Row(title))
    for panel in panels:
        board.with_panel(panel.span(_WIDTH // len(panels)))


def chart(
    title: str,
    unit: str,
    *queries: Query,
    limit: Limit | None = None,
    least: float | None = 0,
    most: float | None = None,
    stacked: bool = False,
    bars: bool = False,
    description: str = "",
) -> timeseries.Panel:
    """Lines over time, from `least` up to `most` or beyond. A limit is a dashed line, with what is beyond it in red."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .height(_HEIGHT)
        .datasource(DATA_SOURCE)
        .targets([_target(place, query) for place, query in enumerate(queries)])
        .fill_opacity(60 if bars else 10)
        .show_points(values.VisibilityMode.NEVER)
        .draw_style(values.GraphDrawStyle.BARS if bars else values.GraphDrawStyle.LINE)
        .legend(
            common.VizLegendOptions()
            .display_mode(values.LegendDisplayMode.LIST)
            .placement(values.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(values.TooltipDisplayMode.MULTI).sort(values.SortOrder.DESCENDING))
    )
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.axis_soft_max(most)
    if stacked:
        panel.stacking(common.StackingConfig().mode(values.StackingMode.NORMAL))
    if limit is not None:
        panel.thresholds(_thresholds(limit)).axis_soft_max(max(limit.value * 1.2, most or 0))
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(values.GraphThresholdsStyleMode.DASHED_AND_AREA)
        )
    return panel


def number(title: str, unit: str, expr: str, *, limit: Limit | None = None, description: str = "") -> stat.Panel:
    """One number of now, red beyond its limit, over the line that it came from."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .height(_STAT_HEIGHT)
        .datasource(DATA_SOURCE)
        .targets([_target(0, Query(expr, title))])
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(values.BigValueGraphMode.AREA)
        .color_mode(values.BigValueColorMode.VALUE)
        .no_value("no data")
    )
    return panel.thresholds(_thresholds(limit)) if limit is not None else panel


def _target(place: int, query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend).range().ref_id(chr(ord("A") + place))


def _thresholds(limit: Limit) -> dashboard.ThresholdsConfig:
    below, beyond = (_BAD, _GOOD) if limit.least else (_GOOD, _BAD)
    steps = [models.Threshold(value=None, color=below), models.Threshold(value=limit.value, color=beyond)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)

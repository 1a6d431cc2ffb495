"""The page: one file that loads nothing, with whatever Prometheus answered written as text."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path

from toolchain.report.charts import clock, drawn, number
from toolchain.report.facts import Facts, ModelFacts

# Nothing is loaded, run or sent, whatever got into the page.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (Path(__file__).parent / "page.css").read_text()
_COLUMNS = ("model", "requests/s", "failed", "99 % within", "ready pods", "budget left", "digest", "before")


def page(facts: Facts) -> str:
    """The whole document."""
    name = f"Models of stack {facts.stack}"
    date = datetime.fromtimestamp(facts.end, UTC).strftime("%Y-%m-%d")
    hour = f"{date}, {clock(facts.start)} to {clock(facts.end)} UTC"
    rows = "".join(map(_row, facts.models))
    heads = "".join(f"<th>{escape(column)}</th>" for column in _COLUMNS)
    sections = "".join(_section(model, facts) for model in facts.models)
    table = f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(name)}</h1><p>Namespace {escape(facts.namespace)}. {escape(hour)}; numbers are of its end.</p>"
        f"{table if facts.models else '<p>The stack has no models.</p>'}{sections}</body></html>\n"
    )


def _row(model: ModelFacts) -> str:
    wanted = "" if model.wanted is None else f" of {number(model.wanted)}"
    cells = (
        f'<a href="#{escape(model.name)}">{escape(model.name)}</a>',
        _value(model.requests),
        _value(model.failed, "%", bad=_above(model.failed, model.allowed_failures)),
        _value(model.latency, "s", bad=_above(model.latency, model.allowed_latency)),
        _value(model.ready, after=wanted, bad=bool(model.wanted) and (model.ready or 0) < (model.wanted or 0)),
        _budgets(model),
        ", ".join(f"<code>{escape(digest)}</code>" for digest in model.digests) or _value(None),
        _previous(model),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _section(model: ModelFacts, facts: Facts) -> str:
    charts = "".join(drawn(chart, facts.start, facts.end) for chart in model.charts)
    about = f"Runtime {escape(model.runtime)}."
    if model.changed is not None and model.previous is not None:
        when = datetime.fromtimestamp(model.changed, UTC).strftime("%Y-%m-%d %H:%M UTC")
        about += f" The current digest was first seen at {when}."
    return (
        f'<section id="{escape(model.name)}"><h2>{escape(model.name)}</h2><p>{about}</p>'
        f'<div class="charts">{charts}</div></section>'
    )


def _budgets(model: ModelFacts) -> str:
    if model.allowed_failures is None and model.allowed_latency is None:
        return '<span class="none">no objective</span>'
    return ", ".join(
        f"{escape(slo)} {_value(left, '%', bad=left < 0, good=left >= 0)}" for slo, left in model.budgets.items()
    ) or _value(None)


def _previous(model: ModelFacts) -> str:
    return f"<code>{escape(model.previous)}</code>" if model.previous else '<span class="none">none seen</span>'


def _value(value: float | None, unit: str = "", *, after: str = "", bad: bool = False, good: bool = False) -> str:
    kind = "none" if value is None else "bad" if bad else "good" if good else ""
    text = escape(number(value, unit) + (after if value is not None else ""))
    return f'<span class="{kind}">{text}</span>' if kind else text


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit

"""Lines over an hour as SVG, and numbers as people read them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from toolchain.report.facts import Chart
from toolchain.report.source import Line

_WIDTH, _HEIGHT = 380, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 8, 20
# Told apart by people who see no red or green too, nearly Okabe and Ito's.
_COLOURS = ("#2a8fd6", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
# So many pods are named; the others are drawn.
_NAMED = len(_COLOURS)


def drawn(chart: Chart, start: float, end: float) -> str:
    """A figure with the chart, its legend and the last values."""
    title = escape(chart.title)
    if not chart.lines:
        return f'<figure><figcaption>{title}</figcaption><p class="none">no data</p></figure>'
    most = _round_up(max([*_values(chart), (chart.limit or 0) * 1.1]), 1024 if chart.unit == "B" else 1000)
    parts = [*_grid(chart, most), *_times(start, end)]
    if chart.limit is not None:
        y = _y(chart.limit, most)
        parts.append(f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for number, line in enumerate(chart.lines.values()):
        parts += _strokes(line, _COLOURS[number % len(_COLOURS)], start, end, most)
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{title}</figcaption>{svg}{_legend(chart)}</figure>"


def number(value: float | None, unit: str = "") -> str:
    """A value in the unit of its chart: "" a plain number, "%" of a share, "s" of seconds, "B" of bytes."""
    if value is None:
        return "no data"
    if unit == "%":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"
    if unit == "B":
        power = min(int(math.log(value, 1024)), 4) if value >= 1 else 0
        return f"{value / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def clock(seconds: float) -> str:
    """The time of day, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M")


def _grid(chart: Chart, most: float) -> list[str]:
    found = []
    for share in (0, 0.5, 1):
        y = _y(share * most, most)
        found.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = escape(number(share * most, chart.unit)) if share else "0"
        found.append(f'<text x="{_LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>')
    return found


def _times(start: float, end: float) -> list[str]:
    places = ((0, "start"), (0.5, "middle"), (1, "end"))
    return [
        f'<text x="{_LEFT + share * (_WIDTH - _LEFT - _RIGHT):.1f}" y="{_HEIGHT - 5}" text-anchor="{anchor}">'
        f"{clock(start + share * (end - start))}</text>"
        for share, anchor in places
    ]


def _strokes(line: Line, colour: str, start: float, end: float, most: float) -> list[str]:
    """The line, interrupted where points are missing; a dot for a point with none beside it."""
    usual = min((after[0] - before[0] for before, after in zip(line.points, line.points[1:], strict=False)), default=0)
    pieces: list[list[str]] = []
    last = -math.inf
    for time, value in line.points:
        if time - last > 1.5 * usual:
            pieces.append([])
        x = _LEFT + (time - start) / (end - start) * (_WIDTH - _LEFT - _RIGHT)
        pieces[-1].append(f"{x:.1f},{_y(value, most):.1f}")
        last = time
    found = []
    for piece in pieces:
        if len(piece) > 1:
            found.append(f'<polyline points="{" ".join(piece)}" stroke="{colour}"/>')
        else:
            x, y = piece[0].split(",")
            found.append(f'<circle cx="{x}" cy="{y}" r="2.2" fill="{colour}"/>')
    return found


def _legend(chart: Chart) -> str:
    named = list(chart.lines.items())[:_NAMED]
    entries = [
        f'<li><i style="background:{colour}"></i>{escape(name)} <b>{escape(number(line.last, chart.unit))}</b></li>'
        for (name, line), colour in zip(named, _COLOURS, strict=False)
    ]
    if (more := len(chart.lines) - len(named)) > 0:
        entries.append(f"<li>and {more} more</li>")
    if chart.limit is not None:
        entries.append(f'<li><i class="limit"></i>limit <b>{escape(number(chart.limit, chart.unit))}</b></li>')
    return f"<ul>{''.join(entries)}</ul>"


def _values(chart: Chart) -> Sequence[float]:
    return [value for line in chart.lines.values() for _, value in line.points]


def _round_up(value: float, thousand: int) -> float:
    """The next of 1, 2, 5 and their tens, hundreds, tenths, of thousands as the unit counts them."""
    if value <= 0:
        return 1
    scale = float(thousand) ** math.floor(math.log(value, thousand))
    tens = 10.0 ** math.floor(math.log10(value / scale))
    return next(step * tens * scale for step in (1, 2, 5, 10) if step * tens * scale >= value * 0.999)


def _y(value: float, most: float) -> float:
    inside = min(max(value / most, 0), 1)
    return _TOP + (1 - inside) * (_HEIGHT - _TOP - _BOTTOM)

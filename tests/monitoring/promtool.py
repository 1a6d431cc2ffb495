"""Prometheus' own tool: whether rules are rules, and what they record and fire for made-up series."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Group = dict[str, Any]
_MINUTES = {"m": 1, "h": 60, "d": 1440}


@dataclass(frozen=True)
class Promtool:
    """The program, and a folder for its files."""

    program: str
    folder: Path

    def check(self, groups: Sequence[Group]) -> str:
        """What `promtool check rules` says. Raises AssertionError with its complaint."""
        return self._run("check", "rules", str(self._written("rules.yaml", {"groups": list(groups)})))

    def test(self, groups: Sequence[Group], story: "Story") -> None:
        """`promtool test rules`. Raises AssertionError with what was not as expected."""
        rules = self._written("rules.yaml", {"groups": list(groups)})
        document = {
            "rule_files": [rules.name],
            "evaluation_interval": "1m",
            # As they are on the cluster: one after the other.
            "group_eval_order": [group["name"] for group in groups],
            "tests": [story.document()],
        }
        self._run("test", "rules", str(self._written("story.yaml", document)))

    def _written(self, name: str, document: Mapping[str, Any]) -> Path:
        file = self.folder / name
        file.write_text(yaml.safe_dump(dict(document), sort_keys=False, width=1000))
        return file

    def _run(self, *arguments: str) -> str:
        done = subprocess.run([self.program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"promtool {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


@dataclass
class Story:
    """Series, a sample a minute, and what alerts and expressions are at some minute of it."""

    series: dict[str, str] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As promtool reads it."""
        series = [{"series": name, "values": values} for name, values in self.series.items()]
        return {
            "interval": "1m",
            "input_series": series,
            "alert_rule_test": self.alerts,
            "promql_expr_test": self.values,
        }

    def fires(self, at: str, alert: str, *firing: dict[str, Any]) -> None:
        """At a time, exactly these instances of an alert fire, by labels and annotations."""
        self.alerts.append({"eval_time": at, "alertname": alert, "exp_alerts": list(firing)})

    def is_(self, at: str, expression: str, *samples: tuple[str, float]) -> None:
        """At a time, exactly these samples (labels, value) are what an expression gives."""
        given = [{"labels": labels, "value": value} for labels, value in samples]
        self.values.append({"eval_time": at, "expr": expression, "exp_samples": given})


def counter(*phases: tuple[str, float]) -> str:
    """Samples of a counter that grows by so many a minute for a time each: ("1h", 60), ("30m", 0)."""
    total, written = 0.0, ["0"]
    for duration, growth in phases:
        minutes = minutes_of(duration)
        written.append(f"{total + growth:g}+{growth:g}x{minutes - 1}")
        total += growth * minutes
    return " ".join(written)


def steady(value: float, duration: str) -> str:
    """Samples of a gauge that stays."""
    return f"{value:g}+0x{minutes_of(duration)}"


def minutes_of(duration: str) -> int:
    """Minutes of 30m, 2h or 3d."""
    return int(duration[:-1]) * _MINUTES[duration[-1]]

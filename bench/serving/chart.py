"""Draws the servers' figures: `python chart.py OUT.svg`, the figures as JSON on standard input.

It runs in an environment of its own (requirements.txt beside it): nothing else here draws.
"""

import json
import sys

import matplotlib as mpl  # pyright: ignore[reportMissingImports]
from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

PANELS = (
    ("requests_per_second", "requests per second\n(more is better)"),
    ("p99_ms", "p99 latency, ms"),
    ("cold_start_seconds", "cold start, s"),
    ("memory_mb", "resident memory, MB"),
    ("installed_mb", "installed size, MB"),
)
NAMES = {
    "json": "this server (JSON)",
    "binary": "this server (binary)",
    "json_alone": "this server (JSON, no batching)",
    "binary_alone": "this server (binary, no batching)",
    "bare": "bare loop (no server)",
    "kserve": "KServe SDK",
    "mlserver": "MLServer",
    "litserve": "LitServe",
    "bentoml": "BentoML",
    "mosec": "mosec",
    "mosec_batching": "mosec, batching",
    "ray": "Ray Serve",
    "pytriton": "PyTriton (Triton)",
    "fastapi": "FastAPI",
    "fastapi_tensorflow": "FastAPI + TensorFlow",
}
OURS, BARE, PEER = "#0b6e4f", "#9aa5b1", "#4a7fb5"


def draw(servers: dict[str, dict[str, float]], path: str) -> None:
    """One panel a figure, one bar a server, the quickest at the top."""
    order = sorted(servers, key=lambda name: servers[name]["requests_per_second"])
    colors = [OURS if name.startswith(("json", "binary")) else BARE if name == "bare" else PEER for name in order]
    figure = Figure(figsize=(15, 0.36 * len(order) + 1.2), layout="constrained")
    for place, (axes, (key, title)) in enumerate(zip(figure.subplots(1, len(PANELS)), PANELS, strict=True)):
        values = [servers[name][key] for name in order]
        bars = axes.barh(range(len(order)), values, color=colors)
        axes.bar_label(bars, labels=[f"{value:,g}" for value in values], padding=3, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.set_yticks(range(len(order)), [NAMES[name] if place == 0 else "" for name in order])
        axes.set_xticks([])
        axes.set_xlim(0, max(values) * 1.28)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
    figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    # Text stays text, and the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "serving", "font.family": "sans-serif"})
    draw(json.load(sys.stdin), sys.argv[1])

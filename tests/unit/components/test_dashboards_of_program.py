"""Dashboards in the program: where Grafana's sidecar finds them, and nowhere while nobody watches."""

import json
import subprocess
import sys
from collections import Counter

from tests.unit.components.recording import DIGITS, ROOT, STACK, record

WATCHED = STACK | {"models": {"digits": DIGITS, "iris": DIGITS}, "monitoring": {"mode": "existing"}}


def test_each_dashboard_is_a_config_map_with_the_label_that_grafana_looks_for() -> None:
    recording = record(WATCHED)
    found = [r.inputs for r in recording.resources if "-dashboard-" in r.name]
    files = {file: (config_map["metadata"], text) for config_map in found for file, text in config_map["data"].items()}
    assert files.keys() == {f"model-serving-models-{name}.json" for name in ("models", "model-digits", "model-iris")}
    assert len(found) == len(files)
    for file, (metadata, text) in files.items():
        assert metadata["labels"]["grafana_dashboard"] == "1"
        assert metadata["name"] == file.removesuffix(".json")
        assert metadata["namespace"] == "models"
        assert json.loads(text)["panels"]
    # A deleted ConfigMap takes its file with it, so it may not be immutable, or named anew for new content.
    assert not any(config_map.get("immutable") for config_map in found)


def test_without_monitoring_there_are_none() -> None:
    kinds = Counter(record(STACK).kinds())
    assert kinds["ConfigMap"] == 1  # the model's settings


def test_nothing_of_grafana_is_imported_while_nobody_watches() -> None:
    asked = "import components.model_stack, sys; print([name for name in sys.modules if 'grafana' in name])"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

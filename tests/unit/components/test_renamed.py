"""A model that was renamed in the stack file: what is in the cluster stays, and people see the new name."""

import json
from typing import Any

from components.planning.compose import project

from .recording import DIGEST, DIGITS, STACK, Recording, record

SLO = {"availability": 99.9}
OLD = DIGITS | {"slo": SLO, "replicas": {"min": 1, "max": 3}}
MONITORING = {"mode": "existing", "namespace": "monitoring"}


def stack(models: dict[str, Any]) -> dict[str, Any]:
    return STACK | {"models": models, "monitoring": MONITORING}


def declared(recording: Recording) -> dict[tuple[str, str], Any]:
    return {(r.type, r.name): r.inputs for r in recording.resources}


def test_only_what_people_read_changes() -> None:
    before = record(stack({"digits": OLD}))
    after = record(stack({"numbers": OLD | {"renamedFrom": "digits"}}))
    old, new = declared(before), declared(after)
    assert old.keys() == new.keys(), "Pulumi would replace what has another name"
    changed = {name for (_, name), inputs in new.items() if inputs != old[_, name]}
    assert changed == {"models-dashboard-model-digits"}
    assert before.outputs["models"].keys() == {"digits"}
    assert after.outputs["models"] == {"numbers": before.outputs["models"]["digits"]}
    assert after.outputs["capacity"]["models"].keys() == {"numbers"}


def test_the_dashboard_has_the_new_name_and_the_old_series() -> None:
    recording = record(stack({"numbers": OLD | {"renamedFrom": "digits"}}))
    [board] = [r for r in recording.resources if r.name == "models-dashboard-model-digits"]
    [text] = board.inputs["data"].values()
    document = json.loads(text)
    assert document["title"] == "numbers (models)"
    assert "it is digits" in document["description"]
    assert "digits" in text.replace(document["description"], "")
    assert "numbers" not in text.replace(document["description"], "").replace(document["title"], "")


def test_a_rename_of_a_renamed_model_keeps_the_first_name() -> None:
    recording = record(STACK | {"models": {"numerals": DIGITS | {"renamedFrom": "digits"}}})
    assert recording.one("Service")["metadata"]["name"] == "digits"
    assert recording.outputs["models"]["numerals"]["url"] == "http://digits.models.svc:80"


def test_a_new_model_may_not_take_the_old_name_back_by_chance() -> None:
    """Beside a renamed model, its new name is free for nobody's objects but its own key."""
    models = {"numbers": {"image": f"r.example.com/m@{DIGEST}", "renamedFrom": "digits"}}
    recording = record(STACK | {"models": models | {"iris": {"image": f"r.example.com/m@{DIGEST}"}}})
    names = {r.inputs["metadata"]["name"] for r in recording.resources if r.type.endswith(":Service")}
    assert names == {"digits", "iris"}


def test_containers_keep_the_old_name_too() -> None:
    from components.config import StackConfig

    image = f"r.example.com/m@{DIGEST}"
    config = StackConfig.model_validate(
        {"cluster": "docker", "models": {"numbers": {"image": image, "renamedFrom": "digits"}}}
    )
    assert project("dev", config, {"digits": image}).services.keys() == {"digits"}

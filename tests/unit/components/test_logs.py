"""What the program declares for the collection of logs."""

import json
from typing import Any

from policy.rule import Resource
from policy.rules import RULES

from .recording import STACK, Recording, record

CREDENTIAL = "Bearer canary-5d2c"
LOKI = {"target": "loki", "endpoint": "https://loki.example.com", "authorization": "lokiToken"}


def collected(logs: dict[str, Any], **secrets: str) -> Recording:
    return record(STACK | {"logs": logs}, secrets=secrets)


def of_logs(recording: Recording) -> dict[str, Any]:
    """The objects of the collection by kind."""
    return {r.type.rsplit(":", 1)[1]: r for r in recording.resources if r.name.startswith("logs-")}


def test_without_the_section_there_is_no_collector() -> None:
    assert of_logs(record(STACK)) == {}


def test_a_collector_in_a_namespace_of_its_own() -> None:
    made = of_logs(collected({"target": "stdout"}))
    assert set(made) == {"Namespace", "ConfigMap", "NetworkPolicy", "ServiceAccount", "DaemonSet"}
    assert made["Namespace"].inputs["metadata"]["name"] == "models-logs"
    assert {one.inputs["metadata"]["namespace"] for kind, one in made.items() if kind != "Namespace"} == {"models-logs"}
    spec = made["DaemonSet"].inputs["spec"]["template"]["spec"]
    assert spec["volumes"][0]["configMap"]["name"] == "logs-config-7f3a9c21"
    assert spec["serviceAccountName"] == "logs-account-7f3a9c21"
    assert not made["ServiceAccount"].inputs["automountServiceAccountToken"]
    assert made["ConfigMap"].inputs["immutable"]


def test_the_receivers_credential_is_a_secret_and_nowhere_else() -> None:
    recording = collected(LOKI, lokiToken=CREDENTIAL)
    made = of_logs(recording)
    assert made["Secret"].inputs["stringData"] == {"authorization": CREDENTIAL}
    assert "stringData" in made["Secret"].secret
    others = [r.inputs for r in recording.resources if r.type != "kubernetes:core/v1:Secret"]
    assert CREDENTIAL not in json.dumps(others)
    mounted = {v["name"]: v for v in made["DaemonSet"].inputs["spec"]["template"]["spec"]["volumes"]}
    assert mounted["secret"]["secret"]["secretName"] == "logs-credentials-7f3a9c21"


def test_the_policies_have_nothing_against_it() -> None:
    made = [
        Resource(type=r.type, name=r.name, properties=r.inputs) for r in of_logs(collected({"target": "file"})).values()
    ]
    told = [told for rule in RULES if not rule.of_stack for one in made for told in rule.violations(one, {})]
    assert told == []

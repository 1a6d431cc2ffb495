"""The log collector's configuration and pod, as far as they can be told without running it."""

import json
import re
from typing import Any

import pytest

from components.config import StackConfig
from components.planning import logs, network
from policy.rules import RULES
from toolchain import versions

URL = "https://otlp.example.com"


def config(models: tuple[str, ...] = ("digits",), **section: Any) -> StackConfig:
    image = "registry.example.com/m@sha256:" + "0" * 64
    return StackConfig.model_validate(
        {"cluster": "prod", "models": {name: {"image": image} for name in models}, "logs": section}
    )


def exporter(**section: Any) -> dict[str, Any]:
    [made] = logs.collector_config(config(**section), "prod")["exporters"].values()
    return made


def test_only_the_pods_of_the_stacks_namespace_are_read() -> None:
    receiver = logs.collector_config(config(target="stdout"), "prod")["receivers"]["filelog"]
    assert {path.split("_")[0] for path in receiver["include"]} == {"/var/log/pods/models"}


def model_of(models: tuple[str, ...], pod: str) -> str | None:
    operators = logs.collector_config(config(models, target="stdout"), "prod")["receivers"]["filelog"]["operators"]
    [pattern] = [one["regex"] for one in operators if "k8s.pod.name" in str(one.get("parse_from"))]
    found = re.match(pattern, pod)
    return found["model"] if found else None


@pytest.mark.parametrize(
    ("pod", "model"),
    [
        ("digits-server-60d5cd39-69b7d7dd49-9xrd5", "digits"),
        ("digits-canary-server-60d5cd39-69b7d7dd49-9xrd5", "digits"),
        ("digits-server-two-server-60d5cd39-69b7d7dd49-9xrd5", "digits-server-two"),
        ("batch-job-9xrd5", None),
    ],
)
def test_the_model_is_told_by_the_pods_name(pod: str, model: str | None) -> None:
    assert model_of(("digits", "digits-server-two"), pod) == model


def test_what_is_not_taken_waits_on_the_disk_up_to_the_limit_and_then_in_the_files() -> None:
    made = exporter(target="otlp", endpoint=URL, buffer="256Mi")
    queue = made["sending_queue"]
    assert (queue["storage"], queue["sizer"], queue["queue_size"]) == ("file_storage", "bytes", 256 << 20)
    assert queue["block_on_overflow"]
    assert made["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert queue["num_consumers"] == 1, "a second one would overtake what is sent again"


@pytest.mark.parametrize(
    ("section", "url"),
    [
        ({"target": "otlp", "endpoint": URL}, f"{URL}/v1/logs"),
        ({"target": "otlp", "endpoint": f"{URL}:4318/in/"}, f"{URL}:4318/in/v1/logs"),
        ({"target": "loki", "endpoint": URL}, f"{URL}/otlp/v1/logs"),
    ],
)
def test_where_it_sends(section: dict[str, Any], url: str) -> None:
    assert exporter(**section)["logs_endpoint"] == url


def test_a_credential_is_a_file_and_its_value_is_nowhere_in_the_configuration() -> None:
    made = exporter(target="loki", endpoint=URL, authorization="lokiToken", tenant="vision")
    assert made["headers"] == {
        "Authorization": "${file:/run/secrets/model-serving/authorization}",
        "X-Scope-OrgID": "vision",
    }
    assert "lokiToken" not in json.dumps(made)


def test_files_together_stay_below_their_limit() -> None:
    rotation = exporter(target="file", maxSize="160Mi")["rotation"]
    assert rotation["max_megabytes"] * (rotation["max_backups"] + 1) == 160


def test_the_pod_is_strict_but_for_what_it_reads() -> None:
    spec: Any = logs.pod_spec(config(target="otlp", endpoint=URL), "config", "secret")
    assert [volume["host_path"]["path"] for volume in spec["volumes"] if "host_path" in volume] == [
        "/var/log/pods",
        "/var/lib/model-serving/logs/models",
    ]
    [container] = spec["containers"]
    writable = [mount["name"] for mount in container["volume_mounts"] if not mount.get("read_only")]
    assert writable == ["state"]
    assert container["security_context"] == {
        "allow_privilege_escalation": False,
        "read_only_root_filesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not spec["automount_service_account_token"]
    assert spec["tolerations"] == [{"operator": "Exists"}]


def test_the_network_policy_lets_it_call_its_receiver_and_nobody_call_it() -> None:
    policy = network.agent_policy(logs.destinations(config(target="otlp", endpoint="http://10.0.0.7:4318").logs))
    assert policy.holes == ("out: 10.0.0.7:4318",)
    spec: Any = policy.spec
    assert spec["ingress"] == []
    nobody: Any = network.agent_policy([]).spec
    assert nobody["egress"] == []


def test_an_image_of_ones_own_and_its_resources() -> None:
    image = "registry.example.com/otelcol@sha256:" + "1" * 64
    spec: Any = logs.pod_spec(
        config(target="stdout", image=image, resources={"limits": {"memory": "512Mi"}}), "config", None
    )
    [container] = spec["containers"]
    assert container["image"] == image
    assert container["resources"] == {"requests": {"cpu": "50m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}}
    assert container["env"] == [{"name": "GOMEMLIMIT", "value": str((512 << 20) * 8 // 10)}]


def test_one_version_of_the_collector_everywhere() -> None:
    assert versions.LOG_COLLECTOR == logs.VERSION
    [rule] = [rule for rule in RULES if rule.name == "image-by-digest"]
    assert logs.IMAGE in rule.settings["releases"]["default"]

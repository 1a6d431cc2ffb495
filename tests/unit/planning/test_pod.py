"""The pod of a model."""

from collections.abc import Callable
from typing import Any

import pytest

from components.config import ModelConfig
from components.planning.names import selector_labels
from components.planning.pod import PodInputs, pod_spec
from components.planning.settings import environment

Model = Callable[..., ModelConfig]
SELECTOR = selector_labels("dev", "digits")


def pod(config: ModelConfig, *, secrets: str | None = None, pull_secret: str | None = None) -> dict[str, Any]:
    inputs = PodInputs(
        image="registry.example.com/m@sha256:" + "a" * 64,
        settings="digits-settings-1",
        secrets=secrets,
        account="digits-account-1",
        pull_secret=pull_secret,
    )
    return dict(pod_spec(config, inputs, SELECTOR))


def test_pod_security_restricted_and_beyond(model: Model) -> None:
    spec = pod(model())
    [container] = spec["containers"]
    assert spec["security_context"] == {
        "run_as_non_root": True,
        "run_as_user": 65532,
        "run_as_group": 65532,
        "fs_group": 65532,
        "seccomp_profile": {"type": "RuntimeDefault"},
    }
    assert container["security_context"] == {
        "allow_privilege_escalation": False,
        "read_only_root_filesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automount_service_account_token"] is False
    assert not {"host_network", "host_pid", "host_ipc"} & spec.keys()


def test_scratch_space_is_bounded_and_the_only_writable_place(model: Model) -> None:
    spec = pod(model())
    assert spec["volumes"] == [{"name": "scratch", "empty_dir": {"size_limit": "64Mi"}}]
    assert spec["containers"][0]["volume_mounts"] == [{"name": "scratch", "mount_path": "/tmp"}]


def test_secrets_are_files_that_the_servers_group_may_read(model: Model) -> None:
    spec = pod(model(secrets=["apiToken"]), secrets="digits-secrets-1")
    files = {"secret_name": "digits-secrets-1", "default_mode": 0o440}
    assert spec["volumes"][1] == {"name": "secrets", "secret": files}
    assert spec["containers"][0]["volume_mounts"][1] == {
        "name": "secrets",
        "mount_path": "/run/secrets/model-serving",
        "read_only": True,
    }


def test_requests_are_always_set(model: Model) -> None:
    [container] = pod(model())["containers"]
    assert container["resources"] == {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}


def test_resources_as_configured(model: Model) -> None:
    given = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
    [container] = pod(model(resources=given))["containers"]
    assert container["resources"] == given


def test_the_container_serves_where_it_is_told(model: Model) -> None:
    config = model(ports={"http": 9000})
    [container] = pod(config)["containers"]
    assert container["ports"] == [{"name": "http", "container_port": 9000, "protocol": "TCP"}]
    assert environment("digits", config)["PORT"] == "9000"


def test_the_environment_is_the_models_own_and_what_the_program_knows(model: Model) -> None:
    told = environment("digits", model(env={"LOG_LEVEL": "debug"}))
    assert told == {"LOG_LEVEL": "debug", "MODEL_NAME": "digits", "PORT": "8080", "DRAIN_SECONDS": "30"}


def test_why_a_model_refused_reaches_the_pods_status(model: Model) -> None:
    assert pod(model())["containers"][0]["termination_message_policy"] == "FallbackToLogsOnError"


def test_replicas_prefer_other_nodes_and_zones_but_need_none(model: Model) -> None:
    spec = pod(model(replicas=3))
    anti_affinity = spec["affinity"]["pod_anti_affinity"]
    assert set(anti_affinity) == {"preferred_during_scheduling_ignored_during_execution"}
    constraints = spec["topology_spread_constraints"]
    assert {c["topology_key"] for c in constraints} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert {c["when_unsatisfiable"] for c in constraints} == {"ScheduleAnyway"}
    assert all(c["label_selector"] == {"match_labels": SELECTOR} for c in constraints)


@pytest.mark.parametrize(("secret", "expected"), [(None, None), ("login", [{"name": "login"}])])
def test_a_registry_with_a_password(model: Model, secret: str | None, expected: object) -> None:
    assert pod(model(), pull_secret=secret).get("image_pull_secrets") == expected


def test_a_leaving_pod_keeps_answering_while_routes_to_it_go(model: Model) -> None:
    spec = pod(model(requestTimeoutSeconds=60))
    assert spec["containers"][0]["lifecycle"] == {"pre_stop": {"sleep": {"seconds": 5}}}
    assert spec["termination_grace_period_seconds"] == 70

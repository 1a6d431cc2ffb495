"""The pod of a model."""

from collections.abc import Callable
from typing import Any

import pytest

from components.config import ModelConfig
from components.planning.names import selector_labels
from components.planning.pod import PodInputs, PodSecrets, annotations, pod_spec
from components.planning.runtimes import runtime_of
from components.planning.settings import SecretKeys

Model = Callable[..., ModelConfig]
SELECTOR = selector_labels("dev", "digits")


def told(**names: Any) -> PodInputs:
    return PodInputs(
        image="registry.example.com/m@sha256:" + "a" * 64,
        settings="digits-settings-1",
        account="digits-account-1",
        **{"settings_files": None, "secrets": (), "pull_secret": None, **names},
    )


def pod(config: ModelConfig, **names: Any) -> dict[str, Any]:
    return dict(pod_spec(config, runtime_of("digits", config), told(**names), SELECTOR))


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


def test_secrets_are_files_that_the_servers_group_may_read_or_variables(model: Model) -> None:
    own = SecretKeys(files={"apiToken": "apiToken"}, variables={"TOKEN": "TOKEN"})
    existing = SecretKeys(files={"password": "pw"})
    secrets = (PodSecrets(name="digits-secrets-1", keys=own), PodSecrets(name="login", keys=existing))
    spec = pod(model(), secrets=secrets)
    sources = [
        {"secret": {"name": "digits-secrets-1", "items": [{"key": "apiToken", "path": "apiToken"}]}},
        {"secret": {"name": "login", "items": [{"key": "pw", "path": "password"}]}},
    ]
    assert spec["volumes"][1] == {"name": "secrets", "projected": {"sources": sources, "default_mode": 0o440}}
    assert spec["containers"][0]["volume_mounts"][1] == {
        "name": "secrets",
        "mount_path": "/run/secrets/model-serving",
        "read_only": True,
    }
    assert spec["containers"][0]["env"] == [
        {"name": "TOKEN", "value_from": {"secret_key_ref": {"name": "digits-secrets-1", "key": "TOKEN"}}}
    ]


def test_a_secret_that_is_only_a_variable_needs_no_volume(model: Model) -> None:
    secrets = (PodSecrets(name="login", keys=SecretKeys(variables={"TOKEN": "token"})),)
    spec = pod(model(), secrets=secrets)
    assert [volume["name"] for volume in spec["volumes"]] == ["scratch"]


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
    assert runtime_of("digits", config).environment["PORT"] == "9000"


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


def test_replicas_that_must_be_apart_wait_but_not_for_those_that_they_replace(model: Model) -> None:
    spec = pod(model(replicas=3, spread={"zone": "required", "node": "required"}))
    [term] = spec["affinity"]["pod_anti_affinity"]["required_during_scheduling_ignored_during_execution"]
    assert term == {
        "topology_key": "kubernetes.io/hostname",
        "label_selector": {"match_labels": SELECTOR},
        "match_label_keys": ["pod-template-hash"],
    }
    for constraint in spec["topology_spread_constraints"]:
        assert constraint["when_unsatisfiable"] == "DoNotSchedule"
        assert constraint["match_label_keys"] == ["pod-template-hash"]


def test_zones_and_nodes_are_demanded_apart_from_each_other(model: Model) -> None:
    zone, node = pod(model(spread={"zone": "required"}))["topology_spread_constraints"]
    assert (zone["topology_key"], zone["when_unsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    assert (node["topology_key"], node["when_unsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")


def test_a_priority_class_is_named_if_there_is_one(model: Model) -> None:
    assert pod(model(priorityClass="online"))["priority_class_name"] == "online"
    assert "priority_class_name" not in pod(model())


@pytest.mark.parametrize(("secret", "expected"), [(None, None), ("login", [{"name": "login"}])])
def test_a_registry_with_a_password(model: Model, secret: str | None, expected: object) -> None:
    assert pod(model(), pull_secret=secret).get("image_pull_secrets") == expected


def test_a_leaving_pod_keeps_answering_while_routes_to_it_go(model: Model) -> None:
    spec = pod(model(requestTimeoutSeconds=60))
    assert spec["containers"][0]["lifecycle"] == {"pre_stop": {"sleep": {"seconds": 5}}}
    assert spec["termination_grace_period_seconds"] == 70


MODEL_IMAGE = "registry.example.com/models/digits@sha256:" + "b" * 64


def test_a_model_is_copied_out_of_its_image_before_the_server_starts(model: Model) -> None:
    spec = pod(model(runtime="tf-serving", files={"image": MODEL_IMAGE}), settings_files="digits-files-1")
    [copy] = spec["init_containers"]
    assert copy["image"] == MODEL_IMAGE
    assert copy["command"] == ["cp", "-Rf", "/model/.", "/model-files"]
    assert copy["security_context"] == spec["containers"][0]["security_context"]
    assert {"name": "model", "empty_dir": {}} in spec["volumes"]
    [container] = spec["containers"]
    mounts = {mount["mount_path"]: mount for mount in container["volume_mounts"]}
    assert mounts["/models/digits/1"] == {"name": "model", "mount_path": "/models/digits/1", "read_only": True}
    assert mounts["/etc/model-serving"]["name"] == "settings"


@pytest.mark.parametrize(
    ("files", "volume", "sub_path"),
    [
        (
            {"image": MODEL_IMAGE, "mount": "imageVolume"},
            {"image": {"reference": MODEL_IMAGE, "pull_policy": "IfNotPresent"}},
            "model",
        ),
        ({"claim": "models"}, {"persistent_volume_claim": {"claim_name": "models", "read_only": True}}, None),
        (
            {"claim": "models", "path": "/digits/3"},
            {"persistent_volume_claim": {"claim_name": "models", "read_only": True}},
            "digits/3",
        ),
        (
            {"csi": {"driver": "gcsfuse.csi.storage.gke.io", "attributes": {"bucketName": "acme"}}},
            {
                "csi": {
                    "driver": "gcsfuse.csi.storage.gke.io",
                    "read_only": True,
                    "volume_attributes": {"bucketName": "acme"},
                }
            },
            None,
        ),
    ],
)
def test_a_model_is_mounted_read_only(
    model: Model, files: dict[str, Any], volume: dict[str, Any], sub_path: str | None
) -> None:
    spec = pod(model(runtime="triton", files=files))
    assert "init_containers" not in spec
    assert {"name": "model", **volume} in spec["volumes"]
    [mount] = [mount for mount in spec["containers"][0]["volume_mounts"] if mount["name"] == "model"]
    assert mount["mount_path"] == "/models/digits"
    assert mount["read_only"] is True
    assert mount.get("sub_path") == sub_path


def test_another_server_is_as_restricted_as_ours(model: Model) -> None:
    ours, other = (
        pod(config)["containers"][0]["security_context"]
        for config in (model(), model(runtime="vllm", files={"claim": "models"}))
    )
    assert ours == other


@pytest.mark.parametrize(
    ("driver", "annotated"), [("gcsfuse.csi.storage.gke.io", {"gke-gcsfuse/volumes": "true"}), ("s3.csi.aws.com", {})]
)
def test_gke_is_told_of_a_bucket(model: Model, driver: str, annotated: dict[str, str]) -> None:
    files = {"csi": {"driver": driver, "attributes": {"bucketName": "acme"}}}
    assert annotations(model(runtime="triton", files=files), told()) == annotated

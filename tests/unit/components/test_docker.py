"""`cluster: docker`: what is declared where there is no cluster."""

from typing import Any

import pytest

from .recording import DIGEST, DIGITS, Recording, record

STACK: dict[str, Any] = {
    "cluster": "docker",
    "registry": {"repository": "localhost:5001/models"},
    "models": {"digits": DIGITS},
}
FILES = "registry.example.com/f@sha256:" + "b" * 64


def containers(recording: Recording) -> dict[str, dict[str, Any]]:
    return {r.name: r.inputs for r in recording.resources if r.type == "docker:index/container:Container"}


def test_no_object_of_kubernetes_is_declared() -> None:
    recording = record(STACK)
    assert not [
        r.type for r in recording.resources if r.type.startswith(("kubernetes:", "pulumi:providers:kubernetes"))
    ]
    assert sorted(r.type for r in recording.resources if r.type.startswith("docker:")) == [
        "docker:index/container:Container",
        "docker:index/network:Network",
    ]
    assert set(recording.outputs) == {"models", "capacity"}


def test_a_container_has_what_its_pod_would_have() -> None:
    [found] = containers(record(STACK)).values()
    assert found["image"] == f"localhost:5001/models/digits@{DIGEST}"
    assert found["user"] == "65532:65532"
    assert found["readOnly"] is True
    assert found["capabilities"]["drops"] == ["ALL"]
    assert found["securityOpts"] == ["no-new-privileges:true"]
    assert (found["memory"], found["memorySwap"], found["memoryReservation"]) == (512, 512, 256)
    assert found["tmpfs"] == {"/tmp": "size=67108864,mode=1777"}
    assert found["ports"] == [{"internal": 8080, "ip": "127.0.0.1"}]
    assert found["envs"] == ["DRAIN_SECONDS=30", "MODEL_NAME=digits", "PORT=8080"]
    assert found["healthcheck"]["tests"][-3:] == ["8080", "/v2/health/ready", "2"]
    assert (found["restart"], found["wait"], found["waitTimeout"]) == ("unless-stopped", True, 150)


def test_secrets_are_put_into_volumes_and_marked() -> None:
    model = DIGITS | {"secrets": ["apiToken", {"config": "apiToken", "env": "TOKEN"}], "configFiles": {"x": "$y"}}
    recording = record(STACK | {"models": {"digits": model}}, secrets={"apiToken": "hunter2"})
    found = {r.name: r for r in recording.resources if r.type == "docker:index/container:Container"}
    files, server = found["digits-files"], found["digits-1"]
    assert {entry["file"]: entry["content"] for entry in files.inputs["uploads"]} == {
        "/run/secrets/model-serving/apiToken": "hunter2",
        "/etc/model-serving/x": "$y",
    }
    assert [entry["containerPath"] for entry in files.inputs["volumes"]] == [
        "/etc/model-serving",
        "/run/secrets/model-serving",
    ]
    assert (files.inputs["start"], files.inputs["mustRun"]) == (False, False)
    assert server.inputs["volumes"] == [{"fromContainer": "digits-files-id", "readOnly": True}]
    assert "TOKEN=hunter2" in server.inputs["envs"]
    assert "envs" in server.secret
    assert "uploads" in files.secret


def test_each_replica_is_a_container() -> None:
    assert set(containers(record(STACK | {"models": {"digits": DIGITS | {"replicas": 2}}}))) == {"digits-1", "digits-2"}


def test_a_prometheus_is_a_container_of_the_stack() -> None:
    recording = record(STACK | {"docker": {"prometheus": {"image": FILES}}})
    found = containers(recording)
    assert found["prometheus-1"]["image"] == FILES
    assert found["prometheus-1"]["healthcheck"]["tests"][:3] == ["CMD", "/bin/promtool", "check"]
    assert found["prometheus-1"]["tmpfs"] == {"/prometheus": f"size={256 * 2**20},mode=1777"}
    [upload] = found["prometheus-files"]["uploads"]
    assert '"job_name": "digits"' in upload["content"]
    assert set(recording.outputs["models"]) == {"digits"}


def test_files_and_a_database_come_before_the_server() -> None:
    database = {"host": "features", "name": "f", "user": "u", "password": "secret", "tls": {"mode": "disable"}}
    model = {"image": FILES, "runtime": "triton", "files": {"image": FILES}, "database": database}
    stack = {"cluster": "docker", "models": {"digits": model}, "docker": {"database": {"image": FILES}}}
    found = containers(record(stack, secrets={"secret": "hunter2"}))
    assert list(found)[-1] == "digits-1"
    copy = found["digits.model-files-1"]
    assert (copy["mustRun"], copy["attach"], copy["user"]) == (False, True, "0:0")
    [read] = [volume for volume in found["digits-1"]["volumes"] if volume.get("containerPath") == "/models/digits"]
    assert read["readOnly"] is True
    assert found["features-1"]["capabilities"]["adds"]


@pytest.mark.parametrize("accelerator", ["none", "cuda"])
def test_a_gpu_is_asked_for_by_the_accelerator(accelerator: str) -> None:
    model = {"image": FILES, "accelerator": accelerator}
    [found] = containers(record({"cluster": "docker", "models": {"digits": model}})).values()
    assert found.get("gpus") == ("1" if accelerator == "cuda" else None)

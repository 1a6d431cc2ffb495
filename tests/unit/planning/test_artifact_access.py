"""What a build is told of this machine to reach a finished model, and what not."""

import json
from pathlib import Path

import pytest

from components.planning.artifact_access import access, kind

PIN = "@sha256:" + "0" * 64
S3, OCI = f"s3://models/churn/7/{PIN}", f"oci://registry.example.com/churn{PIN}"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    for name, text in {".aws/credentials": "[default]\nkey = aws", ".docker/config.json": '{"auths": {}}'}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return {"HOME": str(tmp_path)}


def test_where_a_model_comes_from() -> None:
    assert [kind(artifact) for artifact in (None, "model/saved", S3, OCI)] == ["none", "folder", "remote", "remote"]


@pytest.mark.parametrize("artifact", [None, "model/saved"])
def test_what_is_here_needs_no_credentials(artifact: str | None, home: dict[str, str]) -> None:
    assert access(artifact, home | {"AWS_SECRET_ACCESS_KEY": "canary"}) == ""


def test_a_store_gets_what_its_own_client_reads_and_nothing_else(home: dict[str, str]) -> None:
    environ = home | {"AWS_ACCESS_KEY_ID": "id", "AWS_REGION": "", "OTHER_TOKEN": "canary"}
    assert json.loads(access(S3, environ)) == {
        "variables": {"AWS_ACCESS_KEY_ID": "id"},
        "files": {"AWS_SHARED_CREDENTIALS_FILE": "[default]\nkey = aws"},
    }
    assert json.loads(access(OCI, environ)) == {"variables": {}, "files": {"DOCKER_CONFIG": '{"auths": {}}'}}


def test_other_stores(home: dict[str, str], tmp_path: Path) -> None:
    environ = home | {"HF_TOKEN": "token", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1", "AWS_REGION": "eu"}
    assert json.loads(access(f"hf://acme/churn@{'0' * 40}", environ)) == {
        "variables": {"HF_TOKEN": "token"},
        "files": {},
    }
    (tmp_path / "google.json").write_text("{}")
    environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "google.json")
    assert json.loads(access(f"gs://models/churn{PIN}", environ)) == {
        "variables": {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"},
        "files": {"GOOGLE_APPLICATION_CREDENTIALS": "{}"},
    }


def test_a_server_of_mlflow_may_send_its_client_to_the_store_behind_it(home: dict[str, str]) -> None:
    environ = home | {"MLFLOW_TRACKING_URI": "https://mlflow.example.com", "MLFLOW_TRACKING_TOKEN": "token"}
    environ |= {"AWS_ACCESS_KEY_ID": "id", "HF_TOKEN": "canary"}
    assert json.loads(access(f"mlflow://models/churn/7{PIN}", environ)) == {
        "variables": {
            "MLFLOW_TRACKING_URI": "https://mlflow.example.com",
            "MLFLOW_TRACKING_TOKEN": "token",
            "AWS_ACCESS_KEY_ID": "id",
        },
        "files": {"AWS_SHARED_CREDENTIALS_FILE": "[default]\nkey = aws"},
    }


def test_files_that_a_variable_names_come_first(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("[mine]")
    files = json.loads(access(S3, home | {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "mine")}))["files"]
    assert files == {"AWS_SHARED_CREDENTIALS_FILE": "[mine]"}


def test_a_machine_without_any(tmp_path: Path) -> None:
    assert json.loads(access(S3, {"HOME": str(tmp_path)})) == {"variables": {}, "files": {}}

"""A stack as a Compose project: what only Compose has, beside what it shares with a cluster (test_compose_parity)."""

import json
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.config import StackConfig
from components.planning.compose import project, project_name
from components.planning.secret_sources import SecretSource

IMAGE = "registry.example.com/m@sha256:" + "a" * 64
FILES = "registry.example.com/f@sha256:" + "b" * 64
DATABASE = {
    "host": "features",
    "port": 5433,
    "name": "features",
    "user": "reader",
    "password": "dbPassword",
    "tls": {"mode": "disable"},
}


def stack(model: dict[str, Any], **sections: Any) -> StackConfig:
    return StackConfig.model_validate({"cluster": "local", "models": {"digits": {"image": IMAGE} | model}, **sections})


def made(model: dict[str, Any], **sections: Any) -> Any:
    return project("dev", stack(model, **sections), {"digits": IMAGE, "more": IMAGE})


def test_a_model_waits_for_its_database_which_is_told_what_the_model_is() -> None:
    found = made({"database": DATABASE}, docker={"database": {"image": FILES}})
    digits, database = found.services["digits"], found.services["features"]
    assert digits["depends_on"] == {"features": {"condition": "service_healthy"}}
    assert database["image"] == FILES
    assert database["environment"] == {
        "POSTGRES_DB": digits["environment"]["DATABASE_NAME"],
        "POSTGRES_USER": digits["environment"]["DATABASE_USER"],
        "POSTGRES_PASSWORD_FILE": "/run/secrets/database-password",
        "PGDATA": "/data/postgresql",
        "PGPORT": digits["environment"]["DATABASE_PORT"],
    }
    assert digits["environment"]["DATABASE_HOST"] == "features"
    password = SecretSource(config="dbPassword")
    assert found.secret_files == {"secrets/digits/database-password": password, "secrets/features/password": password}
    assert set(digits["networks"]) & set(database["networks"])


def test_a_database_elsewhere_stays_there() -> None:
    found = made({"database": DATABASE})
    assert list(found.services) == ["digits"]
    assert "depends_on" not in found.services["digits"]


def test_a_prometheus_asks_every_container_once_the_models_answer() -> None:
    container = {"probes": {"readiness": "/"}, "metricsPath": "/m"}
    other = {"image": IMAGE, "runtime": "image", "container": container, "ports": {"http": 8000, "metrics": 9000}}
    config = StackConfig.model_validate(
        {
            "cluster": "local",
            "models": {"digits": {"image": IMAGE}, "other": other},
            "docker": {"prometheus": {"image": FILES, "scrapeInterval": "5s"}},
        }
    )
    found = project("dev", config, {"digits": IMAGE, "other": IMAGE})
    prometheus = found.services["prometheus"]
    assert prometheus["depends_on"] == {name: {"condition": "service_healthy"} for name in ("digits", "other")}
    assert (prometheus["image"], prometheus["read_only"], prometheus["cap_drop"]) == (FILES, True, ["ALL"])
    assert set(prometheus["networks"]) == set(found.services["digits"]["networks"])
    [file] = prometheus["configs"]
    assert f"--config.file={file['target']}" in prometheus["command"]
    written = json.loads(found.files[found.configs[file["source"]]["file"].removeprefix("./")])
    assert written["global"]["scrape_interval"] == "5s"
    asked = {
        entry["job_name"]: (entry["metrics_path"], *(sd["names"][0] for sd in entry["dns_sd_configs"]))
        for entry in written["scrape_configs"]
    }
    assert asked == {"digits": ("/metrics", "digits"), "other": ("/m", "other")}
    ports = [entry["dns_sd_configs"][0]["port"] for entry in written["scrape_configs"]]
    assert ports == [8080, 9000]


def test_who_asks_for_other_models_is_another_container() -> None:
    prometheus = {"docker": {"prometheus": {"image": FILES}}}
    labels = [
        made({}, **prometheus, **more).services["prometheus"]["labels"]["model-serving/files"]
        for more in ({}, {"models": {"digits": {"image": IMAGE}, "more": {"image": IMAGE}}})
    ]
    assert labels[0] != labels[1]


def test_files_are_copied_out_of_their_image_before_the_server_starts() -> None:
    found = made({"runtime": "triton", "files": {"image": FILES}})
    copy, server = found.services["digits.model-files"], found.services["digits"]
    assert copy["entrypoint"] == ["cp", "-Rf", "/model/.", "/model-files"]
    assert (copy["image"], copy["user"], copy["cap_drop"]) == (FILES, "0:0", ["ALL"])
    assert server["depends_on"] == {"digits.model-files": {"condition": "service_completed_successfully"}}
    [written], [read] = copy["volumes"], server["volumes"]
    assert written["source"] == read["source"] == "digits.model." + "b" * 12
    assert "read_only" not in written
    assert read == {"type": "volume", "source": written["source"], "target": "/models/digits", "read_only": True}
    assert set(found.volumes) == {written["source"]}


def test_a_claim_is_a_volume_that_is_there() -> None:
    found = made({"runtime": "triton", "files": {"claim": "weights", "path": "/a/b"}})
    assert found.volumes == {"weights": {"name": "weights", "external": True}}
    assert found.services["digits"]["volumes"] == [
        {
            "type": "volume",
            "source": "weights",
            "target": "/models/digits",
            "read_only": True,
            "volume": {"subpath": "a/b"},
        }
    ]


def test_secrets_are_never_in_the_document_and_known_by_where_they_are() -> None:
    secrets = [
        "apiToken",
        {"config": "other", "env": "OTHER"},
        {"secretRef": {"name": "login", "key": "token"}},
        {"external": {"store": "vault", "key": "team/features", "property": "key"}, "env": "FEATURES"},
    ]
    found = made({"secrets": secrets})
    assert found.secret_files == {
        "secrets/digits/apiToken": SecretSource(config="apiToken"),
        "secrets/digits/token": SecretSource(elsewhere="key token of the cluster's Secret login"),
    }
    assert found.secret_variables == {
        "secrets/digits.env": {
            "OTHER": SecretSource(config="other"),
            "FEATURES": SecretSource(elsewhere="team/features in the store vault"),
        }
    }
    assert not {"OTHER", "FEATURES"} & found.services["digits"]["environment"].keys()


def test_another_content_of_a_file_is_another_container() -> None:
    one, two = (made({"configFiles": {"x": text}}).services["digits"]["labels"] for text in ("a", "b"))
    assert one["model-serving/files"] != two["model-serving/files"]
    assert "model-serving/files" not in made({}).services["digits"]["labels"]


@pytest.mark.parametrize(
    ("model", "sections", "word"),
    [
        ({"replicas": {"min": 1, "max": 3}}, {}, "models.digits.replicas"),
        ({"ingress": {"host": "d.example.com", "controllerNamespace": "x"}}, {}, "models.digits.ingress"),
        ({"service": {"type": "LoadBalancer"}}, {}, "models.digits.service"),
        ({"disruptionBudget": {"maxUnavailable": 1}}, {}, "models.digits.disruptionBudget"),
        ({"priorityClass": "online"}, {}, "models.digits.priorityClass"),
        ({"identity": {"gke": "models@acme.iam.gserviceaccount.com"}}, {}, "models.digits.identity"),
        ({"network": {"allowTo": [{"host": "a", "port": 1}]}}, {}, "models.digits.network"),
        ({"runtime": "vllm", "files": {"claim": "weights"}}, {}, "models.digits.files"),
        ({"runtime": "vllm", "files": {"image": FILES, "mount": "imageVolume"}}, {}, "models.digits.files"),
        ({}, {"nodePools": {"l4": {"provider": "existing", "nodeSelector": {"a": "b"}}}}, "nodePools"),
        ({}, {"registry": {"repository": "r.example.com/m", "pullSecret": "login"}}, "registry.pullSecret"),
        ({}, {"monitoring": {"mode": "existing"}}, "monitoring"),
        ({}, {}, "network.defaultDeny"),
    ],
)
def test_what_docker_cannot_do_is_said(model: dict[str, Any], sections: dict[str, Any], word: str) -> None:
    lines = [line for line in made(model, **sections).left_out if line.startswith(word)]
    assert len(lines) == 1, lines
    if word != "network.defaultDeny":
        assert not [line for line in made({}).left_out if line.startswith(word)]


def test_a_projects_name_is_one_that_compose_takes() -> None:
    assert project_name("Dev.eu/1") == "model-serving-dev-eu-1"


class _Answers(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if self.path.startswith("/ready") else 503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    _Answers.asked = []
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


PATH = "/ready?a='$HOME'"


@pytest.mark.parametrize("program", ["own", "curl", "wget", "bash", "python3"])
@pytest.mark.parametrize(("path", "healthy"), [(PATH, True), ("/loading", False)])
def test_a_health_check_asks_the_readiness_path_with_what_an_image_has(
    program: str, path: str, healthy: bool, port: int, tmp_path: Path
) -> None:
    """Its very command, where PATH has this program alone."""
    model: dict[str, Any] = {"ports": {"http": port}}
    if program == "own":
        model["ports"] = {"http": port}
    else:
        model |= {"runtime": "image", "container": {"probes": {"readiness": path}}}
    command = made(model).services["digits"]["healthcheck"]["test"][1:]
    if program == "own":
        command = [path if word == "/v2/health/ready" else word for word in command]
    found = sys.executable if program in ("own", "python3") else shutil.which(program)
    if found is None:
        pytest.skip(f"this machine has no {program}")
    shell = shutil.which("sh")
    assert shell
    name = "python3" if program == "own" else program
    (tmp_path / name).write_text(f'#!{shell}\nexec {shlex.quote(found)} "$@"\n')
    (tmp_path / name).chmod(0o755)
    (tmp_path / "sh").symlink_to(shell)
    environment = {"PATH": str(tmp_path), "http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
    assert (done.returncode == 0) is healthy, done.stderr
    assert set(_Answers.asked) == {path}


def test_an_image_with_nothing_to_ask_with_says_so(tmp_path: Path) -> None:
    command = made({"runtime": "image", "container": {"probes": {"readiness": "/"}}}).services["digits"]["healthcheck"]
    done = subprocess.run(
        ["/bin/sh", *command["test"][2:]], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "none of curl, python3, wget and bash" in done.stderr

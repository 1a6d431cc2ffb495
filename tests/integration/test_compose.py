"""A model that runs in the cluster, and on Docker by the Compose file that is made of the same stack."""

import json
import os
import signal
import stat
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cluster import LocalCluster, toolchain
from tests.support.docker import Docker, docker
from tests.support.load import infer, label
from tests.support.workspace import Workspace
from toolchain import versions

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"compose-{uuid.uuid4().hex[:6]}"
HERE = Path(__file__).parent
TOKEN = "a 'token' with \"$HOME\", ${HOME} and \\n"


class Project:
    """The Compose project of the stack, as a person would use it."""

    def __init__(self, workspace: Workspace, engine: Docker) -> None:
        self.workspace, self.engine = workspace, engine
        self.folder = workspace.path / "compose" / STACK

    def write(self) -> None:
        self.workspace.toolchain("compose")

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.engine.run("compose", "-f", str(self.folder / "compose.yaml"), *arguments, check=check)

    def up(self, *arguments: str) -> None:
        self.compose("up", "--wait", "--wait-timeout", "120", *arguments)

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).stdout.split()

    def inspect(self, service: str) -> dict[str, Any]:
        [container] = self.containers(service)
        return json.loads(self.engine.out("inspect", container))[0]

    def port(self, service: str, index: int = 1) -> int:
        shown = self.compose("port", f"--index={index}", service, "8080").stdout
        return int(shown.strip().rpartition(":")[2])

    def python(self, service: str, program: str) -> str:
        return self.compose("exec", "-T", service, "python3", "-c", program).stdout.strip()


@pytest.fixture(scope="module")
def project(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The example model with a secret file and a secret variable, deployed to the cluster and then to Docker."""
    home = tmp_path_factory.mktemp("compose")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    workspace.install()
    workspace.install("policy")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    digits = workspace.read_config()["config"]["model-serving:models"]["digits"]
    digits |= {
        "secrets": ["apiToken", {"config": "apiToken", "env": "API_TOKEN"}],
        "env": {"GREETING": 'it\'s $HOME, "${NO}" # not\n'},
        "configFiles": {"labels.txt": "zero $one\n"},
    }
    workspace.set_config(namespace=STACK, models={"digits": digits})

    refused = workspace.toolchain("compose", check=False)
    assert refused.returncode == 1
    assert "the secret apiToken has no value" in refused.stderr
    config = ["--stack", STACK, "--config-file", str(workspace.config_file)]
    workspace.pulumi("config", "set", "--secret", "apiToken", TOKEN, *config)
    refused = workspace.toolchain("compose", check=False)
    assert f"no image of digits was built in stack {STACK} yet -> make up STACK={STACK}" in refused.stderr

    workspace.up()
    with docker() as engine:
        project = Project(workspace, engine)
        try:
            project.write()
            project.up()
            yield project
        finally:
            project.compose("down", "--volumes", "--timeout", "1", check=False)
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def right(project: Project, port: int) -> bool:
    example = json.loads((project.workspace.path / "model/digits/examples/7.json").read_text())["request"]
    return label(infer(port, "digits", example)) == 7


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_same_image_answers_in_both_places(project: Project, local_cluster: LocalCluster) -> None:
    deployed = project.workspace.outputs()["models"]["digits"]
    assert right(project, deployed["nodePort"])
    assert right(project, project.port("digits"))
    assert project.inspect("digits")["Config"]["Image"] == deployed["image"]
    assert project.inspect("digits")["State"]["Health"]["Status"] == "healthy"


def test_the_server_is_told_the_same_in_both_places(project: Project, local_cluster: LocalCluster) -> None:
    """Through Compose's interpolation, quoting and YAML."""
    deployment = f"deployment/{project.workspace.outputs()['models']['digits']['deployment']}"
    show = (
        "import json, os, pathlib; told = {name: os.environ.get(name) for name in"
        " ['MODEL_NAME', 'PORT', 'DRAIN_SECONDS', 'GREETING', 'API_TOKEN']};"
        " files = ['/run/secrets/model-serving/apiToken', '/etc/model-serving/labels.txt'];"
        " told |= {file: pathlib.Path(file).read_text() for file in files};"
        " print(json.dumps(told | {'user': [os.getuid(), os.getgid()]}))"
    )
    in_cluster = local_cluster.kubectl("exec", deployment, "--", "python3", "-c", show, namespace=STACK)
    in_docker = json.loads(project.python("digits", show))
    assert in_docker == json.loads(in_cluster)
    assert in_docker["API_TOKEN"] == in_docker["/run/secrets/model-serving/apiToken"] == TOKEN
    assert in_docker["user"] == [65532, 65532]


def test_it_runs_under_the_same_guards(project: Project) -> None:
    found = project.inspect("digits")["HostConfig"]
    assert found["ReadonlyRootfs"] is True
    assert found["CapDrop"] == ["ALL"]
    assert found["SecurityOpt"] == ["no-new-privileges:true"]
    assert found["Memory"] == found["MemorySwap"] == 512 * 2**20
    write = (
        "import pathlib\nfor folder in ('/tmp', '/model'):\n  try: pathlib.Path(folder, 'x').touch(); print(folder)\n"
    )
    assert project.python("digits", f"{write}  except OSError: pass") == "/tmp"


def test_secrets_are_in_files_of_their_owner_alone(project: Project) -> None:
    document = (project.folder / "compose.yaml").read_text()
    assert "token' with" not in document
    secrets = project.folder / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((secrets / "digits.env").stat().st_mode) == 0o600
    assert (secrets / "digits/apiToken").read_text() == TOKEN
    ignored = subprocess.run(["git", "check-ignore", "-q", "compose/x/secrets/y"], cwd=HERE.parents[1])
    assert ignored.returncode == 0


def test_replicas_come_and_go(project: Project) -> None:
    [first] = project.containers("digits")
    project.up("--scale", "digits=2")
    assert len(project.containers("digits")) == 2
    assert all(right(project, project.port("digits", index)) for index in (1, 2))
    project.up()
    assert project.containers("digits") == [first]
    assert right(project, project.port("digits"))


def test_a_server_that_dies_is_started_again(project: Project) -> None:
    before = project.inspect("digits")
    os.kill(before["State"]["Pid"], signal.SIGKILL)
    eventually(lambda: project.inspect("digits")["State"].get("Health", {}).get("Status") == "healthy")
    after = project.inspect("digits")
    assert after["Id"] == before["Id"]
    assert after["RestartCount"] == before["RestartCount"] + 1
    assert right(project, project.port("digits"))


def test_a_changed_secret_is_a_new_container(project: Project) -> None:
    before = project.inspect("digits")["Id"]
    project.write()
    project.up()
    assert project.inspect("digits")["Id"] == before
    config = ["--stack", STACK, "--config-file", str(project.workspace.config_file)]
    time.sleep(1)  # the label has whole seconds
    project.workspace.pulumi("config", "set", "--secret", "apiToken", "another", *config)
    project.write()
    project.up()
    assert project.inspect("digits")["Id"] != before
    read = "print(open('/run/secrets/model-serving/apiToken').read())"
    assert project.python("digits", read) == "another"


def test_a_model_with_its_database_is_added_and_removed(
    project: Project, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    repository = f"{local_cluster.registry}/tests/postgres"
    built = subprocess.run(
        ["buildx", "build", f"--tag={repository}", "--push", f"--metadata-file={tmp_path / 'built.json'}",
         str(HERE / "postgres_image")],
        env={**os.environ, **local_cluster.env},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-4000:]
    postgres = f"{repository}@{json.loads((tmp_path / 'built.json').read_text())['containerimage.digest']}"
    before = project.workspace.read_config()
    models = before["config"]["model-serving:models"]
    image = project.workspace.outputs()["models"]["digits"]["image"]
    database = {"host": "features.db", "port": 5433, "name": "features", "user": "reader", "password": "apiToken"}
    reader = {"image": image, "env": {}, "database": database | {"tls": {"mode": "disable"}}}
    project.workspace.set_config(models=models | {"reader": reader}, docker={"database": {"image": postgres}})
    [digits] = project.containers("digits")
    project.write()
    project.up()
    assert project.inspect("features.db")["State"]["Health"]["Status"] == "healthy"
    assert project.containers("digits") == [digits]
    query = 'PGPASSWORD=$(cat /run/secrets/database-password) psql -h 127.0.0.1 -p 5433 -U reader -tc "select 6 * 7"'
    assert project.compose("exec", "-T", "features.db", "bash", "-c", f"{query} features").stdout.strip() == "42"

    started = project.inspect("features.db")["State"]["StartedAt"]
    assert project.inspect("reader")["State"]["StartedAt"] > started

    project.workspace.write_config(before)
    project.write()
    project.up("--remove-orphans")
    services = project.compose("ps", "--all", "--format", "json").stdout.splitlines()
    assert [json.loads(line)["Service"] for line in services] == ["digits"]
    assert project.containers("digits") == [digits]
    assert not (project.folder / "secrets" / "features.db").exists() or not list(
        (project.folder / "secrets" / "features.db").iterdir()
    )


def test_a_prometheus_measures_every_container_of_a_model(project: Project, local_cluster: LocalCluster) -> None:
    toolchain("start", "--addon", "monitoring")
    repository = f"{local_cluster.registry}/prometheus/prometheus"
    manifest = httpx.head(
        f"http://{local_cluster.registry}/v2/prometheus/prometheus/manifests/v{versions.PROMETHEUS}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"},
    )
    image = f"{repository}@{manifest.headers['docker-content-digest']}"
    before = project.workspace.read_config()
    project.workspace.set_config(docker={"prometheus": {"image": image, "scrapeInterval": "1s"}})
    project.write()
    project.up("--scale", "digits=2")
    assert project.inspect("prometheus")["State"]["Health"]["Status"] == "healthy"
    port = project.compose("port", "prometheus", "9090").stdout.strip().rpartition(":")[2]

    def value(expression: str) -> float:
        query = f"http://127.0.0.1:{port}/api/v1/query"
        found = httpx.get(query, params={"query": expression}).json()["data"]["result"]
        return float(found[0]["value"][1]) if found else 0

    eventually(lambda: value('sum(up{job="digits"})') == 2)
    requests = 'sum(model_server_requests_total{job="digits",code="200"})'
    answered = value(requests)
    assert right(project, project.port("digits"))
    eventually(lambda: value(requests) >= answered + 1)

    project.workspace.write_config(before)
    project.write()
    project.up("--remove-orphans")
    services = project.compose("ps", "--all", "--format", "json").stdout.splitlines()
    assert {json.loads(line)["Service"] for line in services} == {"digits"}


def test_the_cluster_beside_it_is_untouched(project: Project, local_cluster: LocalCluster) -> None:
    assert right(project, project.workspace.outputs()["models"]["digits"]["nodePort"])
    name = "app.kubernetes.io/name=digits"
    [pod] = json.loads(local_cluster.kubectl("get", "pods", f"-l{name}", "-ojson", namespace=STACK))["items"]
    node = json.loads(local_cluster.kubectl("get", "node", pod["spec"]["nodeName"], "-ojson", namespace=STACK))
    assert {"Ready": "True"}.items() <= {
        entry["type"]: entry["status"] for entry in node["status"]["conditions"]
    }.items()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0

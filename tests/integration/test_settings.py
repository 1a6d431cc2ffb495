"""Settings, secrets of three origins and a database, in pods that run: one stack, brought up and changed.

The database is a server of TLS that speaks as much of PostgreSQL as is asked, in the same image (tests/support/
databases.py); PostgreSQL itself is asked in tests/unit/server/test_database.py. External Secrets' operator does not run
here, and its definition is not installed: of its object only the form is tested, in tests/unit.
"""

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.support.cluster import LocalCluster
from tests.support.databases import SPEAKER, certificates
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace
from tests.unit.components.recording import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"settings-{uuid.uuid4().hex[:6]}"
CANARY = "canary" + uuid.uuid4().hex
IRIS: dict[str, Any] = {
    "source": {"framework": "onnx", "path": "model/iris"},
    "env": {"LOG_LEVEL": "debug"},
    "configFiles": {"labels.txt": {"path": "labels.txt"}, "note": "from the stack file"},
    "secrets": [
        {"config": "apiToken"},
        {"config": "apiToken", "env": "API_TOKEN"},
        {"secretRef": {"name": "login", "key": "user.name"}, "file": "login-name"},
        {"secretRef": {"name": "login", "key": "password"}, "env": "LOGIN_PASSWORD"},
    ],
    "database": {
        "host": "features",
        "name": "features",
        "user": "reader",
        "password": "dbPassword",
        "tls": {"ca": "database-ca.pem"},
    },
    "service": {"type": "NodePort"},
    "startupTimeoutSeconds": 180,
}

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
LOOK = (
    "import json, os, pathlib;"
    "files = [path for folder in ('/etc/model-serving', '/run/secrets/model-serving')"
    " for path in pathlib.Path(folder).iterdir() if path.is_file()];"
    "print(json.dumps([dict(os.environ), {str(path): path.read_text() for path in files}]))"
)


class Namespace:
    """What is in the namespace of the stack, seen and changed as by somebody else."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self._cluster.kubectl(*arguments, namespace=STACK, stdin=stdin)

    def apply(self, *objects: dict[str, Any], dry_run: bool = False) -> None:
        options = ["--dry-run=server", "--validate=strict"] if dry_run else []
        self.kubectl("apply", *options, "-f-", stdin="\n---\n".join(json.dumps(entry) for entry in objects))

    def exists(self) -> bool:
        return STACK in self.kubectl("get", "namespaces")

    def pods(self) -> list[dict[str, Any]]:
        """The model's pods that are not leaving."""
        listed = json.loads(self.kubectl("get", "pods", "-lapp.kubernetes.io/name=iris", "-ojson"))["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def ready(self) -> bool:
        [pod] = self.pods()
        return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))

    def logs(self) -> str:
        [pod] = self.pods()
        return self.kubectl("logs", pod["metadata"]["name"])

    def waits_for_its_database(self) -> bool:
        running = [pod for pod in self.pods() if pod["status"].get("phase") == "Running"]
        return bool(running) and "database lost" in self.logs()

    def look(self) -> tuple[dict[str, str], dict[str, str]]:
        """The variables and the files of the running pod."""
        [pod] = self.pods()
        return json.loads(self.kubectl("exec", pod["metadata"]["name"], "--", "python3", "-c", LOOK))

    def start_database(self, image: str) -> None:
        container = {
            "name": "speaker",
            "image": image,
            "command": ["python3", "-u", "-c", SPEAKER, "5432", "/certificates/server.pem", "/certificates/server.key"],
            "securityContext": RESTRICTED,
            "volumeMounts": [{"name": "certificates", "mountPath": "/certificates"}],
            "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
        }
        volume = {"name": "certificates", "secret": {"secretName": "database-certificates"}}
        metadata = {"name": "features", "labels": {"database": "features"}}
        spec = {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 0}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def stop_database(self) -> None:
        self.kubectl("delete", "pod", "features", "--now")


def login(password: str) -> dict[str, Any]:
    """A Secret that somebody else has made."""
    data = {"user.name": "ann", "password": password}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": data}


@pytest.fixture(scope="module")
def namespace(local_cluster: LocalCluster) -> Namespace:
    return Namespace(local_cluster)


@pytest.fixture(scope="module")
def workspace(
    local_cluster: LocalCluster, namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The stack, its existing Secret, and the certificates of its database; nothing is deployed yet.

    The stack reaches its cluster by a kubeconfig among its secrets.
    """
    home = tmp_path_factory.mktemp("settings")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    (workspace.path / "labels.txt").write_text("setosa\nversicolor\nvirginica\n")
    files = certificates(home / "certificates", "features")
    (workspace.path / "database-ca.pem").write_text(files.ca.read_text())
    workspace.set_config(
        namespace=STACK,
        cluster={"kubeconfig": "adminConfig"},
        models={"iris": IRIS},
        env={"TEAM": "vision", "LOG_LEVEL": "info"},
        # There is no such proxy, and the build goes around it, too.
        proxy={"https": "http://proxy.example.com:3128", "noProxy": ["*"]},
    )
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    secrets = {
        "apiToken": CANARY,
        "dbPassword": f"{CANARY}-db",
        "adminConfig": local_cluster.kubeconfig.read_text(),
    }
    for key, value in secrets.items():
        workspace.pulumi("config", "set", "--secret", f"model-serving:{key}", "--stack", STACK, stdin=value)
    # Nothing of the machine's own leads to the cluster.
    workspace.extra_env = {"KUBECONFIG": str(home / "none")}
    tls = {"server.pem": files.certificate.read_text(), "server.key": files.key.read_text()}
    port = {"port": 5432, "targetPort": 5432}
    workspace_objects = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database-certificates"}, "stringData": tls},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "features"},
            "spec": {"selector": {"database": "features"}, "ports": [port]},
        },
        login(f"{CANARY}-login"),
    ]
    update = workspace.begin_up()
    # The namespace is the stack's; what others have in it comes while the update waits for the pods.

    def ended() -> bool:
        return update.poll() is not None

    wait_until(lambda: ended() or namespace.exists(), "the namespace", 1200)
    assert not ended(), update.communicate()[0]
    namespace.apply(*workspace_objects)
    wait_until(lambda: ended() or namespace.waits_for_its_database(), "a pod without a database", 300)
    assert not ended(), update.communicate()[0]
    assert not namespace.ready()
    [pod] = namespace.pods()
    namespace.start_database(pod["spec"]["containers"][0]["image"])
    printed, _ = update.communicate(timeout=300)
    assert update.returncode == 0, printed
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def test_the_pod_has_all_of_it_where_it_was_promised(workspace: Workspace, namespace: Namespace) -> None:
    variables, files = namespace.look()
    assert variables["TEAM"] == "vision"
    assert variables["LOG_LEVEL"] == "debug"
    assert variables["API_TOKEN"] == CANARY
    assert variables["LOGIN_PASSWORD"] == f"{CANARY}-login"
    assert variables["DATABASE_HOST"] == "features"
    assert variables["https_proxy"] == variables["HTTPS_PROXY"] == "http://proxy.example.com:3128"
    assert files == {
        "/etc/model-serving/labels.txt": "setosa\nversicolor\nvirginica\n",
        "/etc/model-serving/note": "from the stack file",
        "/etc/model-serving/database-ca.pem": (workspace.path / "database-ca.pem").read_text(),
        "/run/secrets/model-serving/apiToken": CANARY,
        "/run/secrets/model-serving/login-name": "ann",
        "/run/secrets/model-serving/database-password": f"{CANARY}-db",
    }
    workspace.preview("--expect-no-changes")


def test_no_request_is_sent_to_a_pod_without_its_database(workspace: Workspace, namespace: Namespace) -> None:
    port = workspace.outputs()["models"]["iris"]["nodePort"]
    ready = f"http://127.0.0.1:{port}/v2/health/ready"
    [pod] = namespace.pods()
    assert httpx.get(ready).status_code == 200
    namespace.stop_database()
    wait_until(lambda: not namespace.ready(), "a pod that is not ready without its database")
    events = [json.loads(line) for line in namespace.logs().splitlines()]
    [*_, lost] = [event for event in events if event["event"] == "database lost"]
    assert lost["database"] == "features:5432"
    assert "the database features:5432 does not answer" in lost["reason"]
    namespace.start_database(pod["spec"]["containers"][0]["image"])
    wait_until(namespace.ready, "a pod that is ready again with its database")
    wait_until(lambda: _status(ready) == 200, "an answer through the Service")
    [after] = namespace.pods()
    assert after["metadata"]["name"] == pod["metadata"]["name"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0


def test_what_changes_reaches_new_pods(workspace: Workspace, namespace: Namespace) -> None:
    [before] = namespace.pods()
    namespace.apply(login(f"{CANARY}-new"))
    workspace.preview("--expect-no-changes")  # nobody has told the program
    changed = json.loads(json.dumps(IRIS))
    changed["secrets"][3]["secretRef"]["revision"] = "2"
    changed["configFiles"]["note"] = "changed"
    workspace.set_config(models={"iris": changed})
    workspace.pulumi("config", "set", "--secret", "model-serving:apiToken", "--stack", STACK, stdin=f"{CANARY}-new")
    workspace.up()
    wait_until(lambda: len(namespace.pods()) == 1, "the old pod's end")
    variables, files = namespace.look()
    assert variables["API_TOKEN"] == variables["LOGIN_PASSWORD"] == f"{CANARY}-new"
    assert files["/run/secrets/model-serving/apiToken"] == f"{CANARY}-new"
    assert files["/etc/model-serving/note"] == "changed"
    [after] = namespace.pods()
    assert after["metadata"]["name"] != before["metadata"]["name"]


def test_the_toolchain_finds_the_cluster_too(workspace: Workspace) -> None:
    told = workspace.toolchain("status").stdout
    assert "iris-server" in told
    assert "Running" in told


def test_no_secret_is_in_the_state_or_in_what_is_printed(workspace: Workspace, namespace: Namespace) -> None:
    spellings = [CANARY.encode(), *(base64.b64encode(b"\0" * n + CANARY.encode())[4:-4] for n in range(3))]
    state = [path.read_bytes() for path in workspace.backend.rglob("*") if path.is_file()]
    printed = [
        done.stdout + done.stderr
        for done in (
            workspace.pulumi("stack", "export", "--stack", STACK),
            workspace.pulumi("stack", "output", "--json", "--stack", STACK),
            workspace.preview("--diff"),
        )
    ]
    printed += [namespace.logs(), namespace.kubectl("get", "all,configmaps,events", "-oyaml")]
    for content in [*state, *(text.encode() for text in printed)]:
        assert not any(spelling in content for spelling in spellings)
    # It is somewhere, so there was something to find.
    assert spellings[1] in namespace.kubectl("get", "secrets", "-oyaml").encode() or CANARY in namespace.kubectl(
        "get", "secrets", "-oyaml"
    )


def test_the_api_server_accepts_the_objects_that_nothing_runs_for_here(
    workspace: Workspace, namespace: Namespace
) -> None:
    """The service accounts of three clouds, and a Secret to pull images with."""
    golden = yaml.safe_load((ROOT / "tests/unit/components/golden.yaml").read_text())
    kinds = ("ServiceAccount", "Secret", "ConfigMap", "Deployment")
    for entry in golden.values():
        if entry.get("kind") in kinds:
            metadata = {"name": "dry-run"} | entry["metadata"] | {"namespace": STACK}
            namespace.apply(entry | {"metadata": metadata}, dry_run=True)

"""The local cluster: what it gives, what it survives, and that it leaves nothing.

It runs in a machine of its own (tests.support.machine), so that the cluster of the other tests, or the user's, stays
as it is. That machine has no network: all of this works offline.
"""

import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.machine import Machine
from tests.support.waiting import wait_until
from toolchain.cluster import missing
from toolchain.parts.install import bin_folder

pytestmark = pytest.mark.integration

# Somebody else's rule, that has to outlive the cluster.
FOREIGN_RULE = ["INPUT", "-p", "tcp", "--dport", "9", "-m", "comment", "--comment", "KUBE-like", "-j", "DROP"]


@dataclass
class Cluster:
    """The cluster of one data folder, driven by its command line."""

    machine: Machine
    data: Path
    env: dict[str, str]
    before: dict[str, Any]
    """The machine as it was before the cluster's first start."""

    def command(self, name: str, *arguments: str, data: Path | None = None) -> tuple[int, str]:
        """Exit code and output of `python -m toolchain.cluster NAME`."""
        argv = [sys.executable, "-m", "toolchain.cluster", name, "--data", str(data or self.data), *arguments]
        done = self.machine.run(*argv, env=self.env)
        return done.returncode, done.stdout + done.stderr

    def start(self) -> float:
        """Start it and return the seconds that took."""
        began = time.monotonic()
        code, output = self.command("start", "--tools", str(bin_folder()))
        assert code == 0, output
        return time.monotonic() - began

    def stop(self, *arguments: str) -> float:
        began = time.monotonic()
        code, output = self.command("stop", *arguments)
        assert code == 0, output
        return time.monotonic() - began

    def pids(self) -> dict[str, str]:
        _, output = self.command("status")
        return dict(line.split() for line in output.splitlines()[1:] if len(line.split()) == 2)

    @property
    def kubeconfig(self) -> Path:
        return self.data / "cluster" / "kubeconfig"

    def kubectl(self, *arguments: str, stdin: dict[str, Any] | None = None) -> tuple[int, str]:
        text = json.dumps(stdin) if stdin else ""
        done = self.machine.run("kubectl", f"--kubeconfig={self.kubeconfig}", *arguments, env=self.env, stdin=text)
        return done.returncode, done.stdout + done.stderr

    def get(self, *arguments: str) -> dict[str, Any]:
        code, output = self.kubectl("get", *arguments, "-o", "json")
        assert code == 0, output
        return json.loads(output)

    def apply(self, manifest: dict[str, Any]) -> None:
        code, output = self.kubectl("apply", "-f", "-", stdin=manifest)
        assert code == 0, output

    def python(self, code: str) -> str:
        done = self.machine.run(sys.executable, "-c", code, env=self.env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a cluster needs root")
    if lacking := missing(bin_folder()):
        pytest.fail("run `python3 -m toolchain install` first:\n" + "\n".join(lacking))
    machine = Machine()
    machine.boot()
    assert machine.run("iptables", "-A", *FOREIGN_RULE).returncode == 0
    yield machine
    machine.halt()


@pytest.fixture(scope="module")
def installed(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A cluster that was never started, in a folder whose name has what breaks naive commands."""
    data = tmp_path_factory.mktemp("data") / "Application Support, x"
    env = {"PATH": os.pathsep.join([str(bin_folder()), os.environ["PATH"]])}
    return Cluster(machine, data, env, machine.snapshot())


@pytest.fixture
def cluster(installed: Cluster) -> Cluster:
    """A running cluster, whatever the test before did to it."""
    installed.start()
    return installed


def test_a_fresh_cluster_is_ready_in_time(installed: Cluster) -> None:
    seconds = installed.start()

    [node] = installed.get("nodes")["items"]
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.34.")
    # 15 s on a quiet machine with two cores; tests share theirs with whatever else runs.
    assert seconds < 30


def test_the_kubeconfig_is_the_admins_alone(cluster: Cluster) -> None:
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
    assert yaml.safe_load(cluster.kubeconfig.read_text())["current-context"] == "model-serving"
    assert cluster.kubectl("auth", "can-i", "*", "*", "--all-namespaces") == (0, "yes\n")


def test_a_pod_finds_names_and_answers_on_a_node_port(cluster: Cluster) -> None:
    deploy_probe(cluster)
    [pod] = cluster.get("pods", "-l", "app=probe")["items"]
    port = cluster.get("service", "probe")["spec"]["ports"][0]["nodePort"]

    # The probe passes questions on to the server in its own resolv.conf.
    question = f"print(health.dns_answers(({pod['status']['podIP']!r}, 1053), timeout=5))"
    wait_until(lambda: cluster.python(f"from toolchain.cluster import health; {question}") == "True", "an answer", 30)
    # kube-proxy may hear of the Service only after its pod is ready.
    fetch = f"urllib.request.urlopen('http://127.0.0.1:{port}/health', timeout=5).read().decode()"
    refused = "except OSError as error: print(error)"
    code = f"import urllib.request\ntry: print({fetch})\n{refused}"
    wait_until(lambda: cluster.python(code) == "OK", f"an answer on node port {port}", 30)


def test_logs_and_exec_reach_a_pod(cluster: Cluster) -> None:
    deploy_probe(cluster)

    code, logs = cluster.kubectl("logs", "deployment/probe")
    assert code == 0, logs
    assert "CoreDNS" in logs
    code, output = cluster.kubectl("exec", "deployment/probe", "--", "/coredns", "-version")
    assert code == 0, output
    assert output.startswith("CoreDNS")


def test_the_node_pulls_from_the_local_registry(cluster: Cluster, tmp_path: Path) -> None:
    deploy_probe(cluster)
    [pod] = cluster.get("pods", "-l", "app=probe")["items"]
    image, copy = pod["spec"]["containers"][0]["image"], "localhost:5001/copied:1"
    [socket] = cluster.machine.run("sh", "-c", "ls /run/model-serving/*/containerd.sock").stdout.split()
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path)}},
        "http": {"addr": "127.0.0.1:5001"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(settings))
    serve = f"exec registry serve '{tmp_path}/config.yml' >'{tmp_path}/log' 2>&1 </dev/null & echo $!"
    pid = cluster.machine.run("sh", "-c", serve, env=cluster.env).stdout.strip()
    ctr = ["ctr", "--address", socket, "-n", "k8s.io", "images"]
    wait_for(lambda: cluster.machine.run("sh", "-c", "ss -Hltn | grep -q 127.0.0.1:5001").returncode == 0)
    for arguments in (["tag", image, copy], ["push", "--plain-http", copy], ["rm", copy]):
        done = cluster.machine.run(*ctr, *arguments)
        assert done.returncode == 0, done.stderr

    code, output = cluster.kubectl("run", "pulled", f"--image={copy}", "--image-pull-policy=Always")

    assert code == 0, output
    code, output = cluster.kubectl("wait", "--for=condition=Ready", "pod/pulled", "--timeout=60s")
    assert code == 0, output
    cluster.kubectl("delete", "pod", "pulled", "--now")
    cluster.machine.run("kill", pid)


def test_pod_security_restricted_refuses_a_privileged_pod(cluster: Cluster) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "guarded", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
    )
    container = {"name": "main", "image": "none", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged", "namespace": "guarded"},
        "spec": {"containers": [container]},
    }

    code, output = cluster.kubectl("apply", "-f", "-", stdin=pod)

    assert code != 0
    assert 'violates PodSecurity "restricted:latest": privileged' in output


def test_starting_again_changes_nothing(cluster: Cluster) -> None:
    before = cluster.pids()
    seconds = cluster.start()

    assert cluster.pids() == before
    assert len(before) == 7
    assert seconds < 5


def test_a_dead_component_is_started_again(cluster: Cluster) -> None:
    before = cluster.pids()
    assert cluster.machine.run("kill", "-9", before["kubelet"], before["etcd"]).returncode == 0
    wait_for(lambda: cluster.command("status")[1].startswith("degraded"))

    cluster.start()

    after = cluster.pids()
    assert {name for name in before if before[name] != after[name]} == {"kubelet", "etcd"}
    assert cluster.command("status")[0] == 0


def test_a_second_cluster_is_refused_and_told_of_the_first(cluster: Cluster, tmp_path: Path) -> None:
    code, output = cluster.command("start", "--tools", str(bin_folder()), data=tmp_path / "second")

    assert code == 1
    assert str(cluster.data) in output
    assert any(f"{name} has pid {pid}" in output for name, pid in cluster.pids().items())
    assert "Traceback" not in output
    assert not (tmp_path / "second").exists()


def test_an_address_block_in_use_is_refused_by_name(cluster: Cluster) -> None:
    cluster.stop()
    cluster.machine.run("ip", "link", "add", "other0", "type", "bridge")
    cluster.machine.run("ip", "addr", "add", "10.244.0.7/24", "dev", "other0")
    cluster.machine.run("ip", "link", "set", "other0", "up")

    code, output = cluster.command("start", "--tools", str(bin_folder()))
    cluster.machine.run("ip", "link", "delete", "other0")

    assert code == 1
    assert "10.244.0.0/24 is routed to other0" in output
    assert "Traceback" not in output


def test_a_component_that_fails_is_named_with_its_log(cluster: Cluster, tmp_path: Path) -> None:
    cluster.stop()
    broken = tmp_path / "tools"
    broken.mkdir()
    (broken / "etcd").write_text("#!/bin/sh\necho the disk is full >&2\nexit 3\n")
    (broken / "etcd").chmod(0o755)

    code, output = cluster.command("start", "--tools", str(broken))

    assert code == 1
    assert "etcd ended by itself" in output
    assert "the disk is full" in output
    assert str(cluster.data / "cluster" / "logs" / "etcd.log") in output


def test_stop_leaves_nothing_and_a_start_finds_everything(cluster: Cluster) -> None:
    deploy_probe(cluster)
    uid = cluster.get("deployment", "probe")["metadata"]["uid"]

    cluster.stop()

    assert without_lock(cluster.machine.snapshot()) == cluster.before
    assert cluster.command("status")[1].startswith("stopped")
    seconds = cluster.start()
    assert cluster.get("deployment", "probe")["metadata"]["uid"] == uid
    wait_for(lambda: cluster.get("deployment", "probe")["status"].get("availableReplicas") == 1)
    assert seconds < 30


def test_a_cluster_survives_the_machine_being_cut_off(cluster: Cluster) -> None:
    deploy_probe(cluster)
    uid = cluster.get("deployment", "probe")["metadata"]["uid"]

    cluster.machine.halt()
    cluster.machine.boot()
    cluster.start()

    assert cluster.get("deployment", "probe")["metadata"]["uid"] == uid
    wait_for(lambda: cluster.get("deployment", "probe")["status"].get("availableReplicas") == 1)


def test_wipe_deletes_the_data(cluster: Cluster) -> None:
    cluster.stop("--wipe")

    assert not (cluster.data / "cluster").exists()
    assert cluster.command("stop", "--wipe")[0] == 0  # nothing there: nothing to complain about


def deploy_probe(cluster: Cluster) -> None:
    """A pod of the one image that every cluster has: CoreDNS, as a web server and a DNS forwarder."""
    image = cluster.get("-n", "kube-system", "deployment", "coredns")["spec"]["template"]["spec"]["containers"][0][
        "image"
    ]
    corefile = ".:1053 {\n health\n forward . /etc/resolv.conf\n}\n"
    cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}, "data": {"Corefile": corefile}}
    )
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "probe"},
            "spec": {
                "selector": {"matchLabels": {"app": "probe"}},
                "template": {
                    "metadata": {"labels": {"app": "probe"}},
                    "spec": {
                        "containers": [
                            {
                                "name": "main",
                                "image": image,
                                "imagePullPolicy": "Never",
                                "command": ["/coredns", "-conf", "/etc/coredns/Corefile"],
                                "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
                                "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
                            }
                        ],
                        "volumes": [{"name": "config", "configMap": {"name": "probe"}}],
                    },
                },
            },
        }
    )
    ports = [{"port": 80, "targetPort": 8080}]
    spec = {"type": "NodePort", "selector": {"app": "probe"}, "ports": ports}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "probe"}, "spec": spec})
    code, output = cluster.kubectl("rollout", "status", "deployment/probe", "--timeout=60s")
    assert code == 0, output


def without_lock(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Without the lock file, which stays: a lock that is deleted can be held twice."""
    files = [name for name in snapshot["files"] if name not in ("/run/model-serving", "/run/model-serving/lock")]
    return {**snapshot, "files": files}


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)

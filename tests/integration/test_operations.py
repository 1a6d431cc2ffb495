"""docs/day-two.md, each of its commands: two environments, what one proves and the other runs, and their states."""

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import LocalCluster
from tests.support.documents import commands
from tests.support.registry import Image
from tests.support.tampering import with_one_flipped_byte
from tests.support.workspace import ROOT, Workspace

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "day-two.md"
RUN = uuid.uuid4().hex[:6]
DEV, STAGING = f"dev-{RUN}", f"staging-{RUN}"
STAGING_FILE = """\
# What dev proved.
config:
  model-serving:cluster: local
  model-serving:namespace: {namespace}
  model-serving:models:
    digits:  # handwriting
      image: registry.example.com/models/digits@sha256:{digest}  # promoted
      service: {{type: NodePort}}
"""


@pytest.fixture(scope="module")
def dev(local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The example, built and deployed as one stack; another stack's file is beside it."""
    home = tmp_path_factory.mktemp("operations")
    workspace = Workspace.create(home / "checkout", DEV, local_cluster.env, home / "state")
    workspace.install()
    workspace.install("policy")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=DEV)
    file = workspace.path / f"Pulumi.{STAGING}.yaml"
    file.write_text(STAGING_FILE.format(namespace=STAGING, digest="0" * 64))
    workspace.extra_env = {"NEW_BACKEND": f"file://{home / 'elsewhere'}"}
    (home / "elsewhere").mkdir()
    run(workspace, f"make up STACK={DEV}")
    yield workspace
    for stack in (STAGING, DEV):
        subprocess.run(["make", "destroy", f"STACK={stack}"], cwd=workspace.path, env=workspace.environment)


def run(workspace: Workspace, command: str, *, code: int = 0) -> str:
    """What a command of the page printed, with the names of this run. Raises AssertionError for another exit code."""
    for name, stack in (("staging", STAGING), ("dev", DEV)):
        command = re.sub(rf"(STACK=|FROM=|TO=|--stack |init |rm ){name}(?![\w-])", rf"\g<1>{stack}", command)
    done = subprocess.run(
        ["sh", "-c", command], cwd=workspace.path, env=workspace.environment, capture_output=True, text=True
    )
    # make ends with 2 whatever its command ended with, and says it.
    ended = re.findall(r"^make: \*\*\* .* Error (\d+)$", done.stderr, re.MULTILINE)
    assert (int(ended[-1]) if ended else done.returncode) == code, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def run_all(workspace: Workspace, heading: str) -> list[str]:
    return [run(workspace, command) for block in commands(PAGE, heading) for command in block]


def image(workspace: Workspace, stack: str) -> str:
    return (
        workspace.pulumi("stack", "output", "models", "--json", "--stack", stack)
        .stdout.split('"image": "')[1]
        .split('"')[0]
    )


def staging_file(workspace: Workspace) -> Path:
    return workspace.path / f"Pulumi.{STAGING}.yaml"


def deploy(workspace: Workspace, reference: str, *, code: int = 0) -> str:
    file = staging_file(workspace)
    file.write_text(re.sub(r"image: \S+", f"image: {reference}", file.read_text()))
    return run(workspace, "make up STACK=staging", code=code)


def test_what_is_not_proved_is_not_promoted(dev: Workspace, local_cluster: LocalCluster) -> None:
    before = staging_file(dev).read_text()
    assert "has not deployed it; its models: digits" in run(dev, "make promote MODEL=none FROM=dev TO=staging", code=1)
    assert "both are the same stack" in run(dev, "make promote MODEL=digits FROM=dev TO=dev", code=1)
    assert "has not deployed it" in run(dev, "make promote MODEL=digits FROM=staging TO=dev", code=1)
    local_cluster.kubectl("scale", "deployment", "--all", "--replicas=0", namespace=DEV)
    assert "of 0 pods 0 run it" in run(dev, "make promote MODEL=digits FROM=dev TO=staging", code=1)
    local_cluster.kubectl("scale", "deployment", "--all", "--replicas=1", namespace=DEV)
    local_cluster.kubectl("wait", "deployment", "--all", "--for=condition=Available", "--timeout=120s", namespace=DEV)
    assert staging_file(dev).read_text() == before


def test_promote(dev: Workspace) -> None:
    promoted, previewed, _ = run_all(dev, "## Promote")
    proved = image(dev, DEV)
    assert f"-> image: {proved}" in promoted
    assert "created" in previewed or "to create" in previewed
    assert staging_file(dev).read_text() == STAGING_FILE.format(namespace=STAGING, digest="0" * 64).replace(
        "registry.example.com/models/digits@sha256:" + "0" * 64, proved
    )
    assert image(dev, STAGING) == proved


def test_roll_back_also_after_an_update_that_failed(dev: Workspace) -> None:
    proved = image(dev, STAGING)
    newer = Image(proved).with_settings(Labels={"newer": "yes"})
    deploy(dev, newer.reference)
    assert image(dev, STAGING) != proved
    run_all(dev, "## Roll back")
    assert image(dev, STAGING) == proved
    assert f"image: {proved}  # promoted" in staging_file(dev).read_text()

    deploy(dev, with_one_flipped_byte(Image(proved)).reference, code=1)
    run_all(dev, "## Roll back")
    assert image(dev, STAGING) == proved

    run(dev, "make rollback MODEL=digits STACK=dev", code=1)  # it never ran another
    assert "source:" in (dev.path / f"Pulumi.{DEV}.yaml").read_text()


def test_drift_is_found_told_and_taken_back(dev: Workspace, local_cluster: LocalCluster) -> None:
    look, repair = (block[0] for block in commands(PAGE, "## Drift"))
    assert "nothing differs" in run(dev, look)

    def kubectl(*arguments: str) -> str:
        return local_cluster.kubectl(*arguments, namespace=STAGING)

    def patch(kind: str, name: str, patch: str) -> None:
        kubectl("patch", kind, name, "--type=json", f"--patch=[{patch}]")

    names = {
        kind: kubectl("get", kind, "-lapp.kubernetes.io/managed-by=pulumi", "-oname").split()[0].partition("/")[2]
        for kind in ("deployment", "service", "serviceaccount", "networkpolicy")
    }
    [policy] = [n for n in kubectl("get", "networkpolicy", "-oname").split() if "/digits-network" in n]
    pod = "/spec/template/spec"
    deployment = names["deployment"]
    kubectl("scale", "deployment", deployment, "--replicas=2")
    kubectl("set", "resources", "deployment", deployment, "--requests=cpu=100m")
    kubectl("set", "image", f"deployment/{deployment}", "server=localhost:5001/models/digits@sha256:" + "1" * 64)
    changes = {
        "livenessProbe": f'{{"op": "replace", "path": "{pod}/containers/0/livenessProbe/periodSeconds", "value": 30}}',
        "grace": f'{{"op": "replace", "path": "{pod}/terminationGracePeriodSeconds", "value": 5}}',
        "read-only": f'{{"op": "replace", "path": "{pod}/containers/0/securityContext/readOnlyRootFilesystem",'
        ' "value": false}',
        "surge": '{"op": "replace", "path": "/spec/strategy/rollingUpdate/maxSurge", "value": 3}',
    }
    for change in changes.values():
        patch("deployment", deployment, change)
    patch("service", names["service"], '{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 8081}')
    kubectl("label", "serviceaccount", names["serviceaccount"], "app.kubernetes.io/part-of=other", "--overwrite")
    kubectl("delete", policy)

    told = run(dev, look, code=7)
    assert "stack " + STAGING + ": 4 objects differ" in told
    for line in (
        "spec.replicas: 1 -> 2",
        "spec.template.spec.containers[0].resources.requests.cpu: 250m -> 100m",
        f"digits@sha256:{'1' * 12}",
        "spec.template.spec.containers[0].livenessProbe.periodSeconds: 10 -> 30",
        "spec.template.spec.terminationGracePeriodSeconds: 40 -> 5",
        "spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem: True -> False",
        "spec.strategy.rollingUpdate.maxSurge: 1 -> 3",
        "spec.ports[0].targetPort: http -> 8081",
        'metadata.labels["app.kubernetes.io/part-of"]: model-serving -> other',
        "  is gone",
    ):
        assert line in told, told

    run(dev, repair)
    assert "nothing differs" in run(dev, look)
    assert kubectl("get", "deployment", deployment, "-ojsonpath={.spec.replicas}") == "1"


def test_a_state_is_backed_up_lost_and_restored(dev: Workspace) -> None:
    export, restore = commands(PAGE, "## Back up and restore the state")
    run(dev, export[0])
    dev.pulumi("stack", "rm", STAGING, "--force", "--yes", "--preserve-config")
    outputs = [run(dev, command) for command in restore]
    assert "nothing differs" in outputs[-1]
    yaml.safe_load(staging_file(dev).read_text())


def test_a_stack_moves_to_another_backend(dev: Workspace) -> None:
    [block] = commands(PAGE, "## Another backend")
    outputs = [run(dev, command) for command in block]
    assert "nothing differs" in outputs[-2]
    listed = dev.pulumi("stack", "ls").stdout
    assert STAGING not in listed
    dev.extra_env["PULUMI_BACKEND_URL"] = dev.extra_env["NEW_BACKEND"]
    try:
        assert "nothing differs" in run(dev, "make drift STACK=staging")
        run(dev, "make destroy STACK=staging")
    finally:
        del dev.extra_env["PULUMI_BACKEND_URL"]

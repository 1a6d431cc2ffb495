"""docs/day-two.md, each of its commands: two environments, what one proves and the other runs, and their states."""

import json
import re
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import layout_changes, team
from tests.support.cluster import LocalCluster, toolchain
from tests.support.documents import commands
from tests.support.load import Load
from tests.support.registry import Image
from tests.support.tampering import with_one_flipped_byte
from tests.support.waiting import wait_until
from tests.support.workspace import ROOT, Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

PAGE = ROOT / "docs" / "day-two.md"
RUN = uuid.uuid4().hex[:6]
DEV, STAGING, VISION = f"dev-{RUN}", f"staging-{RUN}", f"vision-{RUN}"
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
    for stack in (VISION, STAGING, DEV):
        subprocess.run(["make", "destroy", f"STACK={stack}"], cwd=workspace.path, env=workspace.environment)


def run(workspace: Workspace, command: str, *, code: int = 0) -> str:
    """What a command of the page printed, with the names of this run. Raises AssertionError for another exit code."""
    for name, stack in (("staging", STAGING), ("dev", DEV), ("vision", VISION)):
        option = "STACK=|FROM=|TO=|--stack |--namespace |init |rm "
        command = re.sub(rf"({option}){name}(?![\w-])", rf"\g<1>{stack}", command)
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


def with_configuration(workspace: Workspace, stack: str) -> list[str]:
    """The options with which Pulumi by hand works on what `make` does: a copy of the stack file."""
    [line] = [line for line in workspace.toolchain("env", stack=stack).stdout.splitlines() if line.startswith("# pul")]
    return shlex.split(line.removeprefix("# pulumi ").partition(",")[0])


def planned(workspace: Workspace, stack: str) -> dict[str, int]:
    """How many resources a preview would create, update, replace, ... It has an entry `same` too."""
    done = workspace.pulumi("preview", "--json", *with_configuration(workspace, stack))
    return json.loads(done.stdout)["changeSummary"]


def settled(workspace: Workspace, stack: str) -> None:
    """The same again would change nothing. Raises AssertionError if it would."""
    workspace.pulumi("preview", "--expect-no-changes", *with_configuration(workspace, stack))


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
        "spec.template.spec.containers[0].resources.requests.cpu: 20m -> 100m",
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


def staging_env(workspace: Workspace, level: str) -> None:
    """Change a variable of staging's model, which replaces its pod."""
    file = staging_file(workspace)
    text = re.sub(r" {6}env: .*\n", "", file.read_text())
    file.write_text(f"{text}      env: {{LOG_LEVEL: {level}}}\n")


@contextmanager
def running(workspace: Workspace, *command: str) -> Iterator[None]:
    """A command beside the block, which is waited for. Raises AssertionError if it fails."""
    process = subprocess.Popen(
        command,
        cwd=workspace.path,
        env=workspace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield
    finally:
        printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed


def by_hand(workspace: Workspace, stack: str) -> list[str]:
    """`pulumi up` by whom `make` and its lock know nothing of, as on another machine."""
    options = with_configuration(workspace, stack)
    return ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", *options]


def test_two_operators_at_once(dev: Workspace, local_cluster: LocalCluster) -> None:
    """One is refused and has changed nothing, the other finishes, and the refused one's second try converges."""
    [[again]] = commands(PAGE, "## Two operators at once")
    locks = dev.backend / ".pulumi/locks"

    def generation() -> int:
        """Of the Deployment: one more for each change of it."""
        listed = local_cluster.kubectl("get", "deployments", "--output=json", namespace=STAGING)
        [deployment] = json.loads(listed)["items"]
        return deployment["metadata"]["generation"]

    before = generation()
    staging_env(dev, "warning")
    with running(dev, "make", "up", f"STACK={STAGING}"):
        # Another test's command may be at work before it.
        wait_until(lambda: list(locks.rglob("*.json")), "the lock of the first on this machine", seconds=600)
        assert "another command is at work, process " in run(dev, f"LOCK_TIMEOUT=0 {again}", code=1)
    assert generation() == before + 1

    # Two stacks share a backend and a cluster, and nothing that either would wait for.
    staging_env(dev, "info")
    document = yaml.safe_load(dev.config_file.read_text())
    document["config"]["model-serving:models"]["digits"]["env"] = {"LOG_LEVEL": "info"}
    dev.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
    with running(dev, *by_hand(dev, DEV)), running(dev, *by_hand(dev, STAGING)):
        wait_until(lambda: len(list(locks.rglob("*.json"))) == 2, "the locks of two stacks")
        assert "the stack is currently locked" in run(dev, again, code=1)
    assert "right" in run(dev, again)
    for stack in (DEV, STAGING):
        settled(dev, stack)
    assert generation() == before + 2


OLD_PODS, NEW_PODS = ("digits-old", "second-old"), ("digits-server", "second-server")


def vision_file(proved: str, *, service: str = "digits-api", adopt: bool = True, type_: str = "NodePort") -> str:
    """A stack that takes over what kubectl and what Helm made. `service` and its `type_` are what kubectl made."""

    def model(name: str, type_: str) -> dict[str, Any]:
        address = {"name": name, "port": team.SERVICE_PORT, "portName": team.PORT_NAME, "type": type_}
        address |= {"adopt": True} if adopt else {}
        return {"image": proved, "service": address, "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}}}

    settings = {
        "cluster": "local",
        "namespace": VISION,
        "createNamespace": False,
        "models": {"digits": model(service, type_), "second": model("second-api", "NodePort")},
    }
    return yaml.safe_dump({"config": {f"model-serving:{key}": value for key, value in settings.items()}})


@pytest.fixture(scope="module")
def vision(
    dev: Workspace, local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[team.Team]:
    """A namespace with what a team has made: one Deployment and Service by kubectl, one by Helm."""
    toolchain("install", "helm")
    proved = image(dev, DEV)
    team_has = team.Team(local_cluster, VISION, ("digits-api", "second-api"))
    team_has.kubectl("create", "namespace", VISION)
    applied = team.workload("digits-old", "digits-api", "digits", proved)
    team_has.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": applied}))
    installed = team.workload("second-old", "second-api", "second", proved)
    chart = team.chart(tmp_path_factory.mktemp("chart") / "model", installed)
    team_has.helm("install", "digits", str(chart), "--wait", "--timeout=120s")
    team_has.kubectl("rollout", "status", "deployment/digits-old", "--timeout=120s")
    yield team_has
    subprocess.run(["make", "destroy", f"STACK={VISION}"], cwd=dev.path, env=dev.environment)
    team_has.kubectl("delete", "namespace", VISION, "--wait=false")


def test_a_service_that_cannot_be_adopted_is_told_by_its_path(dev: Workspace, vision: team.Team) -> None:
    file = dev.path / f"Pulumi.{VISION}.yaml"
    file.write_text(vision_file(image(dev, DEV), service="digits"))
    told = run(dev, "make preview STACK=vision", code=1)
    assert re.search(rf"models\.digits\.service\.name.*resource '{VISION}/digits' does not exist", told), told
    assert "Traceback" not in told
    file.write_text(vision_file(image(dev, DEV), type_="ClusterIP").replace("port: 8080", "port: 80"))
    told = run(dev, "make up STACK=vision", code=1)
    for key in ("port: is 80, and the Service digits-api", "type: is ClusterIP, and the Service digits-api"):
        assert f"model-serving:models.digits.service.{key}" in told, told
    assert "Traceback" not in told
    assert vision.answers() == set(OLD_PODS)
    assert "digits-server" not in vision.kubectl("get", "deployments")


def test_what_others_deployed_is_adopted_without_losing_a_request(dev: Workspace, vision: team.Team) -> None:
    file, folder = dev.path / f"Pulumi.{VISION}.yaml", dev.path / "model/digits"
    file.write_text(vision_file(image(dev, DEV)))
    adopt, back, retire, later = commands(PAGE, "## Adopt a model that others deployed")
    addresses = vision.addresses()
    ports = [vision.spec(service)["ports"][0]["nodePort"] for service in ("digits-api", "second-api")]
    with Load(ports[0], "digits", folder, threads=1) as kubectls, Load(ports[1], "second", folder, threads=1) as helms:
        keep, look, do = adopt
        run(dev, keep)
        previewed, comment, done = run(dev, look), run(dev, "make comment STACK=vision"), run(dev, do)
        assert "2 imported" in comment, comment
        for name in ("digits-service", "second-service"):
            assert re.search(rf"{name}\s+import", previewed), previewed
        assert "right" in done
        assert vision.answers() == set(NEW_PODS)
        assert vision.addresses() == addresses
        settled(dev, VISION)

        run(dev, back[0])
        wait_until(lambda: vision.answers() == {"digits-old", "second-server"}, "the old pods' answers")
        run(dev, back[1])
        assert vision.answers() == set(NEW_PODS)

        for command in retire:
            run(dev, command)
        assert vision.helm("list", "--short").strip() == ""
        vision.kubectl("delete", "deployment", "second-old")
        file.write_text(vision_file(image(dev, DEV), adopt=False))
        for command in later:
            run(dev, command)
        settled(dev, VISION)
        assert vision.addresses() == addresses
    for load in (kubectls, helms):
        assert not load.failures
        assert load.right > 100
    # What the team said of a Service that is reached from outside has no place in another.
    file.write_text(vision_file(image(dev, DEV), adopt=False, type_="ClusterIP"))
    run(dev, "make up STACK=vision")
    settled(dev, VISION)
    assert "externalTrafficPolicy" not in vision.spec("digits-api")
    run(dev, "make destroy STACK=vision")
    assert vision.kubectl("get", "deployments,services,pods", "--output=name", "--ignore-not-found").split() == []
    assert vision.kubectl("get", "namespace", VISION, "--output=name").strip() == f"namespace/{VISION}"


def test_a_renamed_model_stays_what_it_is_in_the_cluster(dev: Workspace, local_cluster: LocalCluster) -> None:
    def objects() -> set[str]:
        kinds = "pods,deployments,services,configmaps,serviceaccounts,networkpolicies"
        return set(local_cluster.kubectl("get", kinds, "--output=name", namespace=STAGING).split())

    before, file = objects(), staging_file(dev)
    file.write_text(file.read_text().replace("    digits:  # hand", "    numbers:  # hand").rstrip() + "\n")
    file.write_text(f"{file.read_text()}      renamedFrom: digits\n")
    assert planned(dev, STAGING).keys() == {"same"}
    run_all(dev, "## Rename a model")
    assert objects() == before
    outputs = json.loads(dev.pulumi("stack", "output", "--json", "--stack", STAGING).stdout)
    assert outputs["models"].keys() == {"numbers"}
    assert "numbers: model/digits/examples/0.json -> 0  right" in run(dev, "make predict MODEL=numbers STACK=staging")
    assert "digits-server-" in run(dev, "make logs MODEL=numbers STACK=staging FOLLOW=no SINCE=2h")
    # Without the line it would be another model.
    file.write_text(file.read_text().replace("      renamedFrom: digits\n", ""))
    assert {"create", "delete"} <= planned(dev, STAGING).keys()
    file.write_text(f"{file.read_text()}      renamedFrom: digits\n")


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


def test_another_layout_of_the_program_replaces_nothing_where_it_has_aliases(
    dev: Workspace, local_cluster: LocalCluster
) -> None:
    def objects() -> set[str]:
        kinds = "pods,deployments,services,configmaps,serviceaccounts,networkpolicies"
        return set(local_cluster.kubectl("get", kinds, "--output=name", namespace=DEV).split())

    run(dev, f"make up STACK={DEV}")
    before = objects()
    layout_changes.make(dev, aliased=False)
    # Seen to matter.
    assert {"create", "delete"} <= planned(dev, DEV).keys()
    layout_changes.make(dev, aliased=True)
    assert planned(dev, DEV).keys() == {"same"}
    run(dev, f"make up STACK={DEV}")
    assert objects() == before
    settled(dev, DEV)

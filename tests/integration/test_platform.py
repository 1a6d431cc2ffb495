"""What stands around a model, on a real API server: its autoscaler, budget, priority, policies, route and canary.

The local cluster has no Gateway and does not enforce network policies: how requests are divided, and what a policy
keeps out, is not seen here. That the objects say it is what tests/unit/planning looks at.
"""

import asyncio
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import LocalCluster
from tests.support.waiting import wait_until
from tests.support.workspace import Workspace
from tests.unit.components.recording import record

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STACK = f"platform-{uuid.uuid4().hex[:6]}"
ROUTE = {"host": "digits.example.com", "gateway": {"name": "shared", "namespace": "gateways", "listener": "https"}}
# The cluster may have a metrics server, and an autoscaler that works: here it only goes where it is sent.
BEHAVIOR = {
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Disabled",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }
}
# The definition of an HTTPRoute, as its authors publish it, and what it must be.
GATEWAY_API = "sigs.k8s.io/gateway-api@v1.4.0"
GATEWAY_API_SUM = "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ="
HTTP_ROUTES = "gateway.networking.k8s.io_httproutes.yaml"


@pytest.fixture(scope="module")
def kubectl(local_cluster: LocalCluster) -> Any:
    """`kubectl("get", ...)` in the stack's namespace; answers of `-ojson` are parsed."""

    def call(*arguments: str, stdin: str = "") -> Any:
        text = local_cluster.kubectl(*arguments, namespace=STACK, stdin=stdin)
        return json.loads(text) if "-ojson" in arguments else text

    return call


@pytest.fixture(scope="module")
def cluster_has_routes_and_a_priority(kubectl: Any) -> Iterator[None]:
    """The Gateway API's definition of an HTTPRoute, and a PriorityClass named like the stack."""
    downloaded = subprocess.run(
        ["go", "mod", "download", "-json", GATEWAY_API], check=True, capture_output=True, text=True
    )
    module = json.loads(downloaded.stdout)
    assert module["Sum"] == GATEWAY_API_SUM
    definition = Path(module["Dir"]) / "config/crd/standard" / HTTP_ROUTES
    before = kubectl("get", "crd", "--ignore-not-found", "-oname", "httproutes.gateway.networking.k8s.io")
    kubectl("apply", "--server-side", f"-f{definition}")
    kubectl("create", "priorityclass", STACK, "--value=1000")
    yield
    kubectl("delete", "priorityclass", STACK)
    if not before:
        kubectl("delete", f"-f{definition}", "--wait=false")


@pytest.fixture(scope="module")
def workspace(
    local_cluster: LocalCluster, cluster_has_routes_and_a_priority: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The example model, built and deployed as it is."""
    home = tmp_path_factory.mktemp("platform")
    workspace = Workspace.create(home / "checkout", STACK, local_cluster.env, home / "state")
    (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
    workspace.set_config(namespace=STACK)
    workspace.install()
    workspace.pulumi("stack", "init", STACK)
    workspace.up()
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


@pytest.fixture(scope="module")
def digits(workspace: Workspace) -> dict[str, Any]:
    """The model as another environment would get it, by its digest, with everything that may stand around it."""
    image = workspace.outputs()["models"]["digits"]["image"]
    return {
        "image": image,
        "startupTimeoutSeconds": 300,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "replicas": {"min": 1, "max": 2, "targetCPUUtilization": 100, "behavior": BEHAVIOR},
        "disruptionBudget": {"maxUnavailable": "50%"},
        "spread": {"zone": "preferred", "node": "preferred"},
        "priorityClass": STACK,
        "route": ROUTE,
        "canary": {"image": image, "weight": 10},
        "network": {
            "allowFrom": [{"namespace": "web", "pods": {"app": "shop"}}, {"cidr": "10.0.0.0/8"}],
            "allowTo": [{"host": "features.example.com", "port": 443}, {"host": "db.data.svc", "port": 5432}],
        },
    }


def addresses(kubectl: Any, service: str) -> set[str]:
    """The pods behind a Service."""
    slices = kubectl("get", "endpointslices", f"-lkubernetes.io/service-name={service}", "-ojson")["items"]
    return {endpoint["targetRef"]["name"] for entry in slices for endpoint in entry.get("endpoints") or ()}


def pods(kubectl: Any, component: str) -> set[str]:
    found = kubectl("get", "pods", f"-lapp.kubernetes.io/component={component}", "-ojson")["items"]
    return {pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]}


def only(kubectl: Any, kind: str) -> dict[str, Any]:
    [found] = kubectl("get", kind, "-ojson")["items"]
    return found


def deployment(kubectl: Any, component: str = "model-server") -> dict[str, Any]:
    [found] = kubectl("get", "deployments", f"-lapp.kubernetes.io/component={component}", "-ojson")["items"]
    return found


def test_everything_at_once(workspace: Workspace, digits: dict[str, Any], kubectl: Any) -> None:
    workspace.set_config(models={"digits": digits})
    workspace.up()
    scaler = only(kubectl, "horizontalpodautoscalers")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 2)
    assert scaler["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    assert scaler["behavior"]["scaleUp"]["policies"][0] == {"type": "Pods", "value": 1, "periodSeconds": 60}
    # The API server has given it the priority that the class stands for.
    assert deployment(kubectl)["spec"]["template"]["spec"]["priorityClassName"] == STACK
    pod = min(pods(kubectl, "model-server"))
    assert kubectl("get", f"pod/{pod}", "-ojson")["spec"]["priority"] == 1000
    assert only(kubectl, "poddisruptionbudgets")["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in kubectl("get", "netpol", "-ojson")["items"]}
    assert len(policies) == 2
    [own] = [spec for spec in policies.values() if spec["podSelector"]]
    assert own["ingress"][0]["from"] == [{"podSelector": {}}]
    workspace.preview("--expect-no-changes")


def test_services_find_their_own_pods_only(kubectl: Any) -> None:
    # Where a metrics-server runs, the autoscaler may have made a second pod of a model that was busy starting.
    def found_by(service: str, component: str) -> bool:
        serving = pods(kubectl, component)
        return bool(serving) and addresses(kubectl, service) == serving

    wait_until(lambda: found_by("digits", "model-server"), "the Service's own pods", seconds=60)
    wait_until(lambda: found_by("digits-canary", "model-server-canary"), "the canary's own pods", seconds=60)
    [rule] = only(kubectl, "httproutes")["spec"]["rules"]
    assert {backend["name"]: backend["weight"] for backend in rule["backendRefs"]} == {
        "digits": 90,
        "digits-canary": 10,
    }


def test_a_budget_lets_pods_go(kubectl: Any) -> None:
    def allowed() -> bool:
        return only(kubectl, "poddisruptionbudgets").get("status", {}).get("disruptionsAllowed") == 1

    wait_until(allowed, "the budget to count its pod", seconds=60)
    pod = min(pods(kubectl, "model-server"))
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": STACK},
        "deleteOptions": {"dryRun": ["All"]},
    }
    path = f"/api/v1/namespaces/{STACK}/pods/{pod}/eviction"
    assert "Success" in kubectl("create", "--raw", path, "-f-", stdin=json.dumps(eviction))


def test_an_update_leaves_the_replicas_to_the_autoscaler(
    workspace: Workspace, digits: dict[str, Any], kubectl: Any
) -> None:
    """It scales through the same door as `kubectl scale`, under a name of its own."""
    name = deployment(kubectl)["metadata"]["name"]
    kubectl("scale", f"deployment/{name}", "--replicas=2")
    workspace.preview("--expect-no-changes")
    workspace.set_config(models={"digits": digits | {"env": {"LOG_LEVEL": "debug"}}})
    workspace.up()
    assert deployment(kubectl)["spec"]["replicas"] == 2
    assert deployment(kubectl)["metadata"]["name"] == name
    workspace.preview("--expect-no-changes")


def test_a_canary_goes_and_the_stable_pods_do_not_notice(
    workspace: Workspace, digits: dict[str, Any], kubectl: Any
) -> None:
    before, serving = deployment(kubectl), pods(kubectl, "model-server")
    rest = {key: value for key, value in digits.items() if key != "canary"}
    workspace.set_config(models={"digits": rest | {"env": {"LOG_LEVEL": "debug"}}})
    workspace.up()
    [rule] = only(kubectl, "httproutes")["spec"]["rules"]
    assert [(backend["name"], backend["weight"]) for backend in rule["backendRefs"]] == [("digits", 100)]
    assert kubectl("get", "services", "-ojson")["items"][0]["metadata"]["name"] == "digits"
    after = deployment(kubectl)
    # Of pods; an autoscaler changes the Deployment's generation.
    revision = "deployment.kubernetes.io/revision"
    assert after["metadata"]["annotations"][revision] == before["metadata"]["annotations"][revision]
    assert serving <= pods(kubectl, "model-server")


def test_a_fixed_number_of_replicas_takes_them_back(workspace: Workspace, digits: dict[str, Any], kubectl: Any) -> None:
    fixed = {key: value for key, value in digits.items() if key not in ("canary", "disruptionBudget")}
    workspace.set_config(models={"digits": fixed | {"replicas": 1, "env": {"LOG_LEVEL": "debug"}}})
    workspace.up()
    assert deployment(kubectl)["spec"]["replicas"] == 1
    assert kubectl("get", "hpa,pdb", "-oname") == ""
    workspace.preview("--expect-no-changes")


@pytest.mark.parametrize(
    "changes",
    [
        {"service": {"type": "LoadBalancer", "internal": True, "sourceRanges": ["10.0.0.0/8"]}},
        {
            "ingress": {
                "host": "a.example.com",
                "class": "nginx",
                "controllerNamespace": "nginx",
                "tls": {"secret": "a"},
            }
        },
        {"ingress": {"host": "a.example.com", "controllerNamespace": "nginx", "tls": {"clusterIssuer": "acme"}}},
        {
            "spread": {"zone": "required", "node": "required"},
            "replicas": 2,
            "disruptionBudget": {"minAvailable": "50%"},
        },
    ],
    ids=["load balancer", "ingress", "issued certificate", "required spread"],
)
def test_what_this_cluster_lacks_is_accepted_by_its_api_server(
    workspace: Workspace, kubectl: Any, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.path)
    asyncio.set_event_loop(asyncio.new_event_loop())  # which Pulumi's mocks take for granted
    model = {"image": "registry.example.com/m@sha256:" + "a" * 64, **changes}
    recording = record({"cluster": "local", "namespace": STACK, "models": {"dry": model}})
    declared = [r for r in recording.resources if r.type.startswith("kubernetes:") and not r.type.endswith("Namespace")]
    assert len(declared) >= 6
    for resource in declared:
        document = {**resource.inputs, "metadata": {"name": "dry-run", **resource.inputs["metadata"]}}
        kubectl("create", "--dry-run=server", "--validate=strict", "-f-", stdin=json.dumps(document))

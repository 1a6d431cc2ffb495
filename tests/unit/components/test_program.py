"""What the whole program declares for a stack."""

from pathlib import Path
from typing import Any, ClassVar

import pulumi
import pytest
from pydantic import TypeAdapter

from components.config.types import PublicKey

from .recording import DIGEST, DIGITS, NODE_PORT, ROOT, STACK, Recording, golden, record

PROMOTED = {"image": f"registry.example.com/acme/models/iris@{DIGEST}"}


def with_digits(**changes: Any) -> dict[str, Any]:
    return STACK | {"models": {"digits": DIGITS | changes}}


def test_one_model_is_these_objects() -> None:
    recording = record(STACK)
    assert recording.kinds() == [
        "ConfigMap",
        "Deployment",
        "Image",
        "Namespace",
        "NetworkPolicy",
        "NetworkPolicy",
        "Service",
        "ServiceAccount",
    ]


def test_the_objects_are_the_golden_ones() -> None:
    """All of them, to be read in a review. After a change on purpose, write the file again:
    python -m tests.unit.components.recording > tests/unit/components/golden.yaml
    """
    assert golden() == (ROOT / "tests/unit/components/golden.yaml").read_text()


def test_two_models_share_a_namespace_and_nothing_else() -> None:
    recording = record(STACK | {"models": {"digits": DIGITS, "iris": PROMOTED}})
    assert recording.kinds() == sorted(
        [
            *["Namespace", "Image", "NetworkPolicy"],
            *2 * ["ConfigMap", "Deployment", "Service", "ServiceAccount", "NetworkPolicy"],
        ]
    )
    digits, iris = (recording.one("Deployment", model) for model in ("digits", "iris"))
    assert digits["spec"]["selector"] != iris["spec"]["selector"]
    assert recording.one("Service", "iris")["spec"]["selector"] == iris["spec"]["selector"]["matchLabels"]
    assert {name: model["url"] for name, model in recording.outputs["models"].items()} == {
        "digits": "http://digits.models.svc:80",
        "iris": "http://iris.models.svc:80",
    }


class TestOutputs:
    def test_what_the_stack_tells(self) -> None:
        recording = record(with_digits(service={"type": "NodePort"}))
        assert recording.outputs == {
            "namespace": "models",
            "nodePools": {},
            "models": {
                "digits": {
                    "image": f"localhost:5001/models/digits@{DIGEST}",
                    "deployment": "digits-server-7f3a9c21",
                    "service": "digits",
                    "port": 80,
                    "nodePort": NODE_PORT,
                    "url": "http://digits.models.svc:80",
                }
            },
            "capacity": {
                "models": {"digits": {"replicas": 1, "gpus": 0, "cpu": 0.25, "memoryGiB": 0.25}},
                "pools": {},
                "total": {"replicas": 1, "gpus": 0, "cpu": 0.25, "memoryGiB": 0.25},
            },
        }

    def test_a_service_inside_the_cluster_has_no_node_port(self) -> None:
        assert record(STACK).outputs["models"]["digits"]["nodePort"] is None

    def test_a_preview_before_the_first_build(self) -> None:
        """The digest is not known yet, and nothing that needs it is made up."""
        recording = record(STACK, preview=True, digest=None)
        template = recording.one("Deployment")["spec"]["template"]
        assert isinstance(template["spec"]["containers"][0]["image"], pulumi.output.Unknown)
        assert isinstance(template["metadata"]["labels"]["app.kubernetes.io/version"], pulumi.output.Unknown)


class TestImages:
    def test_a_source_is_built_and_deployed_by_digest(self) -> None:
        recording = record(STACK)
        [container] = recording.one("Deployment")["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"localhost:5001/models/digits@{DIGEST}"
        image = recording.one("Image")
        compared = ("buildArgs", "tags", "push", "buildOnPreview", "context", "cacheFrom", "cacheTo")
        assert {key: image[key] for key in compared} == {
            "buildArgs": {"FRAMEWORK": "keras"},
            "tags": ["localhost:5001/models/digits:dev"],
            "push": True,
            "buildOnPreview": False,
            "context": {"location": ".build/digits"},
            "cacheFrom": [{"registry": {"ref": "localhost:5001/models/digits:dev"}}],
            "cacheTo": [{"inline": {}}],
        }

    def test_a_finished_model_is_an_argument_and_the_way_to_it_a_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
        artifact = f"s3://models/digits/7/@{DIGEST}"
        source = {"framework": "onnx", "path": "model/digits", "artifact": artifact}
        recording = record(STACK | {"models": {"digits": {"source": source}}})
        [image] = [r for r in recording.resources if r.type == "docker-build:index:Image"]
        assert image.inputs["buildArgs"] == {"FRAMEWORK": "onnx", "ARTIFACT_KIND": "remote", "ARTIFACT": artifact}
        assert "secrets" in image.secret
        assert "canary" in image.inputs["secrets"]["artifact_access"]
        assert "artifact_access" in image.inputs["ignoreSecretsInDiffCalculation"]
        assert not [r for r in recording.resources if r is not image and "canary" in repr(r)]

    def test_the_loss_that_quantization_may_cost_is_an_argument(self) -> None:
        source = {"framework": "keras", "path": "model/digits", "quantization": {"type": "int8", "maxLoss": 0.01}}
        recording = record(STACK | {"models": {"digits": {"source": source}}})
        assert recording.one("Image")["buildArgs"] == {"FRAMEWORK": "keras", "QUANTIZATION_LOSS": "0.01"}

    def test_what_serves_and_what_computes_are_arguments_of_the_build_and_of_the_server(self) -> None:
        saved = {"source": {"framework": "tensorflow", "path": "model/digits"}, "runtime": "tensorflow"}
        recording = record(STACK | {"models": {"digits": saved}})
        assert recording.one("Image")["buildArgs"] == {"FRAMEWORK": "tensorflow", "RUNTIME": "tensorflow"}
        [container] = recording.one("Deployment")["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["memory"] == "768Mi"
        assert container["startupProbe"]["failureThreshold"] == 300
        recording = record(with_digits(accelerator="cuda"))
        assert recording.one("Image")["buildArgs"] == {"FRAMEWORK": "keras", "ACCELERATOR": "cuda"}
        assert recording.one("ConfigMap")["data"]["ACCELERATOR"] == "cuda"

    def test_a_signed_model_is_built_with_the_private_key_and_served_with_the_public_one(self) -> None:
        public_key = TypeAdapter(PublicKey).json_schema()["examples"][0]
        signing = {"publicKey": public_key, "privateKey": "signingKey"}
        recording = record(STACK | {"signing": signing}, secrets={"signingKey": "canary"})
        [image] = [r for r in recording.resources if r.type == "docker-build:index:Image"]
        assert image.inputs["buildArgs"] == {
            "FRAMEWORK": "keras",
            "SIGNING": "key",
            "SIGNING_PUBLIC_KEY": public_key,
        }
        assert "secrets" in image.secret
        assert image.inputs["secrets"]["signing_key"] == "canary"
        settings = [r.inputs["data"] for r in recording.resources if r.type.endswith(":ConfigMap")]
        assert [data["SIGNATURE_PUBLIC_KEY"] for data in settings] == [public_key]
        assert not [r for r in recording.resources if r is not image and "canary" in repr(r)]

    def test_the_context_is_staged_before_it_is_named(self, project: Path) -> None:
        record(STACK)
        assert (project / ".build/digits/source/train.py").read_text() == "model/digits/train.py\n"

    def test_platforms(self) -> None:
        recording = record(STACK | {"image": {"platforms": ["linux/amd64", "linux/arm64"]}})
        assert recording.one("Image")["platforms"] == ["linux/amd64", "linux/arm64"]

    def test_what_a_machine_needs_to_build_does_not_decide_whether_it_does(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_INDEX_URL", "https://user:canary@pip.example.test/simple")
        recording = record(STACK)
        [image] = [r for r in recording.resources if r.type == "docker-build:index:Image"]
        assert "secrets" in image.secret
        assert "canary" in image.inputs["secrets"]["pip_conf"]
        assert set(image.inputs["secrets"]) == set(image.inputs["ignoreSecretsInDiffCalculation"])
        assert not [r for r in recording.resources if r is not image and "canary" in repr(r)]

    def test_a_stacks_proxy_and_authorities_reach_the_build_as_secrets(self, project: Path) -> None:
        certificate = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----"
        (project / "company.pem").write_text(certificate)
        stack = STACK | {"proxy": {"https": "http://proxy.example.com:3128"}, "caBundle": "company.pem"}
        [image] = [r for r in record(stack).resources if r.type == "docker-build:index:Image"]
        assert "secrets" in image.secret
        assert certificate in image.inputs["secrets"]["ca_bundle"]
        assert {"proxy", "ca_bundle"} <= set(image.inputs["ignoreSecretsInDiffCalculation"])
        assert "proxy" not in repr(image.inputs["buildArgs"])

    def test_a_preview_builds_nothing_and_so_reads_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIP_INDEX_URL", "https://user:canary@pip.example.test/simple")
        planned, done = record(STACK, preview=True).one("Image"), record(STACK).one("Image")
        assert planned["secrets"] == {"pip_conf": "", "proxy": "", "ca_bundle": ""}
        assert planned["secrets"].keys() == done["secrets"].keys()

    def test_the_inputs_are_the_same_on_another_machine(
        self, project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def inputs() -> dict[tuple[str, str], dict[str, Any]]:
            resources = record(STACK).resources
            return {(r.type, r.name): r.inputs | {"secrets": "ignored when compared"} for r in resources}

        here = inputs()
        other = tmp_path_factory.mktemp("another place")
        (project / "model").rename(other / "model")
        monkeypatch.chdir(other)
        monkeypatch.setenv("KUBECONFIG", str(other / "kubeconfig"))
        monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example.test/simple")
        assert inputs() == here

    def test_a_promoted_image_is_deployed_as_it_is_and_nothing_is_built(self) -> None:
        recording = record({"cluster": "prod", "namespace": "models", "models": {"digits": PROMOTED}})
        assert "Image" not in recording.kinds()
        [container] = recording.one("Deployment")["spec"]["template"]["spec"]["containers"]
        assert container["image"] == PROMOTED["image"]
        assert recording.outputs["models"]["digits"]["image"] == PROMOTED["image"]

    def test_a_pushed_image_outlives_its_stack(self) -> None:
        assert [name for name, kept in options(STACK, "retain_on_delete").items() if kept] == ["digits-build"]


def options(config: dict[str, Any], name: str) -> dict[str, Any]:
    """An option of every object: a recording does not hold them."""
    seen: dict[str, Any] = {}
    original = pulumi.CustomResource.__init__

    def spy(self: Any, t: str, name_: str, props: Any = None, opts: Any = None, *rest: Any, **more: Any) -> None:
        seen[name_] = getattr(opts, name) if opts else None
        original(self, t, name_, props, opts, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.CustomResource, "__init__", spy)
        record(config)
    return seen


def test_a_protected_stack_keeps_its_namespace_pods_and_addresses() -> None:
    """Not what is replaced at every change: a protected ConfigMap could not be."""
    kept = [name for name, value in options(STACK | {"protect": "true"}, "protect").items() if value]
    assert sorted(kept) == ["digits-server", "digits-service", "models-namespace"]
    assert not any(options(STACK, "protect").values())


class TestSettingsAndSecrets:
    def test_they_are_immutable_and_named_by_pulumi(self) -> None:
        recording = record(with_digits(secrets=["apiToken"]), secrets={"apiToken": "canary"})
        for kind in ("ConfigMap", "Secret"):
            inputs = recording.one(kind)
            assert inputs["immutable"] is True
            assert "name" not in inputs["metadata"]

    def test_pods_name_the_objects_that_they_read_so_that_a_change_rolls_them(self) -> None:
        recording = record(with_digits(secrets=["apiToken"]), secrets={"apiToken": "canary"})
        spec = recording.one("Deployment")["spec"]["template"]["spec"]
        assert spec["containers"][0]["envFrom"] == [{"configMapRef": {"name": "digits-settings-7f3a9c21"}}]
        [source] = spec["volumes"][1]["projected"]["sources"]
        assert source["secret"]["name"] == "digits-secrets-7f3a9c21"

    def test_a_models_environment(self) -> None:
        recording = record(with_digits(env={"LOG_LEVEL": "debug"}))
        data = recording.one("ConfigMap")["data"]
        assert data == {"LOG_LEVEL": "debug", "MODEL_NAME": "digits", "PORT": "8080", "DRAIN_SECONDS": "30"}

    def test_secret_values_are_marked_secret_and_are_in_the_secret_only(self) -> None:
        recording = record(with_digits(secrets=["apiToken"]), secrets={"apiToken": "canary"})
        holders = [r for r in recording.resources if "canary" in repr(r.inputs)]
        assert [(r.type, r.secret) for r in holders] == [("kubernetes:core/v1:Secret", frozenset({"stringData"}))]
        assert holders[0].inputs["stringData"] == {"apiToken": "canary"}
        assert "canary" not in repr(recording.outputs)

    def test_each_model_gets_its_own_secrets_only(self) -> None:
        models = {"digits": DIGITS | {"secrets": ["a"]}, "iris": PROMOTED | {"secrets": ["b"]}}
        recording = record(STACK | {"models": models}, secrets={"a": "1", "b": "2"})
        assert recording.one("Secret", "digits")["stringData"] == {"a": "1"}
        assert recording.one("Secret", "iris")["stringData"] == {"b": "2"}


class TestDeployment:
    def test_no_update_takes_capacity_away(self) -> None:
        strategy = record(STACK).one("Deployment")["spec"]["strategy"]
        assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}

    def test_one_value_sets_how_long_a_start_may_take(self) -> None:
        deployment = record(with_digits(startupTimeoutSeconds=20, replicas=3)).one("Deployment")
        assert deployment["spec"]["progressDeadlineSeconds"] == 20
        assert deployment["metadata"]["annotations"]["pulumi.com/timeoutSeconds"] == "70"

    def test_the_version_is_on_the_pods_and_not_in_the_selector(self) -> None:
        spec = record(STACK).one("Deployment")["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/version"] == DIGEST.removeprefix("sha256:")[:12]
        selector = spec["selector"]["matchLabels"]
        assert selector == {key: value for key, value in labels.items() if not key.endswith("/version")}

    def test_its_service_account_has_no_token(self) -> None:
        recording = record(STACK)
        assert recording.one("ServiceAccount")["automountServiceAccountToken"] is False
        pod = recording.one("Deployment")["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == "digits-account-7f3a9c21"

    def test_one_pod_has_no_budget_and_several_have_one_that_lets_nodes_drain(self) -> None:
        assert "PodDisruptionBudget" not in record(STACK).kinds()
        recording = record(with_digits(replicas=2))
        budget = recording.one("PodDisruptionBudget")["spec"]
        selector = recording.one("Deployment")["spec"]["selector"]
        assert budget == {"maxUnavailable": 1, "selector": selector, "unhealthyPodEvictionPolicy": "AlwaysAllow"}

    def test_the_program_owns_the_replicas_that_it_sets(self) -> None:
        """Also those that were an autoscaler's before: taking them back must be no conflict."""
        metadata = record(STACK).one("Deployment")["metadata"]
        assert metadata["annotations"]["pulumi.com/patchForce"] == "true"
        assert options(STACK, "ignore_changes")["digits-server"] is None


class TestAutoscaling:
    SCALED: ClassVar[dict[str, Any]] = with_digits(replicas={"min": 2, "max": 6, "targetCPUUtilization": 60})

    def test_it_scales_the_deployment_by_the_cpu_that_its_pods_use(self) -> None:
        spec = record(self.SCALED).one("HorizontalPodAutoscaler")["spec"]
        assert spec["scaleTargetRef"] == {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "digits-server-7f3a9c21",
        }
        assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
        target = {"type": "Utilization", "averageUtilization": 60}
        assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]

    def test_the_requests_of_a_pod_are_another_target(self) -> None:
        replicas = {"min": 2, "max": 6, "targetInFlight": 0.5, "targetQueueTime": "5ms"}
        recording = record(with_digits(replicas=replicas) | {"monitoring": {"mode": "existing"}})
        assert recording.one("HorizontalPodAutoscaler")["spec"]["metrics"] == [
            {
                "type": "Pods",
                "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": value}},
            }
            for name, value in (("model_pod_requests_in_flight", "500m"), ("model_pod_queue_milliseconds", "5"))
        ]
        groups = recording.one("PrometheusRule")["spec"]["groups"]
        recorded = {rule.get("record") for group in groups for rule in group["rules"]}
        assert {"model:pod_requests_in_flight", "model:pod_queue_seconds"} <= recorded

    def test_keda_asks_prometheus_itself_and_may_scale_to_zero(self) -> None:
        wake = {"query": "sum(rate(ingress_requests[2m]))", "threshold": 1}
        keda = {"prometheus": "http://prometheus.monitoring.svc:9090", "wake": wake}
        replicas = {"min": 0, "max": 3, "targetInFlight": 4, "keda": keda}
        recording = record(with_digits(replicas=replicas) | {"monitoring": {"mode": "existing"}})
        assert "HorizontalPodAutoscaler" not in recording.kinds()
        found = recording.one("ScaledObject")
        assert found["apiVersion"] == "keda.sh/v1alpha1"
        spec = found["spec"]
        assert spec["scaleTargetRef"]["name"] == "digits-server-7f3a9c21"
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 3)
        assert [trigger["metadata"]["query"] for trigger in spec["triggers"]] == [
            'sum(model:pod_requests_in_flight{namespace="models",model="digits"}) or vector(0)',
            "sum(rate(ingress_requests[2m]))",
        ]
        # It starts with one, which proves itself.
        assert recording.one("Deployment")["spec"]["replicas"] == 1

    def test_how_fast_is_always_said(self) -> None:
        behavior = record(self.SCALED).one("HorizontalPodAutoscaler")["spec"]["behavior"]
        assert behavior == {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [
                    {"type": "Pods", "value": 1, "periodSeconds": 60},
                    {"type": "Percent", "value": 100, "periodSeconds": 60},
                ],
            },
            "scaleDown": {
                "stabilizationWindowSeconds": 300,
                "selectPolicy": "Max",
                "policies": [
                    {"type": "Pods", "value": 1, "periodSeconds": 60},
                    {"type": "Percent", "value": 10, "periodSeconds": 60},
                ],
            },
        }

    def test_the_replicas_have_one_owner(self) -> None:
        deployment = record(self.SCALED).one("Deployment")
        assert deployment["spec"]["replicas"] == 2
        assert "pulumi.com/patchForce" not in deployment["metadata"]["annotations"]
        assert options(self.SCALED, "ignore_changes")["digits-server"] == ["spec.replicas"]

    def test_a_fixed_number_has_no_autoscaler(self) -> None:
        assert "HorizontalPodAutoscaler" not in record(with_digits(replicas=3)).kinds()

    def test_a_single_pod_that_may_become_more_has_a_budget(self) -> None:
        recording = record(with_digits(replicas={"max": 2}))
        assert recording.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


class TestService:
    def test_it_is_named_like_the_model_and_finds_its_pods(self) -> None:
        recording = record(STACK)
        service = recording.one("Service")
        assert service["metadata"]["name"] == "digits"
        pods = recording.one("Deployment")["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= pods.items()
        assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]

    @pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
    def test_its_type(self, kind: str) -> None:
        assert record(with_digits(service={"type": kind})).one("Service")["spec"]["type"] == kind

    def test_a_load_balancer_for_some(self) -> None:
        ranges = ["10.0.0.0/8"]
        config = {
            "type": "LoadBalancer",
            "internal": True,
            "sourceRanges": ranges,
            "annotations": {"example.com/a": "b"},
        }
        service = record(with_digits(service=config)).one("Service")
        assert service["spec"]["loadBalancerSourceRanges"] == ranges
        assert service["metadata"]["annotations"] == {
            "networking.gke.io/load-balancer-type": "Internal",
            "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
            "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
            "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
            "example.com/a": "b",
        }

    def test_without_wishes_it_has_no_annotations(self) -> None:
        assert "annotations" not in record(STACK).one("Service")["metadata"]


class TestNetworkPolicies:
    def test_everything_is_denied_in_the_namespace(self) -> None:
        policy = record(STACK).one("NetworkPolicy", "models")
        assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

    def test_a_models_own_policy_opens_what_it_needs_and_says_so(self) -> None:
        policy = record(STACK).one("NetworkPolicy")
        assert policy["spec"]["ingress"] == [
            {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8080}]}
        ]
        assert policy["spec"]["egress"] == []
        assert policy["metadata"]["annotations"] == {"kubernetes.io/description": "in: pods of this namespace"}

    def test_it_is_of_the_models_pods_and_its_canarys_and_of_no_others(self) -> None:
        recording = record(STACK | {"models": {"digits": DIGITS, "iris": PROMOTED}})
        labels = recording.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
        pods = {m: recording.one("Deployment", m)["spec"]["template"]["metadata"]["labels"] for m in ("digits", "iris")}
        assert labels.items() <= pods["digits"].items()
        assert not labels.items() <= pods["iris"].items()

    def test_they_are_on_unless_switched_off(self) -> None:
        assert "NetworkPolicy" not in record(STACK | {"network": {"defaultDeny": False}}).kinds()


class TestIngress:
    INGRESS: ClassVar[dict[str, Any]] = {"host": "digits.example.com", "controllerNamespace": "ingress-nginx"}

    def test_a_host_leads_to_the_service(self) -> None:
        ingress = record(with_digits(ingress=self.INGRESS)).one("Ingress")
        backend = {"service": {"name": "digits", "port": {"name": "http"}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        assert ingress["spec"] == {"rules": [{"host": "digits.example.com", "http": {"paths": [path]}}]}
        assert ingress["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}

    @pytest.mark.parametrize(
        ("tls", "secret", "annotations"),
        [
            ({"secret": "example-com"}, "example-com", {}),
            ({"issuer": "vault"}, "digits-tls", {"cert-manager.io/issuer": "vault"}),
            ({"clusterIssuer": "acme"}, "digits-tls", {"cert-manager.io/cluster-issuer": "acme"}),
        ],
    )
    def test_its_certificate(self, tls: dict[str, str], secret: str, annotations: dict[str, str]) -> None:
        ingress = record(with_digits(ingress=self.INGRESS | {"tls": tls, "class": "nginx"})).one("Ingress")
        assert ingress["spec"]["ingressClassName"] == "nginx"
        assert ingress["spec"]["tls"] == [{"hosts": ["digits.example.com"], "secretName": secret}]
        assert ingress["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true", **annotations}


class TestRoute:
    ROUTE: ClassVar[dict[str, Any]] = {
        "host": "digits.example.com",
        "gateway": {"name": "shared", "namespace": "gateways", "listener": "https"},
    }
    CANARY: ClassVar[dict[str, Any]] = {"image": PROMOTED["image"], "weight": 10}

    def named(self, recording: Recording, name: str) -> dict[str, Any]:
        [found] = [r for r in recording.resources if r.name == name and r.type.startswith("kubernetes:")]
        return found.inputs

    def test_all_of_a_host_goes_to_the_model(self) -> None:
        route = record(with_digits(route=self.ROUTE)).one("HTTPRoute")
        assert (route["apiVersion"], route["kind"]) == ("gateway.networking.k8s.io/v1", "HTTPRoute")
        assert route["spec"]["hostnames"] == ["digits.example.com"]
        [parent] = route["spec"]["parentRefs"]
        assert (parent["name"], parent["namespace"], parent["sectionName"]) == ("shared", "gateways", "https")
        [rule] = route["spec"]["rules"]
        assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "digits", "port": 80, "weight": 100}]

    def test_a_canary_is_a_second_deployment_with_its_share_of_the_requests(self) -> None:
        recording = record(with_digits(route=self.ROUTE, replicas=3, canary=self.CANARY))
        [rule] = self.named(recording, "digits-route")["spec"]["rules"]
        assert {backend["name"]: backend["weight"] for backend in rule["backendRefs"]} == {
            "digits": 90,
            "digits-canary": 10,
        }
        canary, stable = (self.named(recording, name)["spec"] for name in ("digits-canary-server", "digits-server"))
        assert (canary["replicas"], stable["replicas"]) == (1, 3)
        [container] = canary["template"]["spec"]["containers"]
        [other] = stable["template"]["spec"]["containers"]
        assert container["image"] == PROMOTED["image"]
        assert container["envFrom"] == other["envFrom"]

    def test_no_selector_of_the_one_finds_pods_of_the_other(self) -> None:
        before = record(with_digits(route=self.ROUTE, replicas=2))
        recording = record(with_digits(route=self.ROUTE, replicas=2, canary=self.CANARY | {"replicas": 2}))
        for name in ("digits", "digits-canary"):
            mine, theirs = name, "digits" if name == "digits-canary" else "digits-canary"
            pods, others = (
                self.named(recording, f"{which}-server")["spec"]["template"]["metadata"]["labels"]
                for which in (mine, theirs)
            )
            selectors = [
                self.named(recording, f"{name}-server")["spec"]["selector"]["matchLabels"],
                self.named(recording, f"{name}-service")["spec"]["selector"],
                self.named(recording, f"{name}-budget")["spec"]["selector"]["matchLabels"],
            ]
            for selector in selectors:
                assert selector.items() <= pods.items()
                assert not selector.items() <= others.items()
            policy = self.named(recording, "digits-network")["spec"]["podSelector"]["matchLabels"]
            assert policy.items() <= pods.items()
        # A canary that comes and goes changes nothing of the stable pods.
        assert self.named(before, "digits-server") == self.named(recording, "digits-server")


class TestCluster:
    @pytest.mark.parametrize(
        ("cluster", "inputs"),
        [
            ("local", {"clusterIdentifier": "local", "kubeconfig": ""}),
            ("gke_acme", {"clusterIdentifier": "gke_acme", "kubeconfig": "", "context": "gke_acme"}),
        ],
    )
    def test_the_provider_holds_no_path_of_this_machine(
        self, cluster: str, inputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", "/somewhere/kubeconfig")
        recording = record(STACK | {"cluster": cluster})
        [provider] = [r for r in recording.resources if r.type == "pulumi:providers:kubernetes"]
        assert provider.inputs == inputs

    def test_every_kubernetes_object_goes_to_it(self) -> None:
        recording = record(STACK)
        used = {r.provider for r in recording.resources if r.type.startswith("kubernetes:")}
        assert len(used) == 1
        assert "::cluster::" in used.pop()

    def test_the_namespace_is_the_configured_one_and_restricted(self) -> None:
        recording: Recording = record(STACK)
        metadata = recording.one("Namespace", "models")["metadata"]
        assert metadata["name"] == "models"
        assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        objects = [r for r in recording.resources if r.type.startswith("kubernetes:")]
        assert {r.inputs["metadata"].get("namespace") for r in objects} == {"models", None}

"""What the program declares for settings and secrets, and how it reaches the cluster."""

from typing import Any

import pytest

from components.cluster import kubeconfig_of
from components.errors import UserError

from .recording import DIGITS, STACK, Recorded, Recording, record

CANARY = "canary-1234"


def everything_but(recording: Recording, *allowed: Recorded) -> list[str]:
    """Resources that show the canary, except those that may."""
    return [r.name for r in recording.resources if r not in allowed and CANARY in repr(r)]


def of_kind(recording: Recording, kind: str) -> Recorded:
    [found] = [r for r in recording.resources if r.type.endswith(f":{kind}")]
    return found


class TestSecretsOfTheConfiguration:
    def test_they_are_in_one_secret_and_nowhere_else(self) -> None:
        digits = DIGITS | {
            "secrets": [{"config": "apiToken", "env": "TOKEN"}],
            "database": {"host": "db", "name": "a", "user": "b", "password": "dbPassword", "tls": {"mode": "require"}},
        }
        secrets = {"apiToken": f"{CANARY}-1", "dbPassword": f"{CANARY}-2", "shared": f"{CANARY}-3"}
        recording = record(STACK | {"models": {"digits": digits}, "secrets": ["shared"]}, secrets=secrets)
        secret = of_kind(recording, "Secret")
        assert secret.inputs["stringData"] == {
            "TOKEN": f"{CANARY}-1",
            "database-password": f"{CANARY}-2",
            "shared": f"{CANARY}-3",
        }
        assert secret.inputs["immutable"] is True
        assert "stringData" in secret.secret
        assert everything_but(recording, secret) == []

    def test_credentials_of_a_registry_are_a_secret_that_the_pods_pull_with(self) -> None:
        login = f'{{"auths": {{"r.example.com": {{"auth": "{CANARY}"}}}}}}'
        stack = STACK | {"registry": STACK["registry"] | {"pullSecret": {"config": "login"}}}
        recording = record(stack, secrets={"login": login})
        secret = of_kind(recording, "Secret")
        assert secret.inputs["type"] == "kubernetes.io/dockerconfigjson"
        assert "stringData" in secret.secret
        assert everything_but(recording, secret) == []
        pod = recording.one("Deployment")["spec"]["template"]["spec"]
        assert pod["imagePullSecrets"] == [{"name": "models-registry-login-7f3a9c21"}]

    def test_existing_credentials_are_used_by_name(self) -> None:
        recording = record(STACK | {"registry": STACK["registry"] | {"pullSecret": "login"}})
        assert "Secret" not in recording.kinds()
        pod = recording.one("Deployment")["spec"]["template"]["spec"]
        assert pod["imagePullSecrets"] == [{"name": "login"}]


def test_a_secret_in_a_store_is_asked_for_under_the_name_that_the_pod_waits_for() -> None:
    digits = DIGITS | {"secrets": [{"external": {"store": "vault", "key": "token"}}]}
    recording = record(STACK | {"models": {"digits": digits}})
    asked = recording.one("ExternalSecret")
    pod = recording.one("Deployment")["spec"]["template"]["spec"]
    [source] = next(v["projected"]["sources"] for v in pod["volumes"] if v["name"] == "secrets")
    assert source["secret"]["name"] == asked["spec"]["target"]["name"] == asked["metadata"]["name"]


class TestCluster:
    def provider(self, cluster: Any, **options: Any) -> Recorded:
        recording = record(STACK | {"cluster": cluster}, **options)
        provider = of_kind(recording, "kubernetes")
        assert everything_but(recording, provider) in ([], ["cluster-stack"])
        return provider

    def test_by_a_context(self) -> None:
        assert self.provider("local").inputs == {"clusterIdentifier": "local", "kubeconfig": ""}
        assert self.provider("prod").inputs == {"clusterIdentifier": "prod", "kubeconfig": "", "context": "prod"}
        assert self.provider({"context": "prod"}).inputs == self.provider("prod").inputs

    def test_by_a_kubeconfig_which_is_secret_and_may_change(self) -> None:
        first, second = (
            self.provider({"kubeconfig": "prodCluster"}, secrets={"prodCluster": f"{CANARY}-{number}"})
            for number in (1, 2)
        )
        assert "kubeconfig" in first.secret
        assert first.inputs["kubeconfig"] == f"{CANARY}-1"
        assert first.inputs["clusterIdentifier"] == second.inputs["clusterIdentifier"] == "kubeconfig:prodCluster"

    @pytest.mark.parametrize("kubeconfig", [CANARY, {"clusters": [CANARY]}])
    def test_by_what_another_stack_puts_out(self, kubeconfig: Any) -> None:
        cluster = {"from": {"stack": "acme/platform/prod", "output": "kubeconfig"}}
        provider = self.provider(cluster, other_stack={"kubeconfig": kubeconfig})
        assert "kubeconfig" in provider.secret
        assert CANARY in provider.inputs["kubeconfig"]
        assert provider.inputs["clusterIdentifier"] == "acme/platform/prod:kubeconfig"

    @pytest.mark.parametrize("outputs", [{"other": 1}, {"other": 1, "kubeconfig": ""}])
    def test_another_stack_without_a_kubeconfig_is_not_taken_for_the_cluster_at_hand(
        self, outputs: dict[str, Any]
    ) -> None:
        """Asked of the function alone: an error inside of Pulumi leaves tasks behind that disturb other tests."""
        with pytest.raises(UserError, match=r"stack acme/platform/prod has no output kubeconfig; it has: .*other"):
            kubeconfig_of(outputs, "acme/platform/prod", "kubeconfig")

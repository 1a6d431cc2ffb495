"""What a server is told: by its own settings, the stack's, and the program's."""

from pathlib import Path
from typing import Any

import pytest

from components.config import ModelConfig, StackConfig
from components.planning import settings
from components.planning.runtimes import runtime_of

IMAGE = "registry.example.com/m@sha256:" + "a" * 64
DATABASE = {"host": "db.example.com", "name": "features", "user": "reader", "password": "dbPassword"}
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def configured(stack: dict[str, Any], **model: Any) -> tuple[StackConfig, ModelConfig]:
    """A stack with one model, which has what the stack sets for all."""
    given = {"cluster": "local", "models": {"digits": {"image": IMAGE} | model}}
    config = StackConfig.model_validate(given | stack)
    return config, settings.with_stack_wide(config, config.models["digits"])


def environment(stack: dict[str, Any], **model: Any) -> dict[str, str]:
    config, merged = configured(stack, **model)
    runtime = runtime_of("digits", merged)
    told = settings.environment(config, merged, runtime)
    return {name: value for name, value in told.items() if name not in runtime.environment}


class TestStackWide:
    def test_variables_are_everybodys_and_the_models_own_win(self) -> None:
        stack = {"env": {"LOG_LEVEL": "info", "TEAM": "vision"}}
        assert environment(stack, env={"LOG_LEVEL": "debug"}) == {"LOG_LEVEL": "debug", "TEAM": "vision"}

    def test_secrets_are_added_and_the_models_own_win_by_name(self) -> None:
        _, model = configured(
            {"secrets": ["apiToken", {"config": "shared", "env": "TOKEN"}, {"config": "c", "env": "OPEN"}]},
            secrets=[{"config": "other", "file": "apiToken"}, {"config": "mine", "env": "TOKEN"}],
            env={"OPEN": "said openly by the model"},
        )
        secrets = settings.secrets_of(model)
        assert secrets.values == {"apiToken": "other", "TOKEN": "mine"}
        assert secrets.own == settings.SecretKeys(files={"apiToken": "apiToken"}, variables={"TOKEN": "TOKEN"})

    def test_a_models_database_is_not_mixed_with_the_stacks(self) -> None:
        tls = {"tls": {"mode": "disable"}}
        stack = {"database": DATABASE | tls}
        assert environment(stack)["DATABASE_HOST"] == "db.example.com"
        own = environment(stack, database={"type": "tcp", "host": "redis", "port": 6379, **tls})
        assert own == {
            "DATABASE_HOST": "redis",
            "DATABASE_PORT": "6379",
            "DATABASE_TLS_MODE": "disable",
            "DATABASE_CHECK": "tcp",
        }


class TestDatabase:
    def test_how_it_is_told(self) -> None:
        assert environment({}, database=DATABASE | {"tls": {"ca": "ca.pem"}}) == {
            "DATABASE_HOST": "db.example.com",
            "DATABASE_PORT": "5432",
            "DATABASE_NAME": "features",
            "DATABASE_USER": "reader",
            "DATABASE_PASSWORD_FILE": "/run/secrets/model-serving/database-password",
            "DATABASE_TLS_MODE": "verify-full",
            "DATABASE_CA_FILE": "/etc/model-serving/database-ca.pem",
            "DATABASE_CHECK": "postgresql",
        }

    def test_its_password_is_a_secret_of_the_model(self) -> None:
        _, model = configured({}, database=DATABASE)
        secrets = settings.secrets_of(model)
        assert secrets.values == {"database-password": "dbPassword"}
        assert secrets.own.files == {"database-password": "database-password"}

    def test_a_password_as_a_variable_has_no_file(self) -> None:
        database = DATABASE | {"password": {"config": "dbPassword", "env": "PGPASSWORD"}}
        assert "DATABASE_PASSWORD_FILE" not in environment({}, database=database)
        _, model = configured({}, database=database)
        assert settings.secrets_of(model).own.variables == {"PGPASSWORD": "PGPASSWORD"}

    def test_without_an_authority_of_its_own_the_stacks_are_trusted(self) -> None:
        told = environment({"caBundle": "ca.pem"}, database=DATABASE)
        assert told["DATABASE_CA_FILE"] == "/etc/model-serving/ca-bundle.pem"

    @pytest.mark.parametrize(
        "changes",
        [
            {"database": DATABASE | {"readinessCheck": False}},
            {"database": DATABASE, "runtime": "triton", "files": {"claim": "m"}},
        ],
    )
    def test_it_is_asked_by_our_server_and_where_it_may(self, changes: dict[str, Any]) -> None:
        assert "DATABASE_CHECK" not in environment({}, **changes)


class TestSecrets:
    def test_of_a_store(self) -> None:
        _, model = configured(
            {},
            secrets=[
                {"external": {"store": "vault", "key": "team/db", "property": "password"}},
                {
                    "external": {"store": "aws", "kind": "ClusterSecretStore", "key": "token", "version": 3},
                    "env": "TOKEN",
                },
            ],
        )
        secrets = settings.secrets_of(model)
        assert secrets.external == [
            {
                "secretKey": "password",
                "sourceRef": {"storeRef": {"name": "vault", "kind": "SecretStore"}},
                "remoteRef": {"key": "team/db", "property": "password"},
            },
            {
                "secretKey": "TOKEN",
                "sourceRef": {"storeRef": {"name": "aws", "kind": "ClusterSecretStore"}},
                "remoteRef": {"key": "token", "version": "3"},
            },
        ]
        assert secrets.from_stores == settings.SecretKeys(files={"password": "password"}, variables={"TOKEN": "TOKEN"})

    def test_another_version_in_the_store_is_another_secret(self) -> None:
        names = set[str]()
        for version in ("1", "2"):
            _, model = configured({}, secrets=[{"external": {"store": "aws", "key": "t", "version": version}}])
            names.add(settings.external_name("digits", settings.secrets_of(model).external))
        assert len(names) == 2
        assert all(name.startswith("digits-external-") for name in names)

    def test_that_are_there_already(self) -> None:
        _, model = configured(
            {},
            secrets=[
                {"secretRef": {"name": "login", "key": "pw", "revision": 2}, "file": "password"},
                {"secretRef": {"name": "login", "key": "user"}, "env": "LOGIN"},
                {"secretRef": {"name": "token", "key": "value"}},
            ],
        )
        secrets = settings.secrets_of(model)
        assert secrets.existing == {
            "login": settings.SecretKeys(files={"password": "pw"}, variables={"LOGIN": "user"}),
            "token": settings.SecretKeys(files={"value": "value"}),
        }
        assert secrets.annotations == {"model-serving/secret-revisions": "login/pw=2"}
        assert not secrets.values


class TestProxyAndAuthorities:
    def test_both_spellings_and_nothing_of_the_cluster_through_it(self) -> None:
        told = environment({"proxy": {"https": "http://proxy:3128", "noProxy": [".example.com"]}})
        assert told["HTTPS_PROXY"] == told["https_proxy"] == "http://proxy:3128"
        assert "HTTP_PROXY" not in told
        direct = told["NO_PROXY"].split(",")
        assert told["no_proxy"] == told["NO_PROXY"]
        assert {"localhost", ".svc", ".cluster.local", "10.0.0.0/8", ".example.com"} <= set(direct)

    def test_authorities_are_where_programs_look_for_them(self) -> None:
        told = environment({"caBundle": "ca.pem"})
        assert set(told.values()) == {"/etc/model-serving/ca-bundle.pem"}
        assert {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"} <= told.keys()

    def test_a_model_may_say_otherwise(self) -> None:
        told = environment({"proxy": {"https": "http://proxy:3128"}}, env={"HTTPS_PROXY": ""})
        assert told["HTTPS_PROXY"] == ""


def test_whom_the_server_calls_is_let_through() -> None:
    stack = {"proxy": {"http": "http://proxy.test", "https": "https://proxy.test:3128"}}
    config, model = configured(stack, database=DATABASE)
    assert [(to.host, to.port) for to in settings.destinations(config, model)] == [
        ("db.example.com", 5432),
        ("proxy.test", 80),
        ("proxy.test", 3128),
    ]
    assert settings.destinations(*configured({})) == []


def test_files_of_all_kinds(tmp_path: Path) -> None:
    for name in ("db.pem", "company.pem"):
        (tmp_path / name).write_text(f"{name}\n{PEM}")
    (tmp_path / "labels.txt").write_text("zero\none\n")
    config, model = configured(
        {"caBundle": "company.pem"},
        runtime="tf-serving",
        files={"claim": "m"},
        configFiles={"labels": {"path": "labels.txt"}, "note": "text"},
        database=DATABASE | {"tls": {"ca": "db.pem"}},
    )
    told = settings.files(config, model, runtime_of("digits", model), tmp_path)
    assert told.pop("monitoring.config").startswith("prometheus_config")
    assert told == {
        "labels": "zero\none\n",
        "note": "text",
        "ca-bundle.pem": f"company.pem\n{PEM}",
        "database-ca.pem": f"db.pem\n{PEM}",
    }


@pytest.mark.parametrize(
    ("identity", "annotations", "labels"),
    [
        (
            {"gke": "digits@acme.iam.gserviceaccount.com"},
            {"iam.gke.io/gcp-service-account": "digits@acme.iam.gserviceaccount.com"},
            {},
        ),
        (
            {"eks": "arn:aws:iam::123456789012:role/digits"},
            {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/digits"},
            {},
        ),
        (
            {"aks": "01234567-89ab-cdef-0123-456789abcdef"},
            {"azure.workload.identity/client-id": "01234567-89ab-cdef-0123-456789abcdef"},
            {"azure.workload.identity/use": "true"},
        ),
    ],
)
def test_who_a_pod_is_to_its_cloud(
    identity: dict[str, str], annotations: dict[str, str], labels: dict[str, str]
) -> None:
    _, model = configured({}, identity=identity)
    assert settings.identity_annotations(model.identity) == annotations
    assert settings.identity_labels(model.identity) == labels

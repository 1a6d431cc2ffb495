"""What the settings of a stack file may not say, and the line that says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from .test_accepted import SMALLEST
from .test_rejected import EXAMPLE_IMAGE, SECRET, Mistakes, changed

HERE = "models.digits"
CANARY = "canary-1234"
DATABASE = {"host": "db.example.com", "name": "features", "user": "reader", "tls": {"mode": "require"}}
TRITON = {"image": EXAMPLE_IMAGE, "runtime": "triton", "files": {"claim": "m"}}


def fix(path: str, value: str) -> str:
    return f"-> pulumi config set --path 'model-serving:{path}' {value} --stack dev"


# Where (below `model-serving:`), what is written there, and the whole line that answers it.
CASES: dict[str, tuple[str, Any, str]] = {
    "a variable of the program for all models": (
        "env", {"DATABASE_HOST": "x"},
        "model-serving:env: DATABASE_HOST cannot be set here: the program sets it "
        "-> pulumi config rm --path 'model-serving:env.DATABASE_HOST' --stack dev",
    ),
    "a secret from nowhere": (
        f"{HERE}.secrets", [{"env": "TOKEN"}],
        f"model-serving:{HERE}.secrets[0]: none of config (a key of this stack's configuration), secretRef (an "
        "existing Secret) and external (External Secrets) is given; a secret comes from exactly one "
        "-> give one of them",
    ),
    "a secret from two places": (
        f"{HERE}.secrets", [{"secretRef": {"name": "a", "key": "b"}, "external": {"store": "vault", "key": "b"}}],
        f"model-serving:{HERE}.secrets[0]: secretRef and external are given; a secret comes from exactly one "
        "-> keep one of them",
    ),
    "a secret that is a file and a variable": (
        f"{HERE}.secrets", [{"secretRef": {"name": "a", "key": "b"}, "file": "c", "env": "D"}],
        f"model-serving:{HERE}.secrets[0]: file and env are given; a secret becomes one of them -> keep one of them",
    ),
    "a secret whose key is no file": (
        f"{HERE}.secrets", [{"external": {"store": "vault", "key": "team/token"}}],
        f"model-serving:{HERE}.secrets[0]: has a key that is no name for a file; give file or env "
        "-> add file: NAME or env: NAME to it",
    ),
    "a secret with a key that it does not have": (
        f"{HERE}.secrets", [{"secretRef": {"name": "a", "key": "b"}, "path": "/c"}],
        f"model-serving:{HERE}.secrets[0].path: unknown key; allowed: config, secretRef, external, file, env "
        f"-> pulumi config rm --path 'model-serving:{HERE}.secrets[0].path' --stack dev",
    ),
    "a secret that is a number": (
        "secrets", [5],
        f"model-serving:secrets[0]: the value is not a secret; allowed: {SECRET} "
        + fix("secrets[0]", "apiToken"),
    ),
    "a secret of all models without a value": (
        "secrets", [{"config": "apiToken", "env": "TOKEN"}],
        "model-serving:secrets[0].config: the secret apiToken has no value "
        "-> pulumi config set --secret model-serving:apiToken --stack dev",
    ),
    "two secrets for one file": (
        f"{HERE}.secrets", [{"secretRef": {"name": n, "key": "password"}} for n in "ab"],
        f"model-serving:{HERE}.secrets: password is listed more than once -> list each once",
    ),
    "a secret variable that is set openly too": (
        HERE, SMALLEST["models"]["digits"] | {
            "env": {"TOKEN": "x"}, "secrets": [{"secretRef": {"name": "a", "key": "b"}, "env": "TOKEN"}]},
        f"model-serving:{HERE}.secrets: TOKEN is set in env too -> keep one of them",
    ),
    "a secret variable of the program": (
        f"{HERE}.secrets", [{"secretRef": {"name": "a", "key": "b"}, "env": "PORT"}],
        f"model-serving:{HERE}.secrets: PORT cannot be set here: the program sets it -> rename it, or take it out",
    ),
    "a store of a kind that there is not": (
        f"{HERE}.secrets", [{"external": {"store": "vault", "kind": "Vault", "key": "token"}}],
        f"model-serving:{HERE}.secrets[0].external.kind: the value is not one of the choices; "
        "allowed: SecretStore, ClusterSecretStore " + fix(f"{HERE}.secrets[0].external.kind", "SecretStore"),
    ),
    "an existing Secret without a key": (
        f"{HERE}.secrets", [{"secretRef": {"name": "login"}}],
        f"model-serving:{HERE}.secrets[0].secretRef.key: is required and missing; "
        'allowed: 1 to 253 letters, digits, "-", "_" and "." ' + fix(f"{HERE}.secrets[0].secretRef.key", "password"),
    ),
    "a file that is in another folder": (
        f"{HERE}.configFiles", {"../x": "text"},
        f"model-serving:{HERE}.configFiles[\"../x\"]: \"../x\" is not possible as a name here; allowed: 1 to 253 "
        'letters, digits, "-", "_" and ".", not starting with "-" or "." '
        f"-> rename it, or pulumi config rm --path 'model-serving:{HERE}.configFiles[\"../x\"]' --stack dev",
    ),
    "a file that is a list": (
        f"{HERE}.configFiles", {"labels": ["a"]},
        f"model-serving:{HERE}.configFiles.labels: the value is not possible here; allowed: the file's text, or a "
        "section with the path of a file of this project " + fix(f"{HERE}.configFiles.labels", "'threshold = 0.5'"),
    ),
    "a file of the program": (
        f"{HERE}.configFiles", {"ca-bundle.pem": "x"},
        f"model-serving:{HERE}.configFiles: ca-bundle.pem cannot be set here: the program has a file of that name "
        "-> rename it",
    ),
    "a file with two contents": (
        f"{HERE}.configFiles", {"a": {"content": "x", "path": "notes.txt"}},
        f"model-serving:{HERE}.configFiles.a: content and path are given; a file has exactly one of content and path "
        "-> keep one of them",
    ),
    "a file without content": (
        f"{HERE}.configFiles", {"a": {}},
        f"model-serving:{HERE}.configFiles.a: neither content nor path is given; a file has exactly one of content "
        "and path -> give one of them",
    ),
    "a file that does not exist": (
        f"{HERE}.configFiles", {"a": {"path": "config/none.json"}},
        f"model-serving:{HERE}.configFiles.a.path: file config/none.json does not exist or cannot be read "
        + fix(f"{HERE}.configFiles.a.path", "config/features.json"),
    ),
    "a file that is no text": (
        f"{HERE}.configFiles", {"a": {"path": "binary"}},
        f"model-serving:{HERE}.configFiles.a.path: file binary is no text (UTF-8) "
        + fix(f"{HERE}.configFiles.a.path", "config/features.json"),
    ),
    "files that fit no ConfigMap": (
        f"{HERE}.configFiles", {"a": {"path": "large.txt"}},
        f"model-serving:{HERE}.configFiles: the files have 1048577 bytes together; allowed: 1048576, the size of a "
        "ConfigMap -> take out what the server can do without, or put it into its image",
    ),
    "a database without a host": (
        f"{HERE}.database", {"name": "a", "user": "b", "tls": {"mode": "disable"}},
        f"model-serving:{HERE}.database.host: is required and missing; allowed: in lower case a DNS name, a Service "
        "(name or name.namespace.svc) or an IP address " + fix(f"{HERE}.database.host", "db.example.com"),
    ),
    "a database with a URL": (
        f"{HERE}.database", DATABASE | {"host": "postgresql://db.example.com"},
        f'model-serving:{HERE}.database.host: "postgresql://db.example.com" is not a host; allowed: in lower case '
        "a DNS name, a Service (name or name.namespace.svc) or an IP address "
        + fix(f"{HERE}.database.host", "db.example.com"),
    ),
    "a port of a database that is none": (
        "database", DATABASE | {"port": 70000},
        "model-serving:database.port: 70000 is not a port; allowed: a whole number from 1 to 65535 "
        + fix("database.port", "5432"),
    ),
    "PostgreSQL without a user": (
        "database", {"host": "db", "name": "features", "tls": {"mode": "require"}},
        "model-serving:database.user: is required and missing with type postgresql " + fix("database.user", "features"),
    ),
    "a feature store without a port": (
        "database", {"type": "tcp", "host": "redis", "tls": {"mode": "disable"}},
        "model-serving:database.port: is required and missing with type tcp " + fix("database.port", "5432"),
    ),
    "a mode of TLS that libpq has and this has not": (
        "database", DATABASE | {"tls": {"mode": "prefer"}},
        'model-serving:database.tls.mode: "prefer" is not one of the choices; '
        "allowed: verify-full, verify-ca, require, disable " + fix("database.tls.mode", "verify-full"),
    ),
    "a database that nobody vouches for": (
        f"{HERE}.database", {"host": "db", "name": "a", "user": "b"},
        f"model-serving:{HERE}.database.tls.ca: is required and missing; with mode verify-full, the file of this "
        "project with the certificates (PEM) of the authorities to trust, unless the stack has a caBundle "
        + fix(f"{HERE}.database.tls.ca", "config/database-ca.pem"),
    ),
    "a password in the stack file": (
        f"{HERE}.database", DATABASE | {"password": "not a key!"},
        f"model-serving:{HERE}.database.password: the value is not a secret; allowed: {SECRET} "
        + fix(f"{HERE}.database.password", "apiToken"),
    ),
    "a password without a value": (
        "database", DATABASE | {"password": "dbPassword"},
        "model-serving:database.password: the secret dbPassword has no value "
        "-> pulumi config set --secret model-serving:dbPassword --stack dev",
    ),
    "a readiness check of another server": (
        HERE, TRITON | {"database": DATABASE | {"readinessCheck": True}},
        f"model-serving:{HERE}.database.readinessCheck: is not possible with runtime triton, whose own probe says when "
        "it is ready; allowed with: onnx, tensorflow "
        f"-> pulumi config rm --path 'model-serving:{HERE}.database.readinessCheck' --stack dev",
    ),
    "a proxy without one": (
        "proxy", {"noProxy": [".example.com"]},
        "model-serving:proxy: neither http nor https is given; a proxy is for one or both "
        + fix("proxy.http", "http://proxy.example.com:3128"),
    ),
    "a proxy with a password": (
        "proxy", {"https": "http://ann:canary-1234@proxy.example.com:3128"},
        "model-serving:proxy.https: the value is not a proxy; allowed: http://host:port or https://host:port, without "
        "user and password " + fix("proxy.https", "http://proxy.example.com:3128"),
    ),
    "a place that is reached without a proxy, with a comma": (
        "proxy", {"http": "http://proxy:3128", "noProxy": [".a,.b"]},
        "model-serving:proxy.noProxy[0]: the value is not a place to reach without the proxy; allowed: a host name, a "
        "domain like .example.com, an address, or a range like 10.0.0.0/8 " + fix("proxy.noProxy[0]", ".example.com"),
    ),
    "authorities that are none": (
        "caBundle", "notes.txt",
        "model-serving:caBundle: file notes.txt holds no certificate; it must hold certificates (PEM) and nothing else "
        "-> pulumi config set model-serving:caBundle config/features.json --stack dev",
    ),
    "an authority's private key": (
        "caBundle", "key.pem",
        "model-serving:caBundle: file key.pem holds a private key; it must hold certificates (PEM) and nothing else "
        "-> pulumi config set model-serving:caBundle config/features.json --stack dev",
    ),
    "an identity in two clouds": (
        f"{HERE}.identity", {"eks": "arn:aws:iam::123456789012:role/digits",
                             "gke": "digits@acme.iam.gserviceaccount.com"},
        f"model-serving:{HERE}.identity: gke and eks are given; a cluster is of one cloud -> keep one of them",
    ),
    "an identity of nobody": (
        f"{HERE}.identity", {},
        f"model-serving:{HERE}.identity: is empty; allowed: one of gke, eks, aks "
        + fix(f"{HERE}.identity.gke", "digits@acme.iam.gserviceaccount.com"),
    ),
    "a role by its name": (
        f"{HERE}.identity", {"eks": "digits"},
        f'model-serving:{HERE}.identity.eks: "digits" is not an ARN of an AWS role; allowed: '
        "arn:aws:iam::<12 digits>:role/<name> " + fix(f"{HERE}.identity.eks", "arn:aws:iam::123456789012:role/digits"),
    ),
    "a pull secret from nowhere": (
        "registry.pullSecret", {},
        "model-serving:registry.pullSecret: neither name nor config is given; a pull secret has exactly one "
        "-> give one of them",
    ),
    "a cluster in two ways": (
        "cluster", {"context": "prod", "from": {"stack": "acme/platform/prod"}},
        "model-serving:cluster: context and from are given; a cluster is named in one way -> keep one of them",
    ),
    "no cluster": (
        "cluster", {},
        "model-serving:cluster: is empty; allowed: one of context, kubeconfig, from "
        "-> pulumi config set model-serving:cluster local --stack dev",
    ),
    "a cluster of a stack without its project": (
        "cluster", {"from": {"stack": "prod"}},
        'model-serving:cluster.from.stack: "prod" is not a stack; allowed: <organization>/<project>/<stack>; '
        "without Pulumi Cloud the organization is organization "
        + fix("cluster.from.stack", "organization/model-serving/shared"),
    ),
    "a kubeconfig in the stack file": (
        "cluster", {"kubeconfig": "apiVersion: v1 canary-1234"},
        "model-serving:cluster.kubeconfig: the value is not a secret key; allowed: 1 to 63 letters, digits, "
        '"-", "_" and ".", starting with a letter ' + fix("cluster.kubeconfig", "apiToken"),
    ),
    "a kubeconfig without a value": (
        "cluster", {"kubeconfig": "prodCluster"},
        "model-serving:cluster.kubeconfig: the secret prodCluster has no value "
        "-> pulumi config set --secret model-serving:prodCluster --stack dev",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def files(project: Path) -> None:
    (project / "notes.txt").write_text("notes")
    (project / "large.txt").write_text("x" * (2**20 + 1))
    (project / "binary").write_bytes(b"\xff\xfe")
    (project / "key.pem").write_text("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n")


@pytest.mark.parametrize(("path", "value", "line"), CASES.values(), ids=CASES.keys())
def test_one_mistake_is_told_in_one_line(mistakes: Mistakes, path: str, value: Any, line: str) -> None:
    assert mistakes(changed(path, value)) == [line]
    assert CANARY not in line


def test_an_empty_secret_is_none(mistakes: Mistakes) -> None:
    """An empty kubeconfig would be whichever cluster the machine has."""
    [line] = mistakes(changed("cluster", {"kubeconfig": "prodCluster"}), secrets={"prodCluster": ""})
    assert "the secret prodCluster has no value" in line


def test_a_password_and_a_secret_of_one_name(mistakes: Mistakes) -> None:
    model = SMALLEST["models"]["digits"] | {
        "secrets": [{"secretRef": {"name": "a", "key": "database-password"}}],
        "database": DATABASE | {"password": "dbPassword"},
    }
    [line] = mistakes(changed(HERE, model), secrets={"dbPassword": CANARY})
    assert line == (
        f"model-serving:{HERE}.database: database-password is the password's and a secret's name -> keep one of them"
    )


@pytest.mark.parametrize("value", ["canary-1234", '{"auths": {}}', '{"canary-1234": 1}', "[1]"])
def test_credentials_of_a_registry_that_are_none(mistakes: Mistakes, value: str) -> None:
    [line] = mistakes(changed("registry.pullSecret", {"config": "login"}), secrets={"login": value})
    assert line == (
        "model-serving:registry.pullSecret.config: the secret login is no Docker configuration: JSON with the "
        "registry's credentials in auths "
        "-> pulumi config set --secret model-serving:login --stack dev < ~/.docker/config.json"
    )


def test_credentials_of_a_registry(load: Any) -> None:
    login = json.dumps({"auths": {"registry.example.com": {"auth": "YTpi"}}})
    loaded = load(changed("registry.pullSecret", {"config": "login"}), secrets={"login": login})
    assert set(loaded.secrets) == {"login"}

"""What a model's server is told, from its own settings and the stack's: variables, files, secrets, and its identity."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from components.planning.network import Destination
from components.planning.runtimes import SETTINGS_FOLDER

if TYPE_CHECKING:
    from components.config import (
        DatabaseConfig,
        IdentityConfig,
        ModelConfig,
        ProxyConfig,
        SecretConfig,
        StackConfig,
    )
    from components.planning.runtimes import Runtime

SECRETS_FOLDER = "/run/secrets/model-serving"
# As components/config/sections/settings.py reserves them.
_CA_BUNDLE, _DATABASE_CA = "ca-bundle.pem", "database-ca.pem"

# Never through a proxy: the pod itself, Services by name, and the private ranges (RFC 1918, RFC 6598, RFC 4193) that
# clusters take the addresses of pods and Services from, which this program does not know.
_INSIDE = (
    *("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local"),
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fd00::/8"),
)
# Where the programs that may run in a server look for authorities: OpenSSL and Go, Requests, curl, AWS.
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")

OWN_RUNTIMES = ("onnx", "tensorflow")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_IDENTITY_ANNOTATIONS = {
    "gke": "iam.gke.io/gcp-service-account",
    "eks": "eks.amazonaws.com/role-arn",
    "aks": "azure.workload.identity/client-id",
}


def with_stack_wide(stack: "StackConfig", model: "ModelConfig") -> "ModelConfig":
    """The model with what the stack sets for all of its models. What the model says itself wins, name by name."""
    named = {*model.env, *(secret.target for secret in model.secrets)}
    return model.model_copy(
        update={
            "env": {name: value for name, value in stack.env.items() if name not in named} | dict(model.env),
            "secrets": (
                *(secret for secret in stack.secrets if secret.target not in named),
                *model.secrets,
            ),
            "database": model.database or stack.database,
        }
    )


def environment(stack: "StackConfig", model: "ModelConfig", runtime: "Runtime") -> dict[str, str]:
    """The variables of a server, except secret ones; `model` has the stack's settings already."""
    return {
        **(proxy_variables(stack.proxy) if stack.proxy else {}),
        **(dict.fromkeys(_CA_VARIABLES, f"{SETTINGS_FOLDER}/{_CA_BUNDLE}") if stack.ca_bundle else {}),
        **(_database(model.database, own=model.runtime in OWN_RUNTIMES) if model.database else {}),
        **runtime.environment,
        **model.env,
    }


def files(stack: "StackConfig", model: "ModelConfig", runtime: "Runtime", root: Path = Path()) -> dict[str, str]:
    """The files below SETTINGS_FOLDER by name; those of the project are read from below `root`."""
    named = {
        **{name: file.path for name, file in model.config_files.items() if file.path},
        **({_CA_BUNDLE: stack.ca_bundle} if stack.ca_bundle else {}),
    }
    if model.database and model.database.tls.verifies and model.database.tls.ca:
        named[_DATABASE_CA] = model.database.tls.ca
    return {
        **runtime.settings_files,
        **{name: file.content for name, file in model.config_files.items() if file.content is not None},
        **{name: (root / path).read_text("utf-8") for name, path in named.items()},
    }


def destinations(stack: "StackConfig", model: "ModelConfig") -> list[Destination]:
    """Whom the server calls because the configuration says so: its database, and the proxy."""
    found: list[Destination] = []
    if model.database is not None:
        found.append(Destination(host=model.database.host, port=model.database.tcp_port))
    for url in (stack.proxy.http, stack.proxy.https) if stack.proxy else ():
        if url:
            parts = urlsplit(url)
            found.append(Destination(host=parts.hostname or "", port=parts.port or _DEFAULT_PORTS[parts.scheme]))
    return found


def proxy_variables(proxy: "ProxyConfig") -> dict[str, str]:
    """The variables of a container that downloads."""
    values = {
        "HTTP_PROXY": proxy.http,
        "HTTPS_PROXY": proxy.https,
        "NO_PROXY": ",".join(dict.fromkeys((*_INSIDE, *proxy.no_proxy))),
    }
    given = {name: value for name, value in values.items() if value}
    # Some programs read one spelling, some the other.
    return given | {name.lower(): value for name, value in given.items()}


def _database(database: "DatabaseConfig", *, own: bool) -> dict[str, str]:
    """The variables of a database; with `own`, our server's own too, which asks the database whether it answers."""
    password = database.password_secret
    ca = _DATABASE_CA if database.tls.ca else _CA_BUNDLE
    values = {
        "DATABASE_HOST": database.host,
        "DATABASE_PORT": str(database.tcp_port),
        "DATABASE_NAME": database.name,
        "DATABASE_USER": database.user,
        "DATABASE_PASSWORD_FILE": f"{SECRETS_FOLDER}/{password.target}" if password and not password.env else None,
        "DATABASE_TLS_MODE": database.tls.mode,
        "DATABASE_CA_FILE": f"{SETTINGS_FOLDER}/{ca}" if database.tls.verifies else None,
        "DATABASE_CHECK": database.type if own and database.readiness_check is not False else None,
    }
    return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, kw_only=True)
class SecretKeys:
    """Keys of one Secret, by what they become in the pod: files below SECRETS_FOLDER, and variables."""

    files: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @staticmethod
    def of(secrets: "Mapping[SecretConfig, str]") -> "SecretKeys":
        """The keys of secrets in their Secret, given by secret."""
        return SecretKeys(
            files={secret.target: key for secret, key in secrets.items() if not secret.env},
            variables={secret.target: key for secret, key in secrets.items() if secret.env},
        )


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The secrets of a model by where they come from.

    Attributes:
        values: keys of the stack's configuration, by their key in the Secret that is made of them.
        own: of that Secret.
        external: `data` of the ExternalSecret that is made, empty for none.
        from_stores: keys of the Secret that the operator makes of it.
        existing: keys of Secrets that are there, by the Secrets' names.
        annotations: of the pods, with the revisions of those Secrets that the configuration names.
    """

    values: Mapping[str, str]
    own: SecretKeys
    external: list[dict[str, Any]]
    from_stores: SecretKeys
    existing: Mapping[str, SecretKeys]
    annotations: Mapping[str, str]


def secrets_of(model: "ModelConfig") -> Secrets:
    """The secrets of a model that has the stack's settings already, its database's password among them."""
    password = model.database.password_secret if model.database else None
    every = [*model.secrets, *([password] if password else [])]
    own = {secret: secret.target for secret in every if secret.config}
    external = {secret: secret.target for secret in every if secret.external}
    referenced = {secret: secret.secret_ref for secret in every if secret.secret_ref}
    names = sorted({reference.name for reference in referenced.values()})
    revisions = sorted(f"{ref.name}/{ref.key}={ref.revision}" for ref in referenced.values() if ref.revision)
    return Secrets(
        values={target: secret.config for secret, target in own.items() if secret.config},
        own=SecretKeys.of(own),
        external=[_remote(secret, target) for secret, target in external.items()],
        from_stores=SecretKeys.of(external),
        existing={
            name: SecretKeys.of({secret: ref.key for secret, ref in referenced.items() if ref.name == name})
            for name in names
        },
        annotations={"model-serving/secret-revisions": ",".join(revisions)} if revisions else {},
    )


def _remote(secret: "SecretConfig", target: str) -> dict[str, Any]:
    external = secret.external
    if external is None:
        raise ValueError("only secrets of a store are asked for here")
    reference = {"key": external.key, "property": external.property, "version": external.version}
    return {
        "secretKey": target,
        "sourceRef": {"storeRef": {"name": external.store, "kind": external.kind}},
        "remoteRef": {name: value for name, value in reference.items() if value},
    }


def external_name(model: str, data: list[dict[str, Any]]) -> str:
    """The name of an ExternalSecret and of its Secret. Others for other data, so that a change of it is a rollout."""
    return f"{model}-external-{hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:8]}"


def identity_annotations(identity: "IdentityConfig | None") -> dict[str, str]:
    """Annotations of the service account by which a cloud knows its pods."""
    given = identity.model_dump(exclude_none=True) if identity else {}
    return {_IDENTITY_ANNOTATIONS[cloud]: value for cloud, value in given.items()}


def identity_labels(identity: "IdentityConfig | None") -> dict[str, str]:
    """Labels of the pods: AKS gives a token only to those that ask for one."""
    return {"azure.workload.identity/use": "true"} if identity and identity.aks else {}

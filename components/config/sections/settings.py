"""What a model's server is told: variables, files, secrets, a database, the way to the internet, and who it is."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from components.config.sections.base import Section, from_text, text_file
from components.config.sections.runtime import OWN_RUNTIMES
from components.config.settings_types import (
    FILE_NAME,
    AzureClientId,
    DatabaseName,
    FileContent,
    FileName,
    GoogleServiceAccount,
    NoProxy,
    ProjectFile,
    ProxyUrl,
    RemoteKey,
    Revision,
    SecretDataKey,
)
from components.config.types import AwsRoleArn, EnvName, EnvValue, Host, ObjectName, RemotePort, SecretKey

# Set by the program (components/planning/settings.py and runtimes.py), so that `env` may not hold them.
RESERVED_ENV = frozenset(
    {
        "ACCELERATOR",
        "MODEL_NAME",
        "MODEL_DIR",
        "MODEL_SIGNATURE",
        "SIGNATURE_PUBLIC_KEY",
        "PORT",
        "GRPC_PORT",
        "TERMINATION_LOG",
        "DRAIN_SECONDS",
        "DATABASE_CHECK",
        "DATABASE_HOST",
        "DATABASE_PORT",
        "DATABASE_NAME",
        "DATABASE_USER",
        "DATABASE_PASSWORD_FILE",
        "DATABASE_TLS_MODE",
        "DATABASE_CA_FILE",
    }
)
# Files of the program's own beside the model's (components/planning/settings.py and runtimes.py).
CA_BUNDLE_FILE, DATABASE_CA_FILE = "ca-bundle.pem", "database-ca.pem"
_RESERVED_FILES = frozenset({CA_BUNDLE_FILE, DATABASE_CA_FILE, "monitoring.config"})

# Kubernetes' limit for a ConfigMap, which holds all files of a model.
_MAX_FILES_BYTES = 1 << 20
# A password without a name of its own becomes this file.
DATABASE_PASSWORD = "database-password"  # noqa: S105 - a file's name


class SecretRefConfig(Section):
    """One key of a Secret that is in the namespace already, from whoever put it there.

    Nothing here sees it change. Another `revision`, any text, is how the program is told: it replaces the pods.
    """

    name: ObjectName
    key: SecretDataKey
    revision: Revision | None = None


class ExternalSecretConfig(Section):
    """A value in a store outside of the cluster, which the External Secrets operator brings into it.

    `store` is a SecretStore of the namespace or a ClusterSecretStore, as `kind` says; `key`, `property` and `version`
    name the value there.
    """

    store: ObjectName
    kind: Literal["SecretStore", "ClusterSecretStore"] = "SecretStore"
    key: RemoteKey
    property: RemoteKey | None = None
    version: Revision | None = None


class SecretConfig(Section):
    """A secret value, from exactly one of `config` (a key of this stack's configuration), `secretRef` and `external`.

    It becomes a file below /run/secrets/model-serving, called `file`, or with `env` that environment variable.
    """

    config: SecretKey | None = None
    secret_ref: SecretRefConfig | None = None
    external: ExternalSecretConfig | None = None
    file: FileName | None = None
    env: EnvName | None = None

    @model_validator(mode="after")
    def _one_origin_and_one_target(self) -> Self:
        origins = {"config": self.config, "secretRef": self.secret_ref, "external": self.external}
        given = [name for name, value in origins.items() if value is not None]
        if not given:
            raise PydanticCustomError(
                "give_one",
                "none of config (a key of this stack's configuration), secretRef (an existing Secret) and external "
                "(External Secrets) is given; a secret comes from exactly one",
            )
        if len(given) > 1:
            raise PydanticCustomError(
                "keep_one", "{given} are given; a secret comes from exactly one", {"given": " and ".join(given)}
            )
        if self.file is not None and self.env is not None:
            raise PydanticCustomError("keep_one", "file and env are given; a secret becomes one of them")
        return self

    @property
    def target(self) -> str:
        """The variable or file that it becomes. A file is called as the value is where it comes from."""
        if self.env or self.file:
            return self.env or self.file or ""
        if self.external is not None:
            return self.external.property or self.external.key
        return self.secret_ref.key if self.secret_ref else self.config or ""


Secret = Annotated[
    SecretConfig,
    BeforeValidator(from_text("config", SecretKey), json_schema_input_type=SecretKey | SecretConfig),
    Field(
        title="secret",
        description='the key of a secret (1 to 63 letters, digits, "-", "_" and ".", starting with a letter), or '
        "a section with one of config, secretRef, external, and file or env",
        examples=["apiToken"],
    ),
]


def _named(secret: SecretConfig) -> SecretConfig:
    if secret.env is None and not re.match(FILE_NAME, secret.target):
        raise PydanticCustomError("secret_target", "has a key that is no name for a file; give file or env")
    return secret


def _apart(secrets: tuple[SecretConfig, ...], info: ValidationInfo) -> tuple[SecretConfig, ...]:
    targets = [secret.target for secret in secrets]
    if twice := sorted({target for target in targets if targets.count(target) > 1}):
        raise PydanticCustomError("repeated", "{names} is listed more than once", {"names": ", ".join(twice)})
    variables = {secret.env for secret in secrets if secret.env}
    if both := sorted(variables & info.data.get("env", {}).keys()):
        raise PydanticCustomError("variable_twice", "{names} is set in env too", {"names": ", ".join(both)})
    # Of another server's variables the program knows nothing.
    if info.data.get("runtime", "onnx") in OWN_RUNTIMES and (taken := sorted(variables & RESERVED_ENV)):
        raise PydanticCustomError(
            "reserved_secret", "{names} cannot be set here: the program sets it", {"names": ", ".join(taken)}
        )
    return secrets


Secrets = Annotated[tuple[Annotated[Secret, AfterValidator(_named)], ...], AfterValidator(_apart)]


def _no_reserved_name(env: dict[str, str]) -> dict[str, str]:
    if taken := sorted(RESERVED_ENV & env.keys()):
        raise PydanticCustomError(
            "reserved_env", "{names} cannot be set here: the program sets it", {"names": ", ".join(taken)}
        )
    return env


StackEnv = Annotated[dict[EnvName, EnvValue], AfterValidator(_no_reserved_name)]


class ConfigFileConfig(Section):
    """A file beside the server: its `content`, or the `path` of a file of this project."""

    content: FileContent | None = None
    path: ProjectFile | None = None

    @field_validator("path")
    @classmethod
    def _file_is_text(cls, path: str | None, info: ValidationInfo) -> str | None:
        text_file(path, info)
        return path

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.content is not None and self.path is not None:
            raise PydanticCustomError(
                "keep_one", "content and path are given; a file has exactly one of content and path"
            )
        if self.content is None and self.path is None:
            raise PydanticCustomError(
                "give_one", "neither content nor path is given; a file has exactly one of content and path"
            )
        return self


ConfigFile = Annotated[
    ConfigFileConfig,
    BeforeValidator(from_text("content", FileContent), json_schema_input_type=FileContent | ConfigFileConfig),
    Field(
        title="file",
        description="the file's text, or a section with the path of a file of this project",
        examples=["threshold = 0.5"],
    ),
]


def _names_and_size(files: dict[str, ConfigFileConfig], info: ValidationInfo) -> dict[str, ConfigFileConfig]:
    if taken := sorted(_RESERVED_FILES & files.keys()):
        raise PydanticCustomError(
            "reserved_file", "{names} cannot be set here: the program has a file of that name", {"names": taken[0]}
        )
    size = sum(len((file.content or text_file(file.path, info) or "").encode()) for file in files.values())
    if size > _MAX_FILES_BYTES:
        raise PydanticCustomError(
            "files_too_large",
            "the files have {size} bytes together; allowed: 1048576, the size of a ConfigMap",
            {"size": size},
        )
    return files


ConfigFiles = Annotated[dict[FileName, ConfigFile], AfterValidator(_names_and_size)]


def _certificates(path: str | None, info: ValidationInfo) -> str | None:
    text = text_file(path, info)
    if text is not None and ("BEGIN CERTIFICATE" not in text or "PRIVATE KEY" in text):
        what = "holds a private key" if "PRIVATE KEY" in text else "holds no certificate"
        raise PydanticCustomError(
            "project_file",
            "file {path} {what}; it must hold certificates (PEM) and nothing else",
            {"path": path, "what": what},
        )
    return path


CertificatesFile = Annotated[ProjectFile, AfterValidator(_certificates)]


class DatabaseTlsConfig(Section):
    """libpq's modes. The authorities to trust are in the file `ca`, or if that is absent in the stack's `caBundle`."""

    mode: Literal["verify-full", "verify-ca", "require", "disable"] = "verify-full"
    ca: CertificatesFile | None = None

    @property
    def verifies(self) -> bool:
        """Whether the other end must show a certificate of an authority that is trusted."""
        return self.mode.startswith("verify")


_DatabasePort = Annotated[RemotePort, Field(examples=[5432])]


class DatabaseConfig(Section):
    """A database or feature store of the model's server, told to it as DATABASE_* variables.

    This project's server is ready only while it answers, unless `readinessCheck` is false. How it is asked depends on
    its `type`: as PostgreSQL, without logging in, or with a connection of TCP and TLS alone.
    """

    type: Literal["postgresql", "tcp"] = "postgresql"
    host: Annotated[Host, Field(examples=["db.example.com"])]
    port: Annotated[_DatabasePort | None, Field(validate_default=True)] = None
    name: Annotated[DatabaseName | None, Field(validate_default=True)] = None
    user: Annotated[DatabaseName | None, Field(validate_default=True)] = None
    password: Secret | None = None
    tls: DatabaseTlsConfig = DatabaseTlsConfig()
    readiness_check: bool | None = None

    @field_validator("port", "name", "user")
    @classmethod
    def _given_where_needed(cls, value: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("type")
        needed = kind == "tcp" if info.field_name == "port" else kind == "postgresql"
        if value is None and needed:
            raise PydanticCustomError(
                "needed_by_type", "is required and missing with type {type}", {"type": info.data["type"]}
            )
        return value

    @property
    def password_secret(self) -> SecretConfig | None:
        """The password; unless it says otherwise, it becomes the file DATABASE_PASSWORD."""
        if self.password is None or self.password.env or self.password.file:
            return self.password
        return self.password.model_copy(update={"file": DATABASE_PASSWORD})

    @property
    def tcp_port(self) -> int:
        """The port, PostgreSQL's own if none is given."""
        return self.port or 5432


def _password_apart(database: DatabaseConfig, info: ValidationInfo) -> DatabaseConfig:
    password = database.password_secret
    if password and password.target in [secret.target for secret in info.data.get("secrets", ())]:
        raise PydanticCustomError(
            "variable_twice", "{name} is the password's and a secret's name", {"name": password.target}
        )
    return database


Database = Annotated[DatabaseConfig, AfterValidator(_password_apart)]


class ProxyConfig(Section):
    """The company's way to the internet, for whatever downloads. What is in the cluster is reached without it."""

    http: ProxyUrl | None = None
    https: ProxyUrl | None = None
    no_proxy: tuple[NoProxy, ...] = ()

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if self.http is None and self.https is None:
            raise PydanticCustomError("needs_proxy", "neither http nor https is given; a proxy is for one or both")
        return self


class IdentityConfig(Section):
    """Who a pod is to its cloud, without a key: a Google service account, an AWS role or an Azure managed identity."""

    gke: GoogleServiceAccount | None = None
    eks: AwsRoleArn | None = None
    aks: AzureClientId | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_dump(exclude_none=True)
        if len(given) > 1:
            raise PydanticCustomError(
                "keep_one", "{given} are given; a cluster is of one cloud", {"given": " and ".join(given)}
            )
        if not given:
            raise PydanticCustomError("needs_identity", "is empty; allowed: one of gke, eks, aks")
        return self

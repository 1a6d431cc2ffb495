"""Reusable value types of settings, secrets and connections, in the form of components/config/types.py."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from components.config.types import PROJECT_PATH, setting_to_text

# A key of a Secret or ConfigMap that becomes a file: Kubernetes' characters, and not hidden.
FILE_NAME = r"^[A-Za-z0-9_][-._A-Za-z0-9]{0,252}$"
FileName = Annotated[
    str,
    Field(
        pattern=FILE_NAME,
        title="file name",
        description='1 to 253 letters, digits, "-", "_" and ".", not starting with "-" or "."',
        examples=["features.json"],
    ),
]

FileContent = Annotated[
    str,
    Field(title="text", description="text; put numbers, true and false in quotes", examples=["threshold = 0.5"]),
]

SecretDataKey = Annotated[
    str,
    Field(
        pattern=r"^[-._A-Za-z0-9]{1,253}$",
        title="key of a Secret",
        description='1 to 253 letters, digits, "-", "_" and "."',
        examples=["password"],
    ),
]

RemoteKey = Annotated[
    str,
    Field(
        pattern=r"^\S(?:.*\S)?$",
        max_length=1024,
        title="name in a secret store",
        description="the name of a value in the store, without spaces around it",
        examples=["team/database"],
    ),
]

Revision = Annotated[
    str,
    BeforeValidator(setting_to_text, json_schema_input_type=str | int | bool),
    Field(
        pattern=r"^[-._:A-Za-z0-9]{1,63}$",
        title="revision",
        description='1 to 63 letters, digits, "-", "_", "." and ":"',
        examples=["2"],
    ),
]

DatabaseName = Annotated[
    str,
    Field(
        pattern=r"^[^\s\x00-\x1f](?:[^\x00-\x1f]{0,61}[^\s\x00-\x1f])?$",
        title="name in a database",
        description="1 to 63 characters, without spaces around it",
        examples=["features"],
    ),
]

# Without a user and a password: it is stored, and given to every pod, in plain text.
ProxyUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://[-A-Za-z0-9.]+(?::[0-9]{1,5})?/?$",
        title="proxy",
        description="http://host:port or https://host:port, without user and password",
        examples=["http://proxy.example.com:3128"],
    ),
]

NoProxy = Annotated[
    str,
    Field(
        pattern=r"^[-*A-Za-z0-9.:/]+$",
        title="place to reach without the proxy",
        description="a host name, a domain like .example.com, an address, or a range like 10.0.0.0/8",
        examples=[".example.com"],
    ),
]

GoogleServiceAccount = Annotated[
    str,
    Field(
        pattern=r"^[a-z][-a-z0-9]{4,28}[a-z0-9]@[a-z][-a-z0-9.:]+\.iam\.gserviceaccount\.com$",
        title="Google service account",
        description="the account's address, name@project.iam.gserviceaccount.com",
        examples=["digits@acme.iam.gserviceaccount.com"],
    ),
]

AzureClientId = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        title="Azure client ID",
        description="the client ID of a managed identity, 32 hex digits with 4 dashes",
        examples=["01234567-89ab-cdef-0123-456789abcdef"],
    ),
]

OutputName = Annotated[
    str,
    Field(
        pattern=r"^\S+$",
        title="stack output",
        description="the name of an output of that stack",
        examples=["kubeconfig"],
    ),
]

ProjectFile = Annotated[
    str,
    Field(
        pattern=rf"^{PROJECT_PATH}$",
        title="file of this project",
        description='the path of a file below the project\'s folder with "/" between its parts',
        examples=["config/features.json"],
    ),
]

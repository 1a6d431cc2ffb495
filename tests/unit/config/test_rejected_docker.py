"""What a stack file may not say of containers beside the models."""

from collections.abc import Callable
from typing import Any

import pytest

Mistakes = Callable[..., list[str]]

IMAGE = "registry.example.com/m@sha256:" + "a" * 64
RIGHT: dict[str, Any] = {
    "host": "features",
    "name": "features",
    "user": "reader",
    "password": "dbPassword",
    "tls": {"mode": "disable"},
}


def stack(own: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    models = {"digits": {"image": IMAGE, **({"database": own} if own else {})}}
    return {"cluster": "local", "models": models, "docker": {"database": {"image": IMAGE}}, **more}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a database that nobody asks": (
        stack(None),
        "model-serving:docker.database: would do nothing: neither the stack nor a model has a database "
        "-> pulumi config rm --path 'model-serving:docker.database' --stack dev",
    ),
    "another kind of database": (
        stack({"type": "tcp", "host": "features", "port": 5432, "password": "dbPassword", "tls": {"mode": "disable"}}),
        "model-serving:models.digits.database.type: is not what docker.database runs; allowed with it: postgresql "
        "-> pulumi config set --path 'model-serving:models.digits.database.type' postgresql --stack dev",
    ),
    "a database with TLS": (
        stack(RIGHT | {"tls": {"mode": "require"}}),
        "model-serving:models.digits.database.tls.mode: must be disable with docker.database, which is reached in the "
        "containers' own network "
        "-> pulumi config set --path 'model-serving:models.digits.database.tls.mode' disable --stack dev",
    ),
    "a database without a password": (
        stack({key: value for key, value in RIGHT.items() if key != "password"}),
        "model-serving:models.digits.database.password: is required and missing with docker.database, which lets "
        "nobody in without one "
        "-> pulumi config set --path 'model-serving:models.digits.database.password' databasePassword --stack dev",
    ),
    "a database at an address": (
        stack(RIGHT | {"host": "10.0.0.1"}),
        'model-serving:models.digits.database.host: "10.0.0.1" cannot be the name of docker.database; allowed: a host '
        "name that no model has -> pulumi config set --path 'model-serving:models.digits.database.host' database "
        "--stack dev",
    ),
    "a database named like a model": (
        stack(RIGHT | {"host": "digits"}),
        'model-serving:models.digits.database.host: "digits" cannot be the name of docker.database; allowed: a host '
        "name that no model has -> pulumi config set --path 'model-serving:models.digits.database.host' database "
        "--stack dev",
    ),
    "two databases at one host": (
        stack(RIGHT, database=RIGHT | {"name": "others"}),
        "model-serving:models.digits.database: docker.database has one database at features, and another one is asked "
        "for there -> let port, name, user and password be the same, or name another host",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rejected(name: str, mistakes: Mistakes) -> None:
    config, line = CASES[name]
    uses_secret = "dbPassword" in str(config)
    assert mistakes(config, secrets={"dbPassword": "hunter2"} if uses_secret else {}) == [line]

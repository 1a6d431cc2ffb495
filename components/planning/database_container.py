"""A database beside the models on a laptop: the PostgreSQL that they are told of, empty at first.

Its image is asked for by the variables of Docker Hub's official one (https://hub.docker.com/_/postgres): POSTGRES_DB,
POSTGRES_USER, POSTGRES_PASSWORD_FILE and PGDATA. PGPORT is PostgreSQL's own.
"""

from typing import TYPE_CHECKING, Any

from components.planning.quantities import whole_bytes

if TYPE_CHECKING:
    from components.config import DatabaseConfig, LocalDatabaseConfig

_DATA = "/data"
_PASSWORD = "/run/secrets/database-password"  # noqa: S105 - a file's name
# Its entry point starts as root, makes the folder of the data, and becomes another user.
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]


def service(database: "DatabaseConfig", config: "LocalDatabaseConfig", secret: str, volume: str) -> dict[str, Any]:
    """The service of a database. `secret` is the password's, `volume` keeps its data."""
    memory = whole_bytes(config.memory)
    return {
        "image": config.image,
        "cap_drop": ["ALL"],
        "cap_add": list(_CAPABILITIES),
        "security_opt": ["no-new-privileges:true"],
        "environment": {
            "POSTGRES_DB": database.name,
            "POSTGRES_USER": database.user,
            "POSTGRES_PASSWORD_FILE": _PASSWORD,
            "PGDATA": f"{_DATA}/postgresql",
            "PGPORT": str(database.tcp_port),
        },
        "secrets": [{"source": secret, "target": _PASSWORD}],
        "volumes": [{"type": "volume", "source": volume, "target": _DATA}],
        "healthcheck": {
            # Over TCP: the server that the entry point sets the database up with listens on a socket only.
            "test": ["CMD", "pg_isready", "-q", "-h", "127.0.0.1"],
            "interval": "2s",
            "timeout": "2s",
            "retries": 5,
            "start_period": "60s",
        },
        "stop_grace_period": "30s",
        "restart": "unless-stopped",
        "memswap_limit": memory,
        "deploy": {"replicas": 1, "resources": {"limits": {"memory": str(memory)}}},
    }

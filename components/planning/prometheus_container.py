"""A Prometheus beside the models on a laptop: it finds their containers by the names of their services."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.planning import names
from components.planning.pod_service import LOGGING
from components.planning.quantities import whole_bytes
from components.planning.runtimes import SETTINGS_FOLDER

if TYPE_CHECKING:
    from components.config import LocalPrometheusConfig
    from components.planning.runtimes import Runtime

NAME = "prometheus"
"""Of the service, and so its host in the network."""
FILE = "prometheus.yml"
PORT = 9090

_DATA = "/prometheus"
_NOBODY = "65534:65534"
# https://prometheus.io/docs/prometheus/latest/storage/: beside what is kept lies the log of what is not written yet.
_KEPT = 4


def service(config: "LocalPrometheusConfig", models: Mapping[str, "Runtime"]) -> dict[str, Any]:
    """The service. It starts when the models answer."""
    memory = whole_bytes(config.memory)
    return {
        "image": config.image,
        "user": _NOBODY,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "command": [
            f"--config.file={SETTINGS_FOLDER}/{FILE}",
            f"--storage.tsdb.path={_DATA}",
            f"--storage.tsdb.retention.size={memory // _KEPT}B",
        ],
        "tmpfs": [f"{_DATA}:size={memory // 2},mode=1777"],
        "healthcheck": {
            "test": ["CMD", "/bin/promtool", "check", "ready", f"--url=http://127.0.0.1:{PORT}"],
            "interval": "2s",
            "timeout": "5s",
            "retries": 5,
            "start_period": "60s",
        },
        "depends_on": {name: {"condition": "service_healthy"} for name in models},
        "labels": names.stack_labels(),
        "logging": LOGGING,
        "stop_grace_period": "30s",
        "restart": "unless-stopped",
        "memswap_limit": memory,
        "deploy": {"replicas": 1, "resources": {"limits": {"memory": str(memory)}}},
    }


def configuration(config: "LocalPrometheusConfig", models: Mapping[str, "Runtime"]) -> str:
    """The content of its file. As in a cluster, the job is the model's name."""
    scrapes = [
        {
            "job_name": name,
            "metrics_path": runtime.metrics_path,
            # Every container of the service has an address under its name.
            "dns_sd_configs": [
                {
                    "names": [name],
                    "type": "A",
                    "port": runtime.ports[runtime.metrics_port],
                    "refresh_interval": config.scrape_interval,
                }
            ],
        }
        for name, runtime in models.items()
    ]
    settings = {"scrape_interval": config.scrape_interval, "evaluation_interval": config.scrape_interval}
    return json.dumps({"global": settings, "scrape_configs": scrapes}, indent=2) + "\n"

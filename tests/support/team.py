"""What a team has in a cluster before it knows this project: a Deployment and a Service, by kubectl or Helm."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import LocalCluster

# Neither is what this project would choose: clients must not notice that it chooses otherwise.
CONTAINER_PORT, SERVICE_PORT, PORT_NAME = 8501, 8080, "web"


def workload(name: str, service: str, model: str, image: str) -> list[dict[str, Any]]:
    """A Deployment of one pod that serves `model`, and a NodePort Service before it."""
    labels = {"app": name}
    container = {
        "name": "serve",
        "image": image,
        "env": [{"name": "MODEL_NAME", "value": model}, {"name": "PORT", "value": str(CONTAINER_PORT)}],
        "ports": [{"containerPort": CONTAINER_PORT}],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": CONTAINER_PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service, "labels": labels},
            "spec": {
                "type": "NodePort",
                "externalTrafficPolicy": "Local",
                "selector": labels,
                "ports": [{"name": PORT_NAME, "port": SERVICE_PORT, "targetPort": CONTAINER_PORT}],
            },
        },
    ]


def chart(folder: Path, objects: list[dict[str, Any]]) -> Path:
    """A chart of these objects, without values."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: model\nversion: 0.1.0\n")
    (folder / "templates" / "all.yaml").write_text("---\n".join(map(yaml.safe_dump, objects)))
    return folder


class Team:
    """A team's namespace, as the team and the clients of its Services see it."""

    def __init__(self, cluster: LocalCluster, namespace: str, services: Sequence[str]) -> None:
        self._cluster, self._namespace, self._services = cluster, namespace, services

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self._cluster.kubectl(*arguments, namespace=self._namespace, stdin=stdin)

    def spec(self, service: str) -> dict[str, Any]:
        return json.loads(self.kubectl("get", "service", service, "--output=json"))["spec"]

    def addresses(self) -> list[Any]:
        """What clients may know of the Services."""
        specs = [self.spec(service) for service in self._services]
        return [
            (spec["type"], spec["clusterIP"], [(port["port"], port["nodePort"]) for port in spec["ports"]])
            for spec in specs
        ] + [spec["externalTrafficPolicy"] for spec in specs]

    def answers(self) -> set[str]:
        """The workloads whose pods get requests."""
        slices = json.loads(self.kubectl("get", "endpointslices", "--output=json"))["items"]
        pods = {
            endpoint["targetRef"]["name"]
            for found in slices
            for endpoint in found["endpoints"] or ()
            if endpoint["conditions"].get("ready")
        }
        return {"-".join(pod.split("-")[:2]) for pod in pods}

    def helm(self, *arguments: str) -> str:
        environment = {**os.environ, **self._cluster.env}
        done = subprocess.run(
            ["helm", "--namespace", self._namespace, *arguments], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

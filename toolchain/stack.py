"""What the toolchain needs to know of a stack, read from its files. The program itself does the full checking."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.planning.attestations import Attachments
from components.planning.server_metrics import metrics_of
from toolchain import paths
from toolchain.errors import ToolchainError

NAMESPACE = "model-serving"
LOCAL = "local"
DOCKER = "docker"


class _Loader(yaml.SafeLoader):
    """Reads `off` as Pulumi does, which is a text; to YAML 1.1 it is false."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


@dataclass(frozen=True)
class Stack:
    """One stack of this project."""

    name: str
    project: str
    file: Path
    """The committed Pulumi.<stack>.yaml."""
    settings: dict[str, Any]
    """The configuration below ``model-serving:``, of the stack and the project; whatever shape the user gave it."""
    virtualenv: Path | None
    """The program's virtual environment, when Pulumi.yaml names one."""

    @property
    def local(self) -> bool:
        """Whether the cluster, registry and builder of this stack are the toolchain's business."""
        return self.context == LOCAL

    @property
    def docker(self) -> bool:
        """Whether the models are containers of this machine, and there is no cluster to ask about them."""
        return self.context == DOCKER

    @property
    def context(self) -> str | None:
        """The kubeconfig context that is the stack's cluster, or "local"; None where the cluster is named otherwise."""
        cluster = self.settings.get("cluster")
        named = cluster.get("context") if isinstance(cluster, dict) else cluster
        return None if named is None else str(named)

    @property
    def namespace(self) -> str:
        return str(self.settings.get("namespace", "models"))

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """Each model's own settings over those that all share."""
        shared = self.settings.get("modelDefaults")
        models = _entries(self.settings.get("models"))
        return {name: _merged(shared, own) if isinstance(shared, dict) else own for name, own in models.items()}

    @property
    def monitoring(self) -> dict[str, Any]:
        """Who watches the models; empty where nobody does."""
        section = self.settings.get("monitoring")
        return section if isinstance(section, dict) and section.get("mode", "off") not in ("off", False) else {}

    def served_name(self, model: str) -> str:
        """What a model of the stack file is called in requests and in the cluster, where a rename changes nothing."""
        return str(self.models.get(model, {}).get("renamedFrom") or model)

    @property
    def addons(self) -> list[str]:
        """What the local cluster must have for this stack beside Kubernetes itself, by the names of parts/catalog."""
        if not self.local:
            return []
        scaled = [model for model in self.models.values() if _scaled(model)]
        pools = _entries(self.settings.get("nodePools")).values()
        simulated = any(pool.get("provider") == "karpenter" for pool in pools)
        # A chart brings the operator along.
        operated = self.monitoring.get("mode") in ("existing", "install", "stack")
        charts = [self.settings.get(section) for section in ("charts", "gpuSupport")]
        logs = self.settings.get("logs")
        collected = isinstance(logs, dict) and logs.get("target", "off") not in ("off", False)
        asked = {
            **dict.fromkeys(self._image_programs, True),
            "metrics-server": bool(scaled),
            "karpenter": simulated,
            "monitoring": operated,
            "prometheus-adapter": bool(self.monitoring) and any(map(_scaled_by_its_own_metrics, scaled)),
            "helm": any(charts) or self.monitoring.get("mode") == "chart",
            "log-collector": collected,
        }
        return [name for name, wanted in asked.items() if wanted]

    @property
    def existing_pools(self) -> dict[str, tuple[dict[str, str], int]]:
        """Of each node pool that others made: the labels of its nodes, and how many it may have; 0: it is not told."""
        return {
            name: (dict(pool.get("nodeSelector") or {}), int(pool.get("maxNodes") or 0))
            for name, pool in _entries(self.settings.get("nodePools")).items()
            if pool.get("provider") == "existing"
        }

    @property
    def _image_programs(self) -> tuple[str, ...]:
        """What attaches and verifies what the stack wants beside its images (components/planning/attestations.py)."""
        image, signing = (self.settings.get(section) for section in ("image", "imageSigning"))
        built = any("source" in model for model in self.models.values())
        wanted = {key for key in ("sbom", "provenance") if isinstance(image, dict) and image.get(key) in (True, "true")}
        plan = Attachments(
            sbom=built and "sbom" in wanted,
            provenance=built and "provenance" in wanted,
            public_key=str(signing) if signing else None,
        )
        return plan.programs()

    @property
    def registry_host(self) -> str:
        """``host:port`` that images are pushed to, empty when the stack names no registry."""
        section = self.settings.get("registry")
        repository = section.get("repository", "") if isinstance(section, dict) else ""
        host = str(repository).partition("/")[0]
        return host if "." in host or ":" in host or host == "localhost" else ""


def load(name: str, folder: Path = paths.REPOSITORY) -> Stack:
    """Read Pulumi.yaml and Pulumi.<name>.yaml.

    Raises ToolchainError when there is no such stack or a file is not YAML.
    """
    project = _mapping(folder / "Pulumi.yaml")
    file = folder / f"Pulumi.{name}.yaml"
    if not file.exists():
        known = sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in folder.glob("Pulumi.*.yaml"))
        raise ToolchainError(
            f"stack {name}",
            f"there is no {file.name}; known stacks: {', '.join(known) or 'none'}",
            "Give STACK=<name>.",
        )
    config = _shared(project) | (_mapping(file).get("config") or {})
    runtime = project.get("runtime")
    options = runtime.get("options") if isinstance(runtime, dict) else None
    virtualenv = options.get("virtualenv") if isinstance(options, dict) else None
    prefix = f"{NAMESPACE}:"
    return Stack(
        name=name,
        project=str(project.get("name", "")),
        file=file,
        settings={key.removeprefix(prefix): value for key, value in config.items() if str(key).startswith(prefix)},
        virtualenv=folder / str(virtualenv) if virtualenv else None,
    )


def _shared(project: dict[str, Any]) -> dict[str, Any]:
    """What Pulumi.yaml sets for all stacks, each key plainly or as the ``value`` of a section."""
    config = project.get("config")
    entries = config.items() if isinstance(config, dict) else ()
    return {key: entry["value"] if isinstance(entry, dict) and "value" in entry else entry for key, entry in entries}


def _entries(section: Any) -> dict[str, dict[str, Any]]:
    """The sections below a section by their names, empty where the user gave something else."""
    entries = section.items() if isinstance(section, dict) else ()
    return {str(name): value if isinstance(value, dict) else {} for name, value in entries}


def _merged(below: Any, above: Any) -> Any:
    """What the program makes of defaults: sections are merged key by key, all else is replaced."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}


def _scaled(model: dict[str, Any]) -> bool:
    """Whether an autoscaler has a range for the number of a model's pods."""
    replicas = model.get("replicas")
    return isinstance(replicas, dict) and replicas.get("max") != replicas.get("min", 1)


def _scaled_by_its_own_metrics(model: dict[str, Any]) -> bool:
    """Whether Kubernetes' autoscaler asks for what a model's server measures (components/planning/triggers.py)."""
    replicas, slo = model["replicas"], model.get("slo")
    if "keda" in replicas:
        return False
    if any(key.startswith("target") for key in replicas):
        return "targetInFlight" in replicas or "targetQueueTime" in replicas
    metrics = metrics_of(str(model.get("runtime", "onnx")))
    return isinstance(slo, dict) and "latencyP99" in slo and metrics is not None and metrics.queue is not None


def _mapping(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text(), _Loader)
    except OSError as error:
        raise ToolchainError(f"read {file.name}", error.strerror or str(error)) from None
    except yaml.YAMLError as error:
        raise ToolchainError(f"read {file.name}", f"it is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ToolchainError(f"read {file.name}", "it is not a mapping of keys to values")
    return content

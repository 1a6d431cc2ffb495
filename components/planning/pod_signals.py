"""What is asked of Prometheus about a model's pods: by what kube-state-metrics, the kubelet and DCGM's exporter say."""

from dataclasses import dataclass

from components.planning.pod import CONTAINER

# The first digits of a digest, as names.version_of has them.
_SHORT = "(?:.*@)?(?:sha256:)?([0-9a-f]{12}).*"
# Rates of what exporters say. How often they are scraped is not the models' business: up to once a minute.
_WINDOW = "2m"


@dataclass(frozen=True, kw_only=True)
class PodSignals:
    """Expressions on a model's pods, its canary's among them.

    Attributes:
        own: whether they run this project's server, which tells more of itself than the kubelet does.
    """

    namespace: str
    model: str
    own: bool

    @property
    def pods(self) -> str:
        """Matchers of the pods. Pulumi names their Deployments (model_deployment.py)."""
        return f'namespace="{self.namespace}",pod=~"{self.model}-(canary-)?server-[0-9a-f]+-.+"'

    def cpu(self, window: str) -> str:
        """Cores that each pod uses, over a window where its server says so itself."""
        if self.own:
            return f"sum by (pod) (rate(process_cpu_seconds_total{{{self.pods}}}[{window}]))"
        return f"sum by (pod) (rate({self._container('container_cpu_usage_seconds_total')}[{_WINDOW}]))"

    def memory(self) -> str:
        """Bytes that each pod holds."""
        if self.own:
            return f"sum by (pod) (process_resident_memory_bytes{{{self.pods}}})"
        return f"sum by (pod) ({self._container('container_memory_working_set_bytes')})"

    def throttled(self) -> str:
        """How much of its time slices each pod with a CPU limit used up, 0 to 1."""
        late, every = (self._container(f"container_cpu_cfs_{what}periods_total") for what in ("throttled_", ""))
        return f"sum by (pod) (rate({late}[{_WINDOW}])) / sum by (pod) (rate({every}[{_WINDOW}]))"

    def replicas(self) -> dict[str, str]:
        """Pods of the model's Deployments, by what they should be or are."""
        wanted = f'namespace="{self.namespace}",deployment=~"{self.model}-(canary-)?server-[0-9a-f]+"'
        metrics = {
            "wanted": "kube_deployment_spec_replicas",
            "available": "kube_deployment_status_replicas_available",
            "of the newest version": "kube_deployment_status_replicas_updated",
        }
        return {what: f"sum({metric}{{{wanted}}})" for what, metric in metrics.items()}

    def restarts(self) -> str:
        """Restarts of each pod's server within two minutes."""
        return f"sum by (pod) (increase({self._container('kube_pod_container_status_restarts_total')}[{_WINDOW}]))"

    def digests(self, offset: str = "") -> str:
        """Pods by the digest that they serve, in its first 12 digits: the model's, or the image's of another server."""
        if self.own:
            metric, label = f"model_server_model_info{{{self.pods}}}", "digest"
        else:
            metric, label = self._container("kube_pod_container_info"), "image_id"
        return f'count by (digest) (label_replace({metric}{offset}, "digest", "$1", "{label}", "{_SHORT}"))'

    def rollouts(self) -> str:
        """The same of digests that came within the last two minutes."""
        return f"{self.digests()} unless {self.digests(' offset 2m')}"

    def gpus(self, metric: str) -> str:
        """A metric of DCGM's exporter by the pod that uses the GPU."""
        # Where the exporter is scraped without honouring its labels, the pod that uses it is `exported`.
        exported = self.pods.replace("namespace=", "exported_namespace=").replace("pod=", "exported_pod=")
        renamed = f'label_replace({metric}{{{exported}}}, "pod", "$1", "exported_pod", "(.+)")'
        return f"sum by (pod, gpu) ({metric}{{{self.pods}}} or {renamed})"

    def _container(self, metric: str) -> str:
        return f'{metric}{{{self.pods},container="{CONTAINER}"}}'

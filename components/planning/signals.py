"""What is asked of Prometheus about a model's server: the expressions that dashboards and the report share."""

from dataclasses import dataclass

from components.planning.server_metrics import ServerMetrics, metrics_of

_OWN = metrics_of("onnx")
_TRITON = metrics_of("triton")


def of_namespace(namespace: str) -> str:
    """Matchers of everything that is scraped in a namespace."""
    return f'namespace="{namespace}"'


def of_model(namespace: str, model: str) -> str:
    """Matchers of what a model's pods say of themselves: the job of its targets is the model (slo.py)."""
    return f'namespace="{namespace}",job="{model}"'


def selected(selector: str, target: str) -> str:
    """A selector with the matchers of a target before its own."""
    metric, _, matchers = selector.removesuffix("}").partition("{")
    return f"{metric}{{{','.join(filter(None, (target, matchers)))}}}"


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Expressions on the metrics of one kind of server. Each takes the window that its rates are over, such as 5m.

    What a server does not measure is None.

    Attributes:
        target: matchers of the pods that are asked.
        by: labels whose values are told apart; without any, there is one answer.
    """

    metrics: ServerMetrics
    target: str
    by: tuple[str, ...] = ()

    @property
    def own(self) -> bool:
        """Whether this project's server is asked."""
        return self.metrics is _OWN

    def requests(self, window: str) -> str:
        """Requests per second."""
        return self._rates(self.metrics.requests, window)

    def error_ratio(self, window: str) -> str:
        """How much of the requests failed by the server's fault, 0 to 1."""
        every = self.requests(window)
        # A counter of failures is not there before the first one.
        return f"({self._rates(self.metrics.errors, window)} or 0 * {every}) / {every}"

    def latency(self, quantile: float, window: str) -> str | None:
        """Seconds within which so much of the requests is answered."""
        metrics = self.metrics
        if metrics.duration is None:
            return None
        return self._quantile(quantile, metrics.duration, metrics.duration_labels, metrics.duration_unit, window)

    def mean_latency(self, window: str) -> str | None:
        """Seconds that a request takes, of a server that only sums them up."""
        return self._mean_microseconds("nv_inference_request_duration_us", window)

    def queue(self, quantile: float, window: str) -> str | None:
        """Seconds that so much of the requests waits at most."""
        total = self.metrics.queue[0] if self.metrics.queue else ""
        if not total.endswith("_sum"):  # not a histogram's
            return None
        return self._quantile(quantile, total.removesuffix("_sum"), "", self.metrics.queue_unit, window)

    def mean_queue(self, window: str) -> str | None:
        """Seconds that a request waits, of a server that only sums them up."""
        return self._mean_microseconds("nv_inference_queue_duration_us", window)

    def inference(self, quantile: float, window: str) -> str | None:
        """Seconds that so much of the batches takes in the model at most."""
        return self._quantile(quantile, "model_server_inference_duration_seconds", "", 1, window) if self.own else None

    def batch_size(self, window: str) -> str | None:
        """Mean rows of a batch."""
        if self.own:
            rows, batches = "model_server_batch_size_sum", "model_server_batch_size_count"
        elif self.metrics is _TRITON:
            rows, batches = "nv_inference_count", "nv_inference_exec_count"
        else:
            return None
        return f"{self._rates((rows,), window)} / {self._rates((batches,), window)}"

    def in_server(self) -> dict[str, str]:
        """Requests that have arrived and are not answered, by the metrics that count them."""
        own = ("model_server_requests_in_flight", "model_server_requests_queued")
        names = own if self.own else self.metrics.in_flight
        return {name: self._sum(selected(name, self.target)) for name in names}

    def ready(self) -> str | None:
        """Pods that take requests."""
        return self._sum(selected(self.metrics.ready, self.target)) if self.metrics.ready else None

    def _rates(self, selectors: tuple[str, ...], window: str) -> str:
        return self._sum(" or ".join(f"rate({selected(each, self.target)}[{window}])" for each in selectors))

    def _quantile(self, quantile: float, histogram: str, matchers: str, unit: float, window: str) -> str:
        buckets = selected(f"{histogram}_bucket{{{matchers}}}", self.target)
        labels = ", ".join(("le", *self.by))
        seconds = f" * {unit:g}" if unit != 1 else ""
        return f"histogram_quantile({quantile:g}, sum by ({labels}) (rate({buckets}[{window}]))){seconds}"

    def _mean_microseconds(self, counter: str, window: str) -> str | None:
        if self.metrics is not _TRITON:
            return None
        return f"{self._rates((counter,), window)} / {self.requests(window)} / 1e6"

    def _sum(self, expression: str) -> str:
        return f"sum by ({', '.join(self.by)}) ({expression})" if self.by else f"sum({expression})"

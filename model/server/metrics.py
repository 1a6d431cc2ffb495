"""What /metrics tells, in base units, under Prometheus' naming rules."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The server's metrics. Labels hold only what the server itself was told, never what clients send."""

    def __init__(self) -> None:
        # A second series for each counter that says when it was created; nothing here asks.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "model_server_requests",
            "Inference requests by HTTP status.",
            ["model", "code"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "model_server_request_duration_seconds",
            "Time from the request's head to its answer, the body's arrival included.",
            ["model"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.inference_seconds = Histogram(
            "model_server_inference_duration_seconds",
            "Time in the model alone.",
            ["model"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "model_server_requests_in_flight", "Inference requests being answered.", ["model"], registry=self.registry
        )
        self.ready = Gauge(
            "model_server_ready", "1 while the server takes requests.", ["model"], registry=self.registry
        )
        self.load_seconds = Gauge(
            "model_server_load_duration_seconds",
            "Time to verify and load the model and to replay its contract.",
            ["model"],
            registry=self.registry,
        )
        self.model_info = Gauge(
            "model_server_model_info",
            "Always 1; the labels say which model this is.",
            ["model", "version", "digest", "framework"],
            registry=self.registry,
        )

    def expose(self) -> bytes:
        """All metrics in the text format."""
        return generate_latest(self.registry)

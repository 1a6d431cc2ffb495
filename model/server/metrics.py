"""What /metrics tells, in base units, under Prometheus' naming rules."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# Statuses that are counted from the start, at 0: no rate sees an increase in the first value of a counter. The others
# are clients' mistakes, and rare.
_COUNTED = (200, 400, 500, 503)


class Histogram:
    """A histogram that costs a tenth of the library's: no lock, one bucket counted for each observation.

    Only one of its methods may be interrupted by another thread, and it would miss one observation in doing so.
    """

    __slots__ = ("bounds", "counts", "exemplars", "labels", "total")

    def __init__(self, bounds: tuple[float, ...], labels: dict[str, str]) -> None:
        self.bounds = bounds
        self.labels = labels
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}

    def observe(self, value: float, trace: dict[str, str] | None = None) -> None:
        """Counts a value. The last trace of each bucket is kept."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value
        if trace is not None:
            self.exemplars[bucket] = Exemplar(trace, value, time.time())


class _Requests(Collector):
    """A counter without the library's lock and look-ups. It belongs to the event loop's thread."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, int]] = Counter()

    def collect(self) -> Iterator[CounterMetricFamily]:
        what = "Inference requests by protocol and HTTP status; of gRPC, the HTTP status of the same meaning."
        family = CounterMetricFamily("model_server_requests", what, labels=["model", "protocol", "code"])
        for (model, protocol, code), count in self.counts.items():
            family.add_metric([model, protocol, str(code)], count)
        yield family


class _Histograms(Collector):
    def __init__(self) -> None:
        self.families: dict[str, tuple[str, list[Histogram]]] = {}

    def collect(self) -> Iterator[HistogramMetricFamily]:
        for name, (what, histograms) in self.families.items():
            family = HistogramMetricFamily(name, what, labels=list(histograms[0].labels))
            for histogram in histograms:
                running = accumulate(histogram.counts)
                bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
                buckets = [
                    (bound, float(count), exemplar) if (exemplar := histogram.exemplars.get(place)) else (bound, count)
                    for place, (bound, count) in enumerate(zip(bounds, running, strict=True))
                ]
                family.add_metric(list(histogram.labels.values()), buckets, histogram.total)
            yield family


class Metrics:
    """The server's metrics. Labels hold only what the server itself was told, never what clients send.

    Args:
        protocols: in which the model can be asked.
    """

    def __init__(self, model_name: str, protocols: Sequence[str]) -> None:
        # A second series for each counter that says when it was created; nothing here asks.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._model_name = model_name
        self._histograms = _Histograms()
        self.registry.register(self._histograms)
        self._requests = _Requests()
        self.registry.register(self._requests)
        what = "Time from the request's head to its answer, the body's arrival included."
        self._request_seconds = {
            protocol: self._histogram("model_server_request_duration_seconds", what, _SECONDS, protocol)
            for protocol in protocols
        }
        self._requests.counts.update({(model_name, protocol, code): 0 for protocol in protocols for code in _COUNTED})
        self.queue_seconds = self._histogram(
            "model_server_queue_duration_seconds", "Time from the whole request to the start of its work.", _SECONDS
        )
        self.inference_seconds = self._histogram(
            "model_server_inference_duration_seconds", "Time of a batch in the model alone.", _SECONDS
        )
        self.batch_rows = self._histogram("model_server_batch_size", "Rows of a batch.", _ROWS)
        self.in_flight = self._gauge("model_server_requests_in_flight", "Inference requests being answered.")
        self.queued = self._gauge("model_server_requests_queued", "Inference requests waiting or being computed.")
        self.ready = self._gauge("model_server_ready", "1 while the server takes requests.")
        self.load_seconds = self._gauge(
            "model_server_load_duration_seconds", "Time to verify and load the model and to replay its contract."
        )
        self._model_info = Gauge(
            "model_server_model_info",
            "Always 1; the labels say which model this is.",
            ["model", "version", "digest", "framework"],
            registry=self.registry,
        )

    def loaded(self, version: str, digest: str, framework: str, seconds: float) -> None:
        """The model is in use."""
        self.load_seconds.set(seconds)
        self._model_info.labels(self._model_name, version, digest, framework).set(1)

    def answered(self, protocol: str, code: int, seconds: float, trace: dict[str, str] | None) -> None:
        """Counts a request. The trace's ids become the exemplar of its bucket, which OpenMetrics shows."""
        self._requests.counts[self._model_name, protocol, code] += 1
        self._request_seconds[protocol].observe(seconds, trace)

    def refused(self, protocol: str, code: int, *, known: bool) -> None:
        """Counts a request for a model or version that is not here."""
        self._requests.counts[self._model_name if known else "unknown", protocol, code] += 1

    def expose(self, accept: str) -> tuple[bytes, str]:
        """All metrics and their content type: OpenMetrics where the client accepts it, else Prometheus' text format."""
        if "application/openmetrics-text" in accept:
            # Imported when first asked for: most starts never are.
            from prometheus_client.openmetrics import exposition

            return exposition.generate_latest(self.registry), exposition.CONTENT_TYPE_LATEST
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _histogram(self, name: str, what: str, bounds: tuple[float, ...], protocol: str | None = None) -> Histogram:
        labels = {"model": self._model_name} | ({"protocol": protocol} if protocol else {})
        histogram = Histogram(bounds, labels)
        if name not in self._histograms.families:
            self._histograms.families[name] = (what, [])
        self._histograms.families[name][1].append(histogram)
        return histogram

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, ["model"], registry=self.registry).labels(self._model_name)

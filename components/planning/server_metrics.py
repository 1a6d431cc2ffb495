"""What the metrics of each server are called, and what they count.

This project's own are in docs/serving.md. The others follow their servers' documentation: TensorFlow Serving 2 (whose
latencies are in microseconds), Triton 2, vLLM's OpenAI server.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isclose

_OWN_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_VLLM_BOUNDS = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480)
# Microseconds, each 1.8 times the one before, written with six digits.
_TF_BOUNDS = tuple(10 * 1.8**power for power in range(26))


@dataclass(frozen=True, kw_only=True)
class ServerMetrics:
    """Names of one server's metrics. A selector is a metric with label matchers in braces, without those of the target.

    Attributes:
        requests: counters, whose sum is every request.
        errors: counters of the requests among them that failed by the server's fault.
        duration: histogram of a request's time, None for a server that has none.
        duration_labels: matchers that keep the histogram to requests for a prediction.
        duration_unit: what one of its units is in seconds.
        bounds: of its buckets, as the server writes them.
        ready: gauge that is 1 while a pod takes requests.
        time: counter of all the time that requests took, in the unit of the duration.
        in_flight: gauges whose sum is the requests of a pod, for a server whose requests take longer than a minute.
        queue: counter of all the time that requests waited, and counter of the requests that it is of.
        queue_unit: what one unit of that time is in seconds.
    """

    requests: tuple[str, ...]
    errors: tuple[str, ...]
    duration: str | None = None
    duration_labels: str = ""
    duration_unit: float = 1
    bounds: tuple[str, ...] = ()
    ready: str | None = None
    time: str | None = None
    in_flight: tuple[str, ...] = ()
    queue: tuple[str, str] | None = None
    queue_unit: float = 1

    def seconds(self, bound: str) -> float:
        """What a bound of the histogram is in seconds."""
        return float(bound) * self.duration_unit

    def bound(self, seconds: float) -> str | None:
        """The bound at so many seconds, as the server writes it; None where there is none."""
        return next((bound for bound in self.bounds if isclose(self.seconds(bound), seconds)), None)

    def nearest(self, seconds: float) -> str:
        """The bound that is next to so many seconds, as the stack file writes it."""
        return latency(min((self.seconds(bound) for bound in self.bounds), key=lambda bound: abs(bound - seconds)))

    def latencies(self) -> tuple[str, ...]:
        """All bounds, as the stack file writes them."""
        return tuple(latency(self.seconds(bound)) for bound in self.bounds)


def latency(seconds: float) -> str:
    """Seconds as the stack file writes a latency."""
    return f"{seconds:.6g}s" if seconds >= 1 else f"{seconds * 1000:.6g}ms"


def _written(bounds: Iterable[float]) -> tuple[str, ...]:
    return tuple(f"{bound:.6g}" for bound in bounds)


_BY_RUNTIME = {
    "own": ServerMetrics(
        requests=("model_server_requests_total{}",),
        errors=('model_server_requests_total{code=~"5.."}',),
        duration="model_server_request_duration_seconds",
        bounds=_written(_OWN_BOUNDS),
        ready="model_server_ready",
        time="model_server_request_duration_seconds_sum",
        queue=("model_server_queue_duration_seconds_sum", "model_server_queue_duration_seconds_count"),
    ),
    "tf-serving": ServerMetrics(
        requests=(":tensorflow:serving:request_count{}",),
        errors=(
            ':tensorflow:serving:request_count{status=~"UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|INTERNAL|'
            'UNAVAILABLE|DATA_LOSS"}',
        ),
        duration=":tensorflow:serving:request_latency",
        duration_unit=1e-6,
        bounds=_written(_TF_BOUNDS),
        time=":tensorflow:serving:request_latency_sum",
    ),
    "triton": ServerMetrics(
        requests=("nv_inference_request_success{}", "nv_inference_request_failure{}"),
        errors=('nv_inference_request_failure{reason!="CANCELED"}',),
        duration_unit=1e-6,
        time="nv_inference_request_duration_us",
        queue=("nv_inference_queue_duration_us", "nv_inference_request_success"),
        queue_unit=1e-6,
    ),
    "vllm": ServerMetrics(
        requests=('http_requests_total{handler=~"/v1/.*"}',),
        errors=('http_requests_total{handler=~"/v1/.*",status="5xx"}',),
        duration="vllm:e2e_request_latency_seconds",
        bounds=_written(_VLLM_BOUNDS),
        in_flight=("vllm:num_requests_running", "vllm:num_requests_waiting"),
        queue=("vllm:request_queue_time_seconds_sum", "vllm:request_queue_time_seconds_count"),
    ),
}


def metrics_of(runtime: str) -> ServerMetrics | None:
    """The metrics of a runtime of the stack file; None for an image whose server this program does not know."""
    return _BY_RUNTIME.get("own" if runtime in ("onnx", "tensorflow") else runtime)

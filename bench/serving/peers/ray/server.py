"""Ray Serve with one replica and one proxy, both without access logs, set for throughput rather than for streams."""

import os
import sys

# Read when ray.serve is imported: proxy and replica run user code in their own loop, and send no streams.
os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from session import Model
from starlette.requests import Request

QUIET = LoggingConfig(log_level="ERROR", enable_access_log=False)


@serve.deployment(num_replicas=1, max_ongoing_requests=64, logging_config=QUIET)
class Digits:
    def __init__(self, path):
        self.model = Model(path)

    async def __call__(self, request: Request):
        body = await request.json()
        return {"outputs": self.model(body["inputs"]).tolist()}


ray.init(
    num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _node_ip_address="127.0.0.1",
    runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"], "THREADS": os.environ["THREADS"]}},
)  # fmt: skip
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])}, logging_config=QUIET)
serve.run(Digits.bind(sys.argv[1]), route_prefix="/predict", blocking=True)

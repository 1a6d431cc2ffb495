"""Serves one model over the Open Inference Protocol v2, after the model has proved itself.

    MODEL_NAME=digits python -m server

Each module has one job: settings (environment), cpus (the container's share), contract (is this the model that was
built?), session (ONNX Runtime) or tensorflow_session, accelerators (its GPU), protocol (bytes to tensors and back), app
(HTTP), metrics, logs, serve (life cycle).
"""

import os

# Official builds of ONNX Runtime report to their maker unless this is set before their first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"

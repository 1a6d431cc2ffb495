"""Turns a model's source folder into what the server loads: a model (ONNX, or a SavedModel) and contract.json.

    python -m exporter SOURCE OUT --framework keras

Runs inside the image build's exporter stage, the only place where the framework is installed.
"""

import os

# Official builds of ONNX Runtime report to their maker unless this is set before their first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

"""What all peers share: the model in ONNX Runtime with the same settings as in the server."""

import os
import sys
from typing import Any

import numpy as np
import onnxruntime


class Model:
    """The model file that the command line names."""

    def __init__(self, path: str = "") -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(path or sys.argv[1], options, providers=providers)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, rows: Any) -> Any:
        """Rows -> the first output, [rows, ...]."""
        return self._session.run(None, {self._input: np.asarray(rows, dtype=np.float32)})[0]

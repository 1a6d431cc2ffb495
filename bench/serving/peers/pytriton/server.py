"""PyTriton: Triton's own server from NVIDIA's wheel, the model in Python beside it; HTTP alone, no batching."""

import sys

import numpy as np
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from session import Model

model = Model()


def infer(requests):
    return [{"probabilities": model(request.data["pixels"])} for request in requests]


config = TritonConfig(
    http_address="127.0.0.1", http_port=int(sys.argv[2]), allow_grpc=False, allow_metrics=False, log_verbose=0
)
with Triton(config=config) as triton:
    triton.bind(
        model_name="digits",
        infer_func=infer,
        inputs=[Tensor(name="pixels", dtype=np.float32, shape=(-1, 8, 8))],
        outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(-1, 10))],
        config=ModelConfig(batching=False),
    )
    triton.serve()

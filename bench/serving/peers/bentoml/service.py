"""BentoML's service: one worker, no tracing of requests."""

import os

import bentoml
import numpy as np
from session import Model


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Digits:
    def __init__(self):
        self.model = Model(os.environ["MODEL_FILE"])

    @bentoml.api
    def predict(self, inputs: list[list[list[float]]]) -> dict:
        return {"outputs": np.asarray(self.model(inputs)).tolist()}

"""KServe's SDK, its REST server alone, on the loopback address."""

import sys

import numpy as np
import uvicorn
from kserve import InferOutput, InferResponse, ModelServer
from kserve import Model as ServedModel
from session import Model

model = Model()
configure = uvicorn.Config.__init__
# It says 0.0.0.0 to uvicorn, and offers no setting.
uvicorn.Config.__init__ = lambda self, *args, **more: configure(self, *args, **{**more, "host": "127.0.0.1"})


class Digits(ServedModel):
    def load(self):
        self.ready = True
        return True

    def predict(self, payload, headers=None, response_headers=None):
        rows = payload.inputs[0].as_numpy()
        output = InferOutput("probabilities", [len(rows), 10], "FP32")
        output.set_data_from_numpy(np.asarray(model(rows)), binary_data=False)
        return InferResponse(payload.id, self.name, [output])


served = Digits("digits")
served.load()
server = ModelServer(
    http_port=int(sys.argv[2]), enable_grpc=False, workers=1, enable_docs_url=False, enable_latency_logging=False
)
server.start([served])

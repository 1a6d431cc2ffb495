"""MLServer in one process (parallel_workers 0, as its documentation advises for small models), without gRPC.

Without its adaptive batching, too: with max_batch_size 8 and max_batch_time 0.001 it answers a third fewer requests.
"""

import asyncio
import sys

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from session import Model


class Digits(MLModel):
    async def load(self):
        self.model = Model()
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("probabilities", self.model(rows))
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=[output])


async def main():
    port = int(sys.argv[2])
    settings = Settings(
        debug=False,
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,
        metrics_port=port + 2,
        parallel_workers=0,
        metrics_endpoint=None,
    )
    server = MLServer(settings)
    await server.start([ModelSettings(name="digits", implementation=Digits)])


asyncio.run(main())

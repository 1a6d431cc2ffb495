"""A closed loop of gRPC calls, each answer compared; prints the calls per second.

python -m bench.serving.grpc_load PORT CALLS_AT_ONCE SECONDS FOLDER, with pixels.npy and expected.npy in the folder.
"""

import asyncio
import sys
import time
from pathlib import Path

import grpc
import numpy as np

from model.server.grpc_messages import CLASSES, SERVICE


async def main(port: str, at_once: int, seconds: float, folder: Path) -> None:
    pixels, expected = np.load(folder / "pixels.npy"), np.load(folder / "expected.npy")
    request = CLASSES["ModelInferRequest"](
        model_name="digits",
        inputs=[{"name": "pixels", "datatype": "FP32", "shape": pixels.shape}],
        raw_input_contents=[pixels.tobytes()],
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=CLASSES["ModelInferRequest"].SerializeToString,
            response_deserializer=CLASSES["ModelInferResponse"].FromString,
        )
        began = time.perf_counter()

        async def loop() -> int:
            count = 0
            while time.perf_counter() - began < seconds:
                answer = await call(request)
                values = np.frombuffer(answer.raw_output_contents[0], dtype=np.float32)
                np.testing.assert_allclose(values, expected.ravel(), atol=1e-4)
                count += 1
            return count

        counts = await asyncio.gather(*(loop() for _ in range(at_once)))
        print(sum(counts) / (time.perf_counter() - began))


if __name__ == "__main__":
    port, at_once, seconds, folder = sys.argv[1:]
    asyncio.run(main(port, int(at_once), float(seconds), Path(folder)))

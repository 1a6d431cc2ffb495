"""The least that a server can do: Granian, orjson, ONNX Runtime. No validation, no metrics, no limits, no health."""

import sys

import orjson
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from session import Model

model = Model()
JSON = [("content-type", "application/json")]


async def app(scope, protocol):
    rows = orjson.loads(await protocol())["inputs"]
    answer = orjson.dumps({"outputs": model(rows)}, option=orjson.OPT_SERIALIZE_NUMPY)
    protocol.response_bytes(200, JSON, answer)


async def main():
    server = Server(app, address="127.0.0.1", port=int(sys.argv[2]), interface=Interfaces.RSGI, log_enabled=False)
    await server.serve()


uvloop.run(main())

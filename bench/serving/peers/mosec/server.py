"""mosec with one worker, which takes one request at a time."""

import os
import sys

from session import Model

# mosec reads the command line itself, and hands it to its worker.
os.environ.setdefault("MODEL_FILE", sys.argv[1])
if not sys.argv[1].startswith("--"):
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", sys.argv[2], "--log-level", "error"]

import msgspec
from mosec import Server, Worker


class Digits(Worker):
    def __init__(self):
        self.model = Model(os.environ["MODEL_FILE"])

    def deserialize(self, data):
        return msgspec.json.decode(data)["inputs"]

    def forward(self, data):
        return {"outputs": self.model(data).tolist()}

    def serialize(self, data):
        return msgspec.json.encode(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Digits, num=1)
    server.run()

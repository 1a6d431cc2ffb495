"""mosec with one worker, which takes one request at a time, or with its dynamic batching for up to a millisecond."""

import os
import sys

from session import Model

# mosec reads the command line itself, and hands it to its worker.
os.environ.setdefault("MODEL_FILE", sys.argv[1])
if not sys.argv[1].startswith("--"):
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", sys.argv[2], "--log-level", "error"]

import msgspec
import numpy as np
from mosec import Server, Worker

BATCH = int(os.environ["MAX_BATCH_SIZE"])


class Digits(Worker):
    def __init__(self):
        self.model = Model(os.environ["MODEL_FILE"])

    def deserialize(self, data):
        return msgspec.json.decode(data)["inputs"]

    def forward(self, data):
        if BATCH == 1:
            return {"outputs": self.model(data).tolist()}
        # The load's requests have one row each.
        answers = self.model(np.concatenate([np.asarray(rows, dtype=np.float32) for rows in data])).tolist()
        return [{"outputs": [answer]} for answer in answers]

    def serialize(self, data):
        return msgspec.json.encode(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Digits, num=1, max_batch_size=BATCH, max_wait_time=1 if BATCH > 1 else 0)
    server.run()

"""LitServe with one worker, answering requests as dictionaries."""

import sys

import litserve
from session import Model


class Digits(litserve.LitAPI):
    def setup(self, device):
        self.model = Model(MODEL)

    def decode_request(self, request):
        return request["inputs"]

    def predict(self, rows):
        return self.model(rows)

    def encode_response(self, output):
        return {"outputs": output.tolist()}


MODEL = sys.argv[1]

if __name__ == "__main__":
    server = litserve.LitServer(Digits(), accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)

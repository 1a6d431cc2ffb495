"""Entry point of the container."""

import os
import signal
import sys
import time

STARTED = time.monotonic()

# The first process of a container ignores signals that it has no handler for. Until the server has its own, end.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from .serve import run  # noqa: E402 - slow: it brings in Granian

if __name__ == "__main__":
    code = run(os.environ, STARTED)
    sys.stdout.flush()
    # Not sys.exit: it would wait for a model that is still loading or computing in its thread.
    os._exit(code)

"""Other servers of the same model, each with one worker in its best configuration, in an environment of its own.

"Best" is the quickest of what its documentation offers for one model on a processor: no access logs, one ONNX Runtime
thread, its own fastest event loop. Requests are computed one by one, as in this server. mosec is quicker where it puts
them together, which a load of equal requests of one row suits best: it is measured both ways.

Each `server.py` is started with the model file's path and a port of 127.0.0.1.
"""

from dataclasses import dataclass
from pathlib import Path

from toolchain import venv

FOLDER = Path(__file__).resolve().parent
SYSTEM_PYTHON = Path("/usr/bin/python3")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`path` is what takes requests. `v2`: its bodies are the Open Inference Protocol's, else a plain list of rows.

    `batch`: how many requests it puts together at most. `folder`: where it is, if not under its name. `system_python`:
    it loads the distribution's libpython, whose standard library must then be the environment's, too.
    """

    name: str
    path: str
    v2: bool = False
    system_python: bool = False
    folder: str = ""
    batch: int = 1

    @property
    def server(self) -> Path:
        """What starts it."""
        return FOLDER / (self.folder or self.name) / "server.py"


PEERS = (
    Peer(name="bare", path="/"),
    Peer(name="kserve", path="/v2/models/digits/infer", v2=True),
    Peer(name="mlserver", path="/v2/models/digits/infer", v2=True),
    Peer(name="litserve", path="/predict"),
    Peer(name="bentoml", path="/predict"),
    Peer(name="mosec", path="/inference"),
    Peer(name="mosec_batching", path="/inference", folder="mosec", batch=8),
    Peer(name="ray", path="/predict"),
    Peer(name="pytriton", path="/v2/models/digits/infer", v2=True, system_python=True),
    Peer(name="fastapi", path="/predict"),
    Peer(name="fastapi_tensorflow", path="/predict"),
)


def peer_python(peer: Peer) -> Path:
    """Python of the peer's virtual environment, which is made when it is missing."""
    return venv.ensure(peer.server.with_name("requirements.txt"), SYSTEM_PYTHON if peer.system_python else None)

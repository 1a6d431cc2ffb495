"""Other servers of the same model, each with one worker in its best configuration, in an environment of its own.

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

    `system_python`: it loads the distribution's libpython, whose standard library must then be the environment's, too.
    """

    name: str
    path: str
    v2: bool = False
    system_python: bool = False


PEERS = (
    Peer(name="bare", path="/"),
    Peer(name="kserve", path="/v2/models/digits/infer", v2=True),
    Peer(name="mlserver", path="/v2/models/digits/infer", v2=True),
    Peer(name="litserve", path="/predict"),
    Peer(name="bentoml", path="/predict"),
    Peer(name="mosec", path="/inference"),
    Peer(name="ray", path="/predict"),
    Peer(name="pytriton", path="/v2/models/digits/infer", v2=True, system_python=True),
    Peer(name="fastapi", path="/predict"),
    Peer(name="fastapi_tensorflow", path="/predict"),
)


def peer_python(peer: Peer) -> Path:
    """Python of the peer's virtual environment, which is made when it is missing."""
    return venv.ensure(FOLDER / peer.name / "requirements.txt", SYSTEM_PYTHON if peer.system_python else None)

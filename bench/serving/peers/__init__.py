"""Other servers of the same model, each as its documentation begins, with one worker and in an environment of its own.

Each `server.py` is started with the model file's path and a port of 127.0.0.1.
"""

from dataclasses import dataclass
from pathlib import Path

from toolchain import venv

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Peer:
    """`path` is what takes requests. `v2`: its bodies are the Open Inference Protocol's, else a plain list of rows."""

    name: str
    path: str
    v2: bool = False


PEERS = (
    Peer(name="bare", path="/"),
    Peer(name="kserve", path="/v2/models/digits/infer", v2=True),
    Peer(name="mlserver", path="/v2/models/digits/infer", v2=True),
    Peer(name="litserve", path="/predict"),
    Peer(name="bentoml", path="/predict"),
    Peer(name="mosec", path="/inference"),
    Peer(name="fastapi", path="/predict"),
)


def peer_python(name: str) -> Path:
    """Python of the peer's virtual environment, which is made when it is missing."""
    return venv.ensure(FOLDER / name / "requirements.txt")

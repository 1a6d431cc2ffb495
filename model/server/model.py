"""A model that has proved itself."""

import time
from dataclasses import dataclass
from pathlib import Path

from . import contract as contracts
from .contract import Contract
from .protocol import InferRequest, Signature, Tensors
from .session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """`digest` is the SHA-256 of the contract, and so of everything in the model's folder; `version` its start."""

    name: str
    contract: Contract
    digest: str
    session: Session
    load_seconds: float

    @property
    def version(self) -> str:
        """Says which model answered; the same for the same contract everywhere."""
        return self.digest[:12]

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return self.contract.signature

    def infer(self, request: InferRequest) -> Tensors:
        """Answers by output name. Blocks; safe to call from several threads."""
        return self.session.run(request.inputs, request.outputs)


def load(name: str, folder: Path, threads: int) -> Model:
    """Verifies the files, loads the model, replays its golden requests.

    Raises: RefusalError: any of them is not as the contract says.
    """
    started = time.perf_counter()
    contract, digest = contracts.read(folder)
    contracts.verify_files(contract, folder)
    session = Session(folder / contracts.MODEL_FILE, threads)
    contracts.verify_signature(contract, session.signature)
    contracts.replay(contract, lambda request: session.run(request.inputs, request.outputs))
    return Model(
        name=name,
        contract=contract,
        digest=digest,
        session=session,
        load_seconds=time.perf_counter() - started,
    )

"""A model that has proved itself."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import batching, signature
from . import contract as contracts
from .contract import Contract
from .errors import RefusalError
from .tensors import InferRequest, Signature, Tensors

QUICK_SECONDS = 0.0005
"""A model that answers as quickly is given one thread."""


class Session(Protocol):
    """A loaded model in its runtime: session.Session, tensorflow_session.TensorFlowSession."""

    platform: str
    """The runtime and its format, as the Open Inference Protocol names them."""
    signature: Signature

    def run(self, inputs: Tensors, outputs: Sequence[str]) -> Tensors:
        """The answers by output name; in several threads at once. Raises: RequestError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """`digest` is the SHA-256 of the contract, and so of everything in the model's folder; `version` its start.

    `answer_seconds` is the time that the quickest golden request took in the model.
    """

    name: str
    contract: Contract
    digest: str
    session: Session
    load_seconds: float
    answer_seconds: float

    @property
    def version(self) -> str:
        """Says which model answered; the same for the same contract everywhere."""
        return self.digest[:12]

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""
        return self.contract.signature


def load(
    name: str,
    folder: Path,
    threads: int,
    *,
    accelerator: str = "none",
    batched: bool = False,
    signed: tuple[Path, str] | None = None,
) -> Model:
    """Verifies the files, loads the model, replays its golden requests; in a batch, too, if it is to be `batched`.

    `signed` is where its signature must be, and the public key that it must be of.

    Raises: RefusalError: any of them is not as the contract says.
    """
    started = time.perf_counter()
    contract, digest = contracts.read(folder)
    if signed:
        signature.verify(*signed, contract, digest)
    contracts.verify_files(contract, folder)
    session = _open(contract, folder, threads, accelerator)
    contracts.verify_signature(contract, session.signature)
    if batched:
        batching.check_possible(session.signature)
    seconds: list[float] = []

    def infer(request: InferRequest) -> Tensors:
        began = time.perf_counter()
        answers = session.run(request.inputs, request.outputs)
        seconds.append(time.perf_counter() - began)
        return answers

    contracts.replay(contract, infer)
    is_onnx = contracts.ONNX_FILE in contract.files
    if threads > 1 and min(seconds) <= QUICK_SECONDS and is_onnx and accelerator == "none":
        # To share so little work among threads takes longer than the work.
        session = _open(contract, folder, 1, accelerator)
        contracts.replay(contract, infer)
    if batched:
        batching.prove(contract, session.run)
    return Model(
        name=name,
        contract=contract,
        digest=digest,
        session=session,
        load_seconds=time.perf_counter() - started,
        answer_seconds=min(seconds),
    )


def _open(contract: Contract, folder: Path, threads: int, accelerator: str) -> Session:
    """Loads the model in its runtime, of which an image has one. Each takes time to import, TensorFlow seconds."""
    try:
        if contracts.ONNX_FILE in contract.files:
            from .session import Session as OnnxSession

            return OnnxSession(folder / contracts.ONNX_FILE, threads, accelerator)
        from .tensorflow_session import TensorFlowSession
    except ModuleNotFoundError as error:
        raise RefusalError(f"this image has no {error.name}, which this model needs; build the image anew") from None
    if accelerator != "none":
        raise RefusalError(f"ACCELERATOR is {accelerator}, which a SavedModel cannot use here; allowed: none")
    return TensorFlowSession(folder / contracts.SAVED_MODEL_FILE, threads)

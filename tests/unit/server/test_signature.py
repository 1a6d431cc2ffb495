"""A signed model: a changed byte, or another key, is found out before anything is loaded."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from model.server import model as models
from model.server.errors import RefusalError
from tests.unit.server.models import edit_contract, write_linear

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sign(folder: Path, signature: Path, key: ec.EllipticCurvePrivateKey = KEY, **changes: Any) -> None:
    """Signs the folder as model-signing does; tests/integration/test_signing.py compares with model-signing itself."""
    resources = [{"name": p.name, "algorithm": "sha256", "digest": digest(p)} for p in sorted(folder.iterdir())]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"resources": resources},
        **changes,
    }
    kind, payload = "application/vnd.in-toto+json", json.dumps(statement).encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    signed = key.sign(message, ec.ECDSA(hashes.SHA256()))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"sig": base64.b64encode(signed).decode(), "keyid": ""}],
    }
    signature.write_text(json.dumps({"dsseEnvelope": envelope}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_linear(tmp_path / "model")


@pytest.fixture
def signature(folder: Path, tmp_path: Path) -> Path:
    sign(folder, tmp_path / "model.sig")
    return tmp_path / "model.sig"


def refusal(folder: Path, signature: Path, key: str = public(KEY)) -> str:
    with pytest.raises(RefusalError) as refused:
        models.load("linear", folder, 1, signed=(signature, key))
    return str(refused.value)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def test_a_signed_model_is_loaded(folder: Path, signature: Path) -> None:
    assert models.load("linear", folder, 1, signed=(signature, public(KEY))).name == "linear"


@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_byte_of_the_weights(folder: Path, signature: Path, place: int) -> None:
    flip(folder / "model.onnx", place)
    assert refusal(folder, signature).startswith("model.onnx: SHA-256 is ")


def test_a_byte_of_the_contract(folder: Path, signature: Path) -> None:
    before = digest(folder / "contract.json")
    content = (folder / "contract.json").read_text()
    place = content.index('"name": "numpy"') + len('"name": "')
    flip(folder / "contract.json", len(content[:place].encode()))
    after = digest(folder / "contract.json")
    assert refusal(folder, signature) == f"model.sig: contract.json is sha256:{after}, signed is sha256:{before}"


def test_every_byte_of_the_signature(folder: Path, signature: Path) -> None:
    """Each character of the signature itself, one bit of it: the file's own text is JSON around it."""
    bundle = json.loads(signature.read_text())
    raw = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(changed).decode()
        signature.write_text(json.dumps(bundle))
        reason = refusal(folder, signature)
        assert reason == "model.sig: not signed with SIGNATURE_PUBLIC_KEY's key, or changed since", place


def test_a_byte_of_what_was_signed(folder: Path, signature: Path) -> None:
    bundle = json.loads(signature.read_text())
    payload = bytearray(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    payload[-10] ^= 1
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    signature.write_text(json.dumps(bundle))
    assert refusal(folder, signature) == "model.sig: not signed with SIGNATURE_PUBLIC_KEY's key, or changed since"


def test_whoever_changes_everything_lacks_the_key(folder: Path, signature: Path) -> None:
    """Weights, contract and signature agree with each other; only the key tells."""
    edit_contract(folder, metrics={"held_out_accuracy": 0.5})
    sign(folder, signature, OTHER_KEY)
    assert refusal(folder, signature) == "model.sig: not signed with SIGNATURE_PUBLIC_KEY's key, or changed since"


def test_the_signature_of_another_model(folder: Path, signature: Path, tmp_path: Path) -> None:
    edit_contract(folder, metrics={"held_out_accuracy": 0.5})
    assert refusal(folder, signature).startswith("model.sig: contract.json is sha256:")
    (folder / "more.bin").write_text("more")
    sign(folder, signature)
    more = digest(folder / "more.bin")
    assert refusal(folder, signature) == f"model.sig: more.bin is None, signed is sha256:{more}"


def test_no_signature_where_one_is_demanded(folder: Path, tmp_path: Path) -> None:
    assert refusal(folder, tmp_path / "model.sig") == (
        "model.sig: the model is not signed, and SIGNATURE_PUBLIC_KEY demands it: No such file or directory"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda bundle: bundle.clear(), "model.sig: not a signature: "),
        (lambda bundle: bundle["dsseEnvelope"].update(signatures=[]), "model.sig: not a signature of model-signing"),
        (lambda bundle: bundle["dsseEnvelope"].update(payloadType="text"), "model.sig: not a signature of model-sign"),
    ],
)
def test_what_is_no_signature(
    folder: Path, signature: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    bundle = json.loads(signature.read_text())
    change(bundle)
    signature.write_text(json.dumps(bundle))
    assert refusal(folder, signature).startswith(reason)


def test_something_else_signed_with_the_same_key(folder: Path, signature: Path) -> None:
    sign(folder, signature, predicateType="https://slsa.dev/provenance/v1")
    assert refusal(folder, signature) == "model.sig: what is signed is 'https://slsa.dev/provenance/v1', not a model"
    sign(folder, signature, predicate={})
    assert refusal(folder, signature).startswith("model.sig: what is signed is not a list of files: ")


@pytest.mark.parametrize("key", ["", "not base64!", base64.b64encode(b"not a key").decode()])
def test_a_key_that_is_none(folder: Path, signature: Path, key: str) -> None:
    reason = refusal(folder, signature, key)
    assert reason == "SIGNATURE_PUBLIC_KEY: not the base64 of an elliptic curve key (P-256, P-384 or P-521)"

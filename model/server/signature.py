"""Who built the model: an OpenSSF Model Signing signature over all of its files, verified with a public key.

The form is model-signing's (https://github.com/sigstore/model-transparency): a Sigstore bundle with a DSSE envelope
(https://github.com/secure-systems-lab/dsse) around an in-toto statement that lists every file with its SHA-256. That
package itself, with what it needs, is a third of this image's size; verifying takes one call of `cryptography`.
"""

import base64
from pathlib import Path

import msgspec

from .contract import CONTRACT_FILE, Contract
from .errors import RefusalError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"


class _Signature(msgspec.Struct):
    sig: bytes


class _Envelope(msgspec.Struct):
    payload: bytes
    payload_type: str = msgspec.field(name="payloadType")
    signatures: tuple[_Signature, ...] = ()


class _Bundle(msgspec.Struct):
    envelope: _Envelope = msgspec.field(name="dsseEnvelope")


class _Resource(msgspec.Struct):
    name: str
    algorithm: str
    digest: str


class _Predicate(msgspec.Struct):
    resources: tuple[_Resource, ...]


class _Statement(msgspec.Struct):
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: _Predicate


def verify(path: Path, public_key: str, contract: Contract, digest: str) -> None:
    """Compares what was signed with the contract, whose SHA-256 is `digest`; the contract vouches for the files.

    `public_key` is the base64 of an elliptic curve key (its SubjectPublicKeyInfo as DER).

    Raises: RefusalError: there is no signature, it is not that key's, or it is one of other files.
    """
    try:
        bundle = msgspec.json.decode(path.read_bytes(), type=_Bundle)
    except OSError as error:
        raise RefusalError(
            f"{path.name}: the model is not signed, and SIGNATURE_PUBLIC_KEY demands it: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"{path.name}: not a signature: {error}") from error
    envelope = bundle.envelope
    if envelope.payload_type != PAYLOAD_TYPE or len(envelope.signatures) != 1:
        raise RefusalError(f"{path.name}: not a signature of model-signing")
    _verify_key(envelope, public_key, path.name)
    try:
        statement = msgspec.json.decode(envelope.payload, type=_Statement)
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"{path.name}: what is signed is not a list of files: {error}") from error
    if statement.predicate_type != PREDICATE_TYPE:
        raise RefusalError(f"{path.name}: what is signed is {statement.predicate_type!r}, not a model")
    signed = {resource.name: f"{resource.algorithm}:{resource.digest}" for resource in statement.predicate.resources}
    stated = {name: f"sha256:{value}" for name, value in {CONTRACT_FILE: digest, **contract.files}.items()}
    for name in sorted(signed.keys() | stated.keys()):
        if signed.get(name) != stated.get(name):
            raise RefusalError(f"{path.name}: {name} is {stated.get(name)}, signed is {signed.get(name)}")


def _verify_key(envelope: _Envelope, public_key: str, name: str) -> None:
    # Loaded only where models are signed: it takes a tenth of a start.
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    # What the signer uses for each curve.
    kinds = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size not in kinds:
        raise RefusalError("SIGNATURE_PUBLIC_KEY: not the base64 of an elliptic curve key (P-256, P-384 or P-521)")
    kind, payload = envelope.payload_type, envelope.payload
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    try:
        key.verify(envelope.signatures[0].sig, encoded, ec.ECDSA(kinds[key.key_size]))
    except InvalidSignature:
        raise RefusalError(f"{name}: not signed with SIGNATURE_PUBLIC_KEY's key, or changed since") from None

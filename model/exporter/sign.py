"""Signs an exported model, so that a server that has the public key can tell who built it.

    python -m exporter.sign MODEL SIGNATURE "$PUBLIC_KEY"

The signature is OpenSSF Model Signing's (https://github.com/sigstore/model-transparency), with an elliptic curve key:
`model_signing verify key MODEL --signature SIGNATURE --public_key KEY` verifies it too. Runs in a stage of the image
build; the private key comes as a build secret and stays in no layer.
"""

import base64
import os
import sys
from pathlib import Path

from .errors import ExportError

PRIVATE_KEY = Path("/run/secrets/signing_key")


def sign(model: Path, signature: Path, public_key: str, private_key: Path) -> None:
    """Writes the signature of the folder's files.

    Raises: ExportError: the private key cannot be read, or does not belong to the public key. No key is shown.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from model_signing.signing import Config

    try:
        given = serialization.load_pem_private_key(private_key.read_bytes(), password=None)
        wanted = serialization.load_der_public_key(base64.b64decode(public_key))
    except (OSError, TypeError, ValueError) as error:
        raise ExportError(
            f"the signing key cannot be read ({type(error).__name__}). It must be the PEM of an elliptic curve key "
            "without a password: openssl ecparam -name prime256v1 -genkey -noout"
        ) from None
    if not isinstance(given, ec.EllipticCurvePrivateKey) or given.public_key() != wanted:
        raise ExportError(
            "the signing key does not belong to the stack's public key; signing.publicKey and the secret "
            "that signing.privateKey names must be a pair"
        )
    signature.parent.mkdir(parents=True, exist_ok=True)
    Config().use_elliptic_key_signer(private_key=private_key).sign(model, signature)
    signature.chmod(0o444)
    os.utime(signature, (0, 0))


def main() -> int:
    """Returns the process's exit code: 0, or 1 with the reason on the last line of standard error."""
    model, signature, public_key = sys.argv[1:]
    try:
        sign(Path(model), Path(signature), public_key, PRIVATE_KEY)
    except ExportError as error:
        print(f"export failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

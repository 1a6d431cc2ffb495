"""What lies beside an image in its registry, and the commands that put it there and look at it.

All of it is attached to the image's digest, as referrers of the OCI distribution specification 1.1 (a tag
`sha256-<hex>` lists them in registries without that interface). With a key they are Sigstore bundles of cosign 3:
in-toto statements, signed. Without one they are plain files.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIGNATURE_TYPE = "https://sigstore.dev/cosign/sign/v1"
# Of signatures that cosign 2 made, which are no statements.
_OLDER_SIGNATURE_TYPE = "cosign container image signature"
SBOM_TYPE = "https://cyclonedx.org/bom"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"

# What cosign calls a predicate's type, and the media type of a file that is attached without a signature.
_COSIGN_NAMES = {SBOM_TYPE: "cyclonedx", PROVENANCE_TYPE: "slsaprovenance1"}
MEDIA_TYPES = {SBOM_TYPE: "application/vnd.cyclonedx+json", PROVENANCE_TYPE: "application/vnd.in-toto+json"}

# Keys reach cosign as variables of its environment, never as arguments or files.
PUBLIC_KEY, PRIVATE_KEY, PASSWORD = "COSIGN_PUBLIC_KEY", "COSIGN_PRIVATE_KEY", "COSIGN_PASSWORD"


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """What is attached to an image that is built here.

    Attributes:
        sbom: a list of its packages, one for each of `platforms` (one in all where none are named).
        provenance: what it was built from.
        public_key: of who signs the image and both of these; unsigned, and no signature, without.
    """

    sbom: bool = False
    provenance: bool = False
    public_key: str | None = None
    platforms: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to attach."""
        return self.sbom or self.provenance or self.public_key is not None

    def programs(self) -> tuple[str, ...]:
        """The programs that attach it. oras reads what a build wrote into the image, and attaches without a key."""
        needed = {
            "oras": self.provenance or (self.sbom and self.public_key is None),
            "syft": self.sbom,
            "cosign": self.public_key is not None,
        }
        return tuple(name for name, is_needed in needed.items() if is_needed)

    def wanted(self) -> Counter[str]:
        """How many of each predicate's type an image must have."""
        counts = Counter({SBOM_TYPE: max(len(self.platforms), 1) * self.sbom, PROVENANCE_TYPE: int(self.provenance)})
        if self.public_key is not None:
            counts[SIGNATURE_TYPE] = 1
        return +counts

    def told(self, image: Any) -> dict[str, Any]:
        """What the state remembers: when any of it changes, the image's attachments are looked at again."""
        return {"image": image, "attached": sorted(self.wanted().elements()), "publicKey": self.public_key}


def pem(public_key: str) -> str:
    """The public key of a stack file, which has it in one line, as cosign reads it."""
    lines = [public_key[start : start + 64] for start in range(0, len(public_key), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def sign_command(image: str) -> list[str]:
    """cosign's arguments to sign an image, with nothing said to a public log."""
    return ["sign", *_SIGNED_HERE, image]


def attest_command(image: str, predicate_type: str, predicate: Path) -> list[str]:
    """cosign's arguments to attach a predicate to an image in a signed statement."""
    kind = _COSIGN_NAMES[predicate_type]
    return ["attest", *_SIGNED_HERE, f"--type={kind}", f"--predicate={predicate}", image]


# A private registry's images are nobody else's business, and a build may have no way to the internet.
_SIGNED_HERE = ("--yes", f"--key=env://{PRIVATE_KEY}", "--use-signing-config=false", "--tlog-upload=false")


def verify_command(image: str) -> list[str]:
    """cosign's arguments to tell what is attached to an image that the key signed (see `verified`)."""
    return ["verify", f"--key=env://{PUBLIC_KEY}", "--insecure-ignore-tlog=true", "--output=json", image]


def verified(output: str) -> Counter[str]:
    """Of what cosign verified, how many there are of each predicate's type."""
    return Counter(entry["critical"]["type"] for entry in json.loads(output))


def is_signed(output: str) -> bool:
    """Whether there is a signature among what cosign verified: a signed list of packages is none."""
    return bool(verified(output).keys() & {SIGNATURE_TYPE, _OLDER_SIGNATURE_TYPE})


def fetch_command(image: str, predicate_type: str) -> list[str]:
    """cosign's arguments to print the attestations of a type that the key signed, a DSSE envelope a line."""
    kind = _COSIGN_NAMES[predicate_type]
    key = f"--key=env://{PUBLIC_KEY}"
    return ["verify-attestation", key, "--insecure-ignore-tlog=true", f"--type={kind}", image]


def sbom_command(image: str, platform: str | None, target: Path) -> list[str]:
    """syft's arguments to list an image's packages. It reads the image from its registry, not from a Docker Engine."""
    where = [f"--platform={platform}"] if platform else []
    return ["scan", f"registry:{image}", "--quiet", *where, f"--output=cyclonedx-json={target}"]


def attach_command(image: str, predicate_type: str, file: Path) -> list[str]:
    """oras's arguments to attach a file without a signature. Its folder is the one that the command is run in."""
    media = MEDIA_TYPES[predicate_type]
    note = f"--annotation=in-toto.io/predicate-type={predicate_type}"
    return ["attach", "--no-tty", f"--artifact-type={media}", note, image, f"{file.name}:{media}"]


def discover_command(image: str) -> list[str]:
    """oras's arguments to list what is attached to an image."""
    return ["discover", "--format=json", image]


def discovered(output: str) -> dict[str, list[str]]:
    """References of what is attached without a signature, by the predicate's type."""
    found: dict[str, list[str]] = {}
    listed: Iterable[Mapping[str, Any]] = json.loads(output).get("referrers") or ()
    for entry in listed:
        for predicate_type, media in MEDIA_TYPES.items():
            if entry.get("artifactType") == media:
                found.setdefault(predicate_type, []).append(str(entry["reference"]))
    return found


def statement(image: str, predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """An in-toto statement about an image (https://in-toto.io/Statement/v1)."""
    name, _, digest = image.partition("@sha256:")
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }

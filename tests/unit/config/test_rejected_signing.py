"""What a stack file may not say about who signs images, and the line that says so."""

from typing import Any

import pytest

from .conftest import Load
from .test_accepted import SMALLEST
from .test_rejected import EXAMPLE_IMAGE, PUBLIC_KEY, Mistakes

COSIGN_KEY = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ncanary\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
PROMOTED = SMALLEST | {"models": {"digits": {"image": EXAMPLE_IMAGE}}}
SIGNING = {"publicKey": PUBLIC_KEY, "privateKey": "imageKey"}
NO_COSIGN_KEY = (
    "model-serving:imageSigning.privateKey: the secret imageKey is no private key of cosign's (ENCRYPTED SIGSTORE "
    "PRIVATE KEY): what cosign generate-key-pair writes, or cosign import-key-pair makes of another one "
    "-> pulumi config set --secret model-serving:imageKey --stack dev < cosign.key"
)


def test_what_is_built_is_signed(mistakes: Mistakes) -> None:
    assert mistakes(SMALLEST | {"imageSigning": {"publicKey": PUBLIC_KEY}}) == [
        "model-serving:imageSigning.privateKey: is required and missing; the key of the secret to sign the images of "
        "digits with -> pulumi config set --path 'model-serving:imageSigning.privateKey' imageKey --stack dev"
    ]


def test_what_is_built_elsewhere_is_verified_with_the_public_key_alone(load: Load) -> None:
    loaded = load(PROMOTED | {"imageSigning": {"publicKey": PUBLIC_KEY, "verify": "all"}})
    assert loaded.secrets == {}
    assert loaded.config.image_signing is not None
    assert loaded.config.image_signing.verify == "all"


def test_keys_are_secrets_beside_the_configuration(load: Load) -> None:
    loaded = load(
        SMALLEST | {"imageSigning": SIGNING | {"password": "imageKeyPassword"}},
        secrets={"imageKey": COSIGN_KEY, "imageKeyPassword": "hidden"},
    )
    assert set(loaded.secrets) == {"imageKey", "imageKeyPassword"}
    assert "hidden" not in repr(loaded.config)


@pytest.mark.parametrize(
    "key",
    ["canary", "-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----", COSIGN_KEY.replace("\n", "")],
    ids=["no PEM", "OpenSSL's", "one line"],
)
def test_only_cosigns_own_private_keys_sign(mistakes: Mistakes, key: str) -> None:
    assert mistakes(SMALLEST | {"imageSigning": SIGNING}, secrets={"imageKey": key}) == [NO_COSIGN_KEY]


def test_a_key_that_is_not_there_or_not_secret(mistakes: Mistakes) -> None:
    signing = {"imageSigning": SIGNING | {"password": "imageKeyPassword"}}
    assert mistakes(SMALLEST | signing | {"imageKey": "canary"}, secrets={}) == [
        "model-serving:imageSigning.password: the secret imageKeyPassword has no value "
        "-> pulumi config set --secret model-serving:imageKeyPassword --stack dev",
        "model-serving:imageSigning.privateKey: the secret imageKey is stored in plain text "
        "-> pulumi config set --secret model-serving:imageKey --stack dev",
    ]


def test_a_password_without_a_key_opens_nothing(mistakes: Mistakes) -> None:
    signing = {"imageSigning": {"publicKey": PUBLIC_KEY, "password": "imageKeyPassword"}}
    assert mistakes(PROMOTED | signing, secrets={"imageKeyPassword": "canary"}) == [
        "model-serving:imageSigning.password: would do nothing: it opens a private key, and there is none "
        "-> pulumi config rm --path 'model-serving:imageSigning.password' --stack dev"
    ]


@pytest.mark.parametrize(
    ("section", "line"),
    [
        (
            {"imageSigning": "cosign.pub"},
            'model-serving:imageSigning: "cosign.pub" is not a section; keys allowed in it: publicKey, privateKey, '
            "password, verify",
        ),
        (
            {"imageSigning": {"publicKey": PUBLIC_KEY, "verify": "some"}},
            'model-serving:imageSigning.verify: "some" is not one of the choices; allowed: models, all',
        ),
        ({"image": {"sbom": "yes"}}, 'model-serving:image.sbom: "yes" is not a switch; allowed: true or false'),
        (
            {"image": {"provenence": True}},
            'model-serving:image.provenence: unknown key, did you mean "provenance"? allowed: platforms, sbom, '
            "provenance",
        ),
    ],
)
def test_wrong_values(mistakes: Mistakes, section: dict[str, Any], line: str) -> None:
    [found] = mistakes(PROMOTED | section)
    assert found.startswith(f"{line} -> ")

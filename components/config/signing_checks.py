"""Mistakes between the sections that say who signs models and images, and the rest of a configuration."""

import json
import re
from collections.abc import Iterator

from components.config.given import Given, models_of
from components.config.problems import Problem
from components.config.sections.runtime import OWN_RUNTIMES

_COSIGN_KEY = r"-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----\s"


def problems(given: Given) -> Iterator[Problem]:
    """Every such mistake, of models' signatures (`signing`) and of images' (`imageSigning`)."""
    yield from _missing_signing_keys(given)
    yield from _strange_image_keys(given)
    yield from _unverified_signatures(given)


def _missing_signing_keys(given: Given) -> Iterator[Problem]:
    built = [name for name, model in models_of(given.data) if model.get("source") is not None]
    for section, what, example in (("signing", "", "signingKey"), ("imageSigning", "the images of ", "imageKey")):
        signing, path = given.data.get(section), (section, "privateKey")
        if built and isinstance(signing, dict) and signing.get("privateKey") is None:
            yield Problem(
                path=path,
                message=f"is required and missing; the key of the secret to sign {what}{', '.join(built)} with",
                fix=given.commands.set(path, example),
            )


def _strange_image_keys(given: Given) -> Iterator[Problem]:
    """cosign signs with private keys of its own format only, and a password opens one."""
    signing = given.data.get("imageSigning")
    if not isinstance(signing, dict):
        return
    key = signing.get("privateKey")
    if signing.get("password") is not None and key is None:
        yield Problem(
            path=("imageSigning", "password"),
            message="would do nothing: it opens a private key, and there is none",
            fix=given.commands.remove(("imageSigning", "password")),
        )
    if not isinstance(key, str) or not given.has_value(key) or not given.is_secret(key):
        return
    if not re.match(_COSIGN_KEY, given.value(key).strip()):
        yield Problem(
            path=("imageSigning", "privateKey"),
            message=f"the secret {key} is no private key of cosign's (ENCRYPTED SIGSTORE PRIVATE KEY): what cosign "
            "generate-key-pair writes, or cosign import-key-pair makes of another one",
            fix=f"{given.commands.set_secret(key)} < cosign.key",
        )


def _unverified_signatures(given: Given) -> Iterator[Problem]:
    """A stack that demands signatures must not run a server that looks at none."""
    for name, model in models_of(given.data):
        runtime = model.get("runtime")
        if given.data.get("signing") is not None and isinstance(runtime, str) and runtime not in OWN_RUNTIMES:
            yield Problem(
                path=("models", name, "runtime"),
                message=f"{json.dumps(runtime)} verifies no signature, and signing demands one; "
                f"allowed: {', '.join(OWN_RUNTIMES)}",
                fix="serve it from a stack without signing",
            )

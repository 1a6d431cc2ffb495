"""Whether the images that a stack names by their digests were signed by whom it trusts, before anything changes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pulumi

from components import programs
from components.config import ConfigError, ImageSigningConfig, Problem, StackConfig
from components.config.problems import Path, dotted
from components.config.sections.runtime import OWN_RUNTIMES
from components.planning import attestations
from components.programs import ProgramFailed

# What cosign's errors say of an image, whatever stands around it. An image that is not there has no signature either.
_UNSIGNED = "no signatures found"
_NOT_BY_THIS_KEY = "no matching"


def verify_images(stack: str, config: StackConfig) -> None:
    """Hold every image that is named by its digest against the key of `imageSigning`. A stack without it is left alone.

    What is built here is signed, and held against the key, after its push. A registry that cannot be asked is a warning
    in a preview and an error in an update.

    Raises:
        ConfigError: naming every image that is not signed with this key.
        UserError: cosign is missing.
    """
    signing = config.image_signing
    named = dict(_named(config, signing)) if signing is not None else {}
    if signing is None or not named:
        return
    where = "model-serving:imageSigning"
    cosign = programs.find("cosign", where, "images are verified", programs.INSTALL["cosign"])
    variables = {attestations.PUBLIC_KEY: attestations.pem(signing.public_key)}

    def reason(image: str) -> str:
        try:
            command = [cosign, *attestations.verify_command(image)]
            return "" if attestations.is_signed(programs.run(command, variables=variables)) else _UNSIGNED
        except ProgramFailed as error:
            return programs.said(error)

    # Each asks the registry a few times.
    with ThreadPoolExecutor() as pool:
        reasons = dict(zip(named, pool.map(reason, named.values()), strict=True))
    problems = [problem for path, why in reasons.items() if why and (problem := _problem(path, named[path], why))]
    if problems:
        raise ConfigError(stack, problems)


def _named(config: StackConfig, signing: ImageSigningConfig) -> Iterator[tuple[Path, str]]:
    for name, model in config.models.items():
        if signing.verify == "models" and model.runtime not in OWN_RUNTIMES:
            continue
        if model.image is not None:
            yield ("models", name, "image"), model.image
        if model.canary is not None:
            yield ("models", name, "canary", "image"), model.canary.image


def _problem(path: Path, image: str, why: str) -> Problem | None:
    """Why an image is not deployed. What nobody could ask is a warning in a preview, and no problem of it."""
    if _UNSIGNED in why:
        sign = " ".join(["cosign", *attestations.sign_command(image)])
        return Problem(
            path=path,
            message=f"{image} has no signature of imageSigning.publicKey in its registry",
            fix="name an image that a stack with imageSigning.privateKey built, or sign this one where it was built: "
            + sign.replace(f"env://{attestations.PRIVATE_KEY}", "cosign.key"),
        )
    if _NOT_BY_THIS_KEY in why:
        return Problem(
            path=path,
            message=f"{image} is signed with another key than imageSigning.publicKey, or was changed since ({why})",
            fix="name an image that this key signed, or give the key of those whom you trust as imageSigning.publicKey",
        )
    what = f"{image} cannot be verified, its registry does not say whether it is signed: {why}"
    if pulumi.runtime.is_dry_run():
        pulumi.log.warn(f"model-serving:{dotted(path)}: {what}; an update would not deploy it")
        return None
    return Problem(path=path, message=what, fix="log in to the registry (docker login), or see what it says")

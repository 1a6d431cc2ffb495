"""The images that a stack builds."""

from collections.abc import Mapping

import pulumi

from components.config import ImageSigningConfig, StackConfig
from components.model_image import ModelImage, ModelImageArgs
from components.planning.attestations import PASSWORD, PRIVATE_KEY, Attachments


def built_images(
    stack: str, config: StackConfig, secrets: Mapping[str, pulumi.Input[str]], parent: pulumi.Resource
) -> Mapping[str, ModelImage]:
    """The images that are built here, by model. The others are promoted by their digest."""
    registry, signing = config.registry, config.signing
    return {
        name: ModelImage(
            name,
            ModelImageArgs(
                model=name,
                stack=stack,
                framework=model.source.framework,
                source=model.source.path,
                runtime=model.runtime,
                accelerator=model.accelerator,
                artifact=model.source.artifact,
                quantization_loss=model.source.quantization.max_loss if model.source.quantization else None,
                public_key=signing.public_key if signing else None,
                signing_key=secrets[signing.private_key] if signing and signing.private_key else None,
                repository=registry.repository,
                platforms=config.image.platforms,
                proxy=config.proxy,
                ca_bundle=config.ca_bundle,
                attachments=Attachments(
                    sbom=config.image.sbom,
                    provenance=config.image.provenance,
                    public_key=config.image_signing.public_key if config.image_signing else None,
                    platforms=config.image.platforms,
                ),
                cosign_keys=_cosign_keys(config.image_signing, secrets),
            ),
            pulumi.ResourceOptions(parent=parent),
        )
        for name, model in config.served.items()
        # The configuration is checked: with a source there is a registry.
        if model.source is not None and registry is not None
    }


def _cosign_keys(
    signing: ImageSigningConfig | None, secrets: Mapping[str, pulumi.Input[str]]
) -> dict[str, pulumi.Input[str]]:
    """The variables that cosign reads a private key and its password from."""
    if signing is None or signing.private_key is None:
        return {}
    password = secrets[signing.password] if signing.password else ""
    return {PRIVATE_KEY: secrets[signing.private_key], PASSWORD: password}

"""How images are built, from what, where they are pushed, and who signs them."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from components.config.sections.base import Section, from_text
from components.config.types import (
    Artifact,
    ImageRepository,
    ObjectName,
    ProjectPath,
    PublicKey,
    QualityLoss,
    SecretKey,
    Switch,
)


class PullSecretConfig(Section):
    """Credentials of a registry: an existing Secret by its name, or one made of `config`, the key of a secret.

    The value of that secret is a Docker configuration (config.json) with the registry's entry in `auths`.
    """

    name: ObjectName | None = None
    config: SecretKey | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.name is not None and self.config is not None:
            raise PydanticCustomError("keep_one", "name and config are given; a pull secret has exactly one")
        if self.name is None and self.config is None:
            raise PydanticCustomError("give_one", "neither name nor config is given; a pull secret has exactly one")
        return self


PullSecret = Annotated[
    PullSecretConfig,
    BeforeValidator(from_text("name", ObjectName), json_schema_input_type=ObjectName | PullSecretConfig),
    Field(
        title="Kubernetes object name",
        description='1 to 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends, or a '
        "section with config, the key of a secret to make one of",
        examples=["registry-login"],
    ),
]


class RegistryConfig(Section):
    """Where built images are pushed. Credentials to push come from the machine's Docker configuration, never from here.

    Nodes that need credentials to pull get them from the `pullSecret`.
    """

    repository: ImageRepository
    pull_secret: PullSecret | None = None


class ImageConfig(Section):
    """How images are built. Without platforms, the builder's own platform is built.

    `sbom` is a list of an image's packages (CycloneDX), `provenance` says what it was built from (SLSA 1): both are
    attached to it in the registry after the push, signed where the stack has an `imageSigning.privateKey`.
    """

    platforms: tuple[Literal["linux/amd64", "linux/arm64"], ...] = ()
    sbom: Switch = False
    provenance: Switch = False


class ImageSigningConfig(Section):
    """Who may have built the images, in cosign's way: none is deployed that is not signed with this key.

    `private_key` is the key of the secret that holds cosign's private key, `password` of the one that opens it; only a
    stack that builds models needs them. `verify: models` is about images of this project's server, built here or
    elsewhere; `all` also about those of other servers.
    """

    public_key: PublicKey
    private_key: SecretKey | None = None
    password: SecretKey | None = None
    verify: Literal["models", "all"] = "models"


class SigningConfig(Section):
    """Who may have built the models: each server refuses a model that is not signed with this key (OpenSSF's way).

    `private_key` is the key of the secret that holds the other half; only a stack that builds models needs it.
    """

    public_key: PublicKey
    private_key: SecretKey | None = None


class QuantizationConfig(Section):
    """Weights as int8, if that costs no more than `max_loss` of the quality on the held-out data."""

    type: Annotated[Literal["int8"], Field(examples=["int8"])]
    max_loss: QualityLoss


class SourceConfig(Section):
    """A model that this stack builds: from its training code, or from the artifact that training left elsewhere."""

    framework: Annotated[Literal["keras", "tensorflow", "pytorch", "sklearn", "onnx"], Field(examples=["keras"])]
    path: ProjectPath
    artifact: Artifact | None = None
    quantization: QuantizationConfig | None = None

    @field_validator("artifact")
    @classmethod
    def _artifact_exists(cls, artifact: str | None, info: ValidationInfo) -> str | None:
        root = (info.context or {}).get("root")
        if root is not None and artifact is not None and "://" not in artifact and not (root / artifact).is_dir():
            raise PydanticCustomError(
                "model_folder",
                "folder {path} does not exist; it must hold the finished model",
                {"path": artifact},
            )
        return artifact

    @field_validator("path")
    @classmethod
    def _folder_exists(cls, path: str, info: ValidationInfo) -> str:
        root = (info.context or {}).get("root")
        if root is not None and not (root / path / "train.py").is_file():
            what = "has no train.py" if (root / path).is_dir() else "does not exist"
            raise PydanticCustomError(
                "model_folder",
                "folder {path} {what}; it must hold the model's training code with train.py in it",
                {"path": path, "what": what},
            )
        return path

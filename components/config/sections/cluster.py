"""Which cluster a stack deploys to."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from components.config.sections.base import Section, from_text
from components.config.settings_types import OutputName
from components.config.types import ClusterName, SecretKey, StackName

# In place of a context's name.
LOCAL, DOCKER = "local", "docker"


class StackOutputConfig(Section):
    """An output of another stack, such as of the one that made the cluster. It is treated as a secret."""

    stack: StackName
    output: OutputName = "kubeconfig"


class ClusterConfig(Section):
    """A cluster by the name of a context, by a kubeconfig among this stack's secrets, or by another stack's output."""

    context: ClusterName | None = None
    kubeconfig: SecretKey | None = None
    from_: Annotated[StackOutputConfig | None, Field(alias="from")] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_dump(by_alias=True, exclude_none=True)
        if len(given) > 1:
            raise PydanticCustomError(
                "keep_one", "{given} are given; a cluster is named in one way", {"given": " and ".join(given)}
            )
        if not given:
            raise PydanticCustomError("needs_cluster", "is empty; allowed: one of context, kubeconfig, from")
        return self

    @property
    def local(self) -> bool:
        """Whether it is the current context of the kubeconfig, whatever that is called."""
        return self.context == LOCAL

    @property
    def docker(self) -> bool:
        """Whether there is none: the models are containers of this machine's Docker Engine."""
        return self.context == DOCKER

    @property
    def identifier(self) -> str:
        """What the cluster is known by, on every machine and whatever its address or credentials become."""
        if self.from_ is not None:
            return f"{self.from_.stack}:{self.from_.output}"
        return f"kubeconfig:{self.kubeconfig}" if self.kubeconfig else self.context or ""


Cluster = Annotated[
    ClusterConfig,
    BeforeValidator(from_text("context", ClusterName), json_schema_input_type=ClusterName | ClusterConfig),
    Field(
        title="cluster name",
        description='"local" (the current context of your kubeconfig), "docker" (none: containers of this machine), '
        "the name of a kubeconfig context, or a section with kubeconfig (the key of a secret) or from (another stack's "
        "output)",
        examples=["local"],
    ),
]

"""What a stack has beside its models where Docker runs them: for `cluster: docker` and `make compose`."""

from components.config.sections.base import Section
from components.config.types import ImageRef, MemoryQuantity


class LocalDatabaseConfig(Section):
    """A PostgreSQL for the databases that the models name, under the host that they name, empty at first.

    Its image is Docker Hub's official one, or takes the same variables.
    """

    image: ImageRef
    memory: MemoryQuantity = "512Mi"


class DockerConfig(Section):
    """Services beside the models. A cluster's are its own, so elsewhere this says nothing."""

    database: LocalDatabaseConfig | None = None

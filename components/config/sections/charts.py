"""Helm charts that the models depend on: an operator, an ingress controller, KEDA."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from components.config.pool_types import ArchiveDigest, ChartRepository, ChartVersion
from components.config.sections.base import Section
from components.config.types import NamespaceName

ChartReference = Annotated[
    str,
    Field(
        pattern=r"^(?:[a-z0-9][a-z0-9._-]*|oci://[^\s@:/]+(?::[0-9]+)?(?:/[a-z0-9][a-z0-9._-]*)+)$",
        title="chart",
        description="the name of a chart in its repository, or oci://REGISTRY/PATH without a version",
        examples=["oci://registry.example.com/charts/keda"],
    ),
]


class ChartConfig(Section):
    """One chart, of exactly this version and content, in a namespace of its own or one that it shares.

    `values` are the chart's, and hold no secret: they are in the stack file and in the state.
    """

    chart: ChartReference
    version: ChartVersion
    digest: ArchiveDigest
    namespace: NamespaceName
    repository: ChartRepository | None = None
    pod_security: Literal["restricted", "baseline", "privileged"] = "restricted"
    values: Annotated[
        dict[str, Any],
        Field(title="section of values", description="the values of the chart, by its own names", examples=[{}]),
    ] = {}

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        in_registry = self.chart.startswith("oci://")
        if in_registry and self.repository is not None:
            raise PydanticCustomError(
                "keep_one", "repository is given, and chart is in an OCI registry; a chart comes from one place"
            )
        if not in_registry and self.repository is None:
            raise PydanticCustomError(
                "give_one", "neither repository is given nor is chart oci://; a chart comes from one of them"
            )
        return self


ChartName = Annotated[
    str,
    Field(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=40,
        title="name of a chart's release",
        description='1 to 40 lower-case letters, digits and "-", starting with a letter',
        examples=["keda"],
    ),
]

"""NVIDIA's software that makes GPUs a resource of nodes, where neither the cloud nor anybody else installs it."""

from typing import Literal

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from components.config.pool_types import ArchiveDigest, ChartRepository, ChartVersion
from components.config.sections.base import Section
from components.config.types import NamespaceName


class GpuSupportConfig(Section):
    """One chart for the cluster, on the nodes of this stack's pools.

    `digest` is needed where the program does not know it: of another version, or of the GPU operator.
    `driver`: the nodes' images have it (as those of EKS, AKS and GKE do), or the GPU operator installs it.
    """

    install: Literal["device-plugin", "gpu-operator"]
    version: ChartVersion | None = None
    repository: ChartRepository | None = None
    digest: ArchiveDigest | None = None
    namespace: NamespaceName = "nvidia"
    driver: Literal["nodes", "operator"] = "nodes"

    @field_validator("driver")
    @classmethod
    def _drivers_are_the_operators(cls, driver: str, info: ValidationInfo) -> str:
        if driver == "operator" and info.data.get("install") == "device-plugin":
            raise PydanticCustomError(
                "only_operator", "the device plugin installs no driver; allowed with install gpu-operator"
            )
        return driver

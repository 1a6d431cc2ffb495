"""What a pod asks for of its node, and what it may take at most."""

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from components.config.sections.base import Section
from components.config.types import CpuQuantity, MemoryQuantity
from components.planning.quantities import quantity_value


class ComputeResources(Section):
    """Amounts of one kind (requests or limits), under Kubernetes' names."""

    cpu: CpuQuantity | None = None
    memory: MemoryQuantity | None = None


class ResourcesConfig(Section):
    """Requests and limits as Kubernetes writes them. What is absent is filled in by `filled`."""

    requests: ComputeResources = ComputeResources()
    limits: ComputeResources = ComputeResources()

    @model_validator(mode="after")
    def _requests_fit_limits(self) -> Self:
        for name in ("cpu", "memory"):
            request, limit = getattr(self.requests, name), getattr(self.limits, name)
            if request and limit and quantity_value(request) > quantity_value(limit):
                raise PydanticCustomError(
                    "request_above_limit",
                    "requests.{name} ({request}) is above limits.{name} ({limit})",
                    {"name": name, "request": request, "limit": limit},
                )
        return self

    def filled(self, usual_memory: str = "256Mi") -> Self:
        """The same with every request set, and a memory limit. `usual_memory` is requested where no amount is given.

        A pod without requests is scheduled as if it needed nothing, and one without a memory limit can take its node
        down. There is no default CPU limit: it would throttle inference while cores idle.
        """
        memory = self.requests.memory or self.limits.memory or usual_memory
        # A limit that the program chooses is twice the request: loading a model needs more than serving it.
        twice = f"{(quantity_value(memory) * 2 / 2**20).to_integral_value(rounding='ROUND_CEILING')}Mi"
        cpu = self.requests.cpu or "250m"
        if self.limits.cpu and not self.requests.cpu:
            cpu = min(cpu, self.limits.cpu, key=quantity_value)
        return type(self)(
            requests=ComputeResources(cpu=cpu, memory=memory),
            limits=ComputeResources(cpu=self.limits.cpu, memory=self.limits.memory or twice),
        )

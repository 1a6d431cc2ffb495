"""How many pods a model has, where they may run, and how many of them may be away at once."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from components.config.monitoring_types import InFlight, Latency, PrometheusUrl, PromQuery, Threshold, seconds
from components.config.sections.base import Section
from components.config.types import MinReplicas, Percentage, Pods, PolicySeconds, Replicas, StabilizationSeconds


class ScalingPolicyConfig(Section):
    """At most so many pods, or so many per cent of those that run, are added or removed in a period."""

    type: Literal["Pods", "Percent"]
    value: Replicas
    period_seconds: PolicySeconds


class ScalingRulesConfig(Section):
    """One direction of scaling, under Kubernetes' names. The largest change that a policy allows is made."""

    stabilization_window_seconds: StabilizationSeconds
    select_policy: Literal["Max", "Min", "Disabled"] = "Max"
    policies: Annotated[
        tuple[ScalingPolicyConfig, ...],
        Field(description="a list of sections with type, value and periodSeconds"),
    ]

    @field_validator("policies")
    @classmethod
    def _some(cls, policies: tuple[ScalingPolicyConfig, ...]) -> tuple[ScalingPolicyConfig, ...]:
        # Not as a bound of the field: with a wrong policy in it, the list would count as empty.
        if not policies:
            raise PydanticCustomError("too_short", "is empty")
        return policies


class BehaviorConfig(Section):
    """How fast pods come and go. These are the defaults, always given to Kubernetes, whose own may change.

    Up: at once, but at most to twice as many pods in a minute. A model loads, proves its contract and warms up before
    it takes load off the others; until it does, the same load would count again and again.
    Down: to the most that was needed in the last 5 minutes, and then by a tenth (at least one pod) in a minute. A pod
    too many costs minutes of a node; a pod too few costs latency until another one has loaded its model.
    """

    scale_up: ScalingRulesConfig = ScalingRulesConfig.model_validate(
        {
            "stabilizationWindowSeconds": 0,
            "policies": [
                {"type": "Pods", "value": 1, "periodSeconds": 60},
                {"type": "Percent", "value": 100, "periodSeconds": 60},
            ],
        }
    )
    scale_down: ScalingRulesConfig = ScalingRulesConfig.model_validate(
        {
            "stabilizationWindowSeconds": 300,
            "policies": [
                {"type": "Pods", "value": 1, "periodSeconds": 60},
                {"type": "Percent", "value": 10, "periodSeconds": 60},
            ],
        }
    )


class WakeConfig(Section):
    """A query whose value there is without any pod of the model, such as the requests that an Ingress counts."""

    query: PromQuery
    threshold: Threshold


class KedaConfig(Section):
    """KEDA instead of an autoscaler of Kubernetes' own: it asks Prometheus itself, and may scale to zero and back.

    `prometheus` is needed where that is not the one of the operator in `monitoring.namespace`.
    """

    prometheus: PrometheusUrl | None = None
    wake: WakeConfig | None = None


class ReplicasConfig(Section):
    """How many pods: as many as the load needs between `min` and `max`, or, where both are the same, so many.

    Pods are added above a target, on average over them: `targetCPUUtilization`, in per cent of the CPU that they
    request; `targetInFlight`, requests that a pod answers at once; `targetQueueTime`, for which requests wait in it.
    Of several, the one that asks for the most counts. Without any they follow from the model's slo, and are 70 % of the
    CPU where it has none (components/planning/scaling.py).
    """

    min: MinReplicas = 1
    max: Replicas
    target_cpu_utilization: Annotated[Percentage | None, Field(alias="targetCPUUtilization")] = None
    target_in_flight: InFlight | None = None
    target_queue_time: Latency | None = None
    behavior: BehaviorConfig = BehaviorConfig()
    keda: KedaConfig | None = None

    @property
    def scaled(self) -> bool:
        """Whether an autoscaler owns the number of pods."""
        return self.max > self.min

    @property
    def queue_seconds(self) -> float | None:
        """The time for which requests may wait, in seconds."""
        return None if self.target_queue_time is None else seconds(self.target_queue_time)

    @model_validator(mode="after")
    def _something_wakes_it(self) -> Self:
        if self.min == 0 and (self.keda is None or self.keda.wake is None):
            raise PydanticCustomError(
                "no_trigger_wakes",
                "0 is not possible: pods are added by what pods themselves measure, and where none runs nothing is "
                "measured, so nothing would start the first one again; allowed with keda.wake, a query that sees load "
                "without pods; else keep one (with smaller resources.requests)",
            )
        return self

    @model_validator(mode="after")
    def _the_range_is_one(self) -> Self:
        if self.max < self.min:
            raise PydanticCustomError(
                "min_above_max", "min ({min}) is above max ({max})", {"min": self.min, "max": self.max}
            )
        idle = sorted(self.model_fields_set - {"min", "max"})
        if idle and not self.scaled:
            raise PydanticCustomError(
                "nothing_to_scale",
                "min and max are both {max}, so there is no autoscaler, and its settings would do nothing",
                {"max": self.max},
            )
        return self


def _count_is_a_range(value: Any) -> Any:
    if isinstance(value, dict | ReplicasConfig):
        return value
    try:
        count = _COUNT.validate_python(value)
    except ValidationError:
        raise PydanticCustomError("not_replicas", "is neither a number of replicas nor a range") from None
    return {"min": count, "max": count}


_COUNT = TypeAdapter[int](Replicas)

ReplicasSetting = Annotated[
    ReplicasConfig,
    BeforeValidator(_count_is_a_range, json_schema_input_type=Replicas | ReplicasConfig),
    Field(
        title="number of replicas",
        description="a whole number from 1 to 1000, or a section with min and max for an autoscaler",
        examples=[2],
    ),
]


class SpreadConfig(Section):
    """Whether pods that cannot be apart wait (required) or share a zone or node (preferred)."""

    zone: Literal["required", "preferred"] = "preferred"
    node: Literal["required", "preferred"] = "preferred"


class DisruptionBudgetConfig(Section):
    """How many pods a drained node or another planned disruption leaves, or takes, at once. Exactly one of the two."""

    min_available: Pods | None = None
    max_unavailable: Pods | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.min_available is not None and self.max_unavailable is not None:
            raise PydanticCustomError(
                "keep_one", "minAvailable and maxUnavailable are given; a disruption budget has exactly one"
            )
        if self.min_available is None and self.max_unavailable is None:
            raise PydanticCustomError(
                "budget_is_empty", "is empty; a disruption budget has exactly one of minAvailable and maxUnavailable"
            )
        return self

    def blocks(self, replicas: int) -> bool:
        """Whether no pod of `replicas` may ever leave, so that their nodes could not be drained."""
        return self.min_available is not None and pods_of(self.min_available, replicas) >= replicas


def pods_of(amount: str, replicas: int) -> int:
    """How many pods an amount is, as Kubernetes counts: a share of `replicas` is rounded up."""
    if amount.endswith("%"):
        return -(-replicas * int(amount[:-1]) // 100)
    return int(amount)

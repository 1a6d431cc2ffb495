"""How many pods there are, where they may run, and how many may leave at once."""

from typing import TYPE_CHECKING

from components.planning.triggers import Target, hpa_metrics

if TYPE_CHECKING:
    import pulumi
    from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscalerSpecArgsDict, HPAScalingRulesArgsDict
    from pulumi_kubernetes.core.v1 import (
        AffinityArgsDict,
        PodAffinityTermArgsDict,
        PodAntiAffinityArgsDict,
        TopologySpreadConstraintArgsDict,
    )
    from pulumi_kubernetes.policy.v1 import PodDisruptionBudgetSpecArgsDict

    from components.config import ModelConfig, ReplicasConfig, SpreadConfig
    from components.config.sections.scaling import ScalingRulesConfig

ZONE, NODE = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
# The pods of one version are looked at apart from those that they replace, or no new pod would fit beside the old ones.
_SAME_VERSION = ["pod-template-hash"]


def autoscaler(
    replicas: "ReplicasConfig", deployment: "pulumi.Input[str]", found: list[Target]
) -> "HorizontalPodAutoscalerSpecArgsDict":
    """An autoscaler of a Deployment by its targets: of several, the one that asks for the most pods counts."""
    return {
        "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": deployment},
        "min_replicas": replicas.min,
        "max_replicas": replicas.max,
        "metrics": hpa_metrics(found),
        "behavior": {
            "scale_up": _rules(replicas.behavior.scale_up),
            "scale_down": _rules(replicas.behavior.scale_down),
        },
    }


def _rules(rules: "ScalingRulesConfig") -> "HPAScalingRulesArgsDict":
    return {
        "stabilization_window_seconds": rules.stabilization_window_seconds,
        "select_policy": rules.select_policy,
        "policies": [
            {"type": policy.type, "value": policy.value, "period_seconds": policy.period_seconds}
            for policy in rules.policies
        ],
    }


def disruption_budget(config: "ModelConfig", selector: dict[str, str]) -> "PodDisruptionBudgetSpecArgsDict | None":
    """What drained nodes leave of a model; None for a single pod, unless the configuration asks for one.

    By default one pod may leave at a time, as in an update. For a model of one pod that would be no protection, and
    one that protects it would keep its node from ever being drained.
    """
    asked = config.disruption_budget
    if asked is None and config.replicas.max == 1:
        return None
    spec: PodDisruptionBudgetSpecArgsDict = {
        "selector": {"match_labels": selector},
        # A pod that is not ready serves nobody: it may always leave, or a broken model would keep its node.
        "unhealthy_pod_eviction_policy": "AlwaysAllow",
    }
    if asked is not None and asked.min_available is not None:
        spec["min_available"] = _int_or_percent(asked.min_available)
    else:
        spec["max_unavailable"] = _int_or_percent((asked.max_unavailable if asked else None) or "1")
    return spec


def _int_or_percent(amount: str) -> int | str:
    return amount if amount.endswith("%") else int(amount)


def apart(spread: "SpreadConfig", selector: dict[str, str]) -> "AffinityArgsDict":
    """Keep a node to one pod of this model. Unless it is required, preferred only: one node is a cluster too."""
    term: PodAffinityTermArgsDict = {"topology_key": NODE, "label_selector": {"match_labels": selector}}
    rules: PodAntiAffinityArgsDict
    if spread.node == "required":
        term["match_label_keys"] = _SAME_VERSION
        rules = {"required_during_scheduling_ignored_during_execution": [term]}
    else:
        rules = {"preferred_during_scheduling_ignored_during_execution": [{"weight": 100, "pod_affinity_term": term}]}
    return {"pod_anti_affinity": rules}


def spread(config: "SpreadConfig", selector: dict[str, str]) -> "list[pulumi.Input[TopologySpreadConstraintArgsDict]]":
    """Spread over zones and nodes, where there are several; evenly or not at all where it is required."""
    return [_constraint(ZONE, config.zone, selector), _constraint(NODE, config.node, selector)]


def _constraint(key: str, demand: str, selector: dict[str, str]) -> "TopologySpreadConstraintArgsDict":
    constraint: TopologySpreadConstraintArgsDict = {
        "max_skew": 1,
        "topology_key": key,
        "when_unsatisfiable": "DoNotSchedule" if demand == "required" else "ScheduleAnyway",
        "label_selector": {"match_labels": selector},
    }
    if demand == "required":
        constraint["match_label_keys"] = _SAME_VERSION
    return constraint

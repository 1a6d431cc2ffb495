"""Groups of equal machines, of which clouds' own node pools consist."""

from collections.abc import Iterator
from dataclasses import dataclass

from components.config.sections.pools import AutoscaledPool
from components.planning.pools import AKS_SPOT_TAINT, CAPACITY_LABEL, NodePool, Taint


@dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """Machines that are all spot or all not.

    Attributes:
        role: of the group in its pool, for the name of its resource.
        labels, taints: of its nodes, from the pool's plan.
        min_nodes, max_nodes: between which the cloud's autoscaler moves.
    """

    role: str
    spot: bool
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    min_nodes: int
    max_nodes: int


def node_groups(config: AutoscaledPool, plan: NodePool) -> Iterator[NodeGroup]:
    """The groups of a pool: two for spot machines with a way back, since no cloud mixes them in one.

    Each may grow to all nodes of the pool, for the other may get none; what must always be there is not spot.
    """
    both = config.spot == "preferred"
    for spot in (False, True):
        if not both and spot != (config.spot == "only"):
            continue
        yield NodeGroup(
            role="spot" if both and spot else "pool",
            spot=spot,
            labels={**plan.labels, **({CAPACITY_LABEL: "spot" if spot else "on-demand"} if both else {})},
            taints=tuple(taint for taint in plan.taints if spot or taint.key != AKS_SPOT_TAINT),
            min_nodes=0 if both and spot else config.min_nodes,
            max_nodes=config.most_nodes,
        )

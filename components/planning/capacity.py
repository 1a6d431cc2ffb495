"""The arithmetic of capacity: what the pods of a stack ask for, and how many equal nodes hold them.

Whole numbers throughout: thousandths of a core, bytes, GPUs. What a node does not state is not counted.
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, kw_only=True)
class PodRequest:
    """What the scheduler reserves for one pod: thousandths of a core, bytes, GPUs."""

    cpu: int
    memory: int
    gpus: int = 0


@dataclass(frozen=True, kw_only=True)
class NodeShape:
    """What pods may use of one node, in the units of PodRequest; None: not stated."""

    cpu: int | None = None
    memory: int | None = None
    gpus: int | None = None
    pods: int | None = None

    def holds(self, pod: PodRequest) -> int | None:
        """How many such pods an empty node holds, by its scarcest resource; None: it states none that they need."""
        counts = [self.pods] if self.pods is not None else []
        for field in fields(pod):
            has, asked = getattr(self, field.name), getattr(pod, field.name)
            if has is not None and asked > 0:
                counts.append(max(has, 0) // asked)
        return min(counts, default=None)

    def without(self, pod: PodRequest, count: int) -> "NodeShape":
        """What is left beside `count` such pods."""
        left = {
            field.name: None if (has := getattr(self, field.name)) is None else has - getattr(pod, field.name) * count
            for field in fields(pod)
        }
        return NodeShape(**left, pods=None if self.pods is None else self.pods - count)


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The pods of one model: so many under an autoscaler at least and at most, and so many more during an update.

    `pool` is the pool whose nodes it is bound to; None: any node of the cluster.
    """

    model: str
    pod: PodRequest
    least: int
    most: int
    surge: int
    pool: str | None = None

    @property
    def peak(self) -> int:
        """Pods at the worst moment of an update: all old ones, and as many new ones as may start before one leaves."""
        return self.most + min(self.surge, self.most)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Equal nodes: so many at least and at most, of one of these machine types. None or empty: not known."""

    name: str
    node: NodeShape
    machine_types: tuple[str, ...] = ()
    min_nodes: int = 0
    max_nodes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Where pods went: how many nodes hold some, and of each kind of pod how many found no place."""

    nodes: int
    left: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """Why pods cannot be scheduled, and what would help.

    Attributes:
        too_large: models whose pod is larger than an empty node of the pool. Else:
        nodes: how many nodes would do.
        in_place: the models whose surge, if none had one, would be all that is missing.
        fewer: a model, and its most replicas with which all would fit.
    """

    too_large: tuple[str, ...] = ()
    nodes: int = 0
    in_place: tuple[str, ...] = ()
    fewer: tuple[str, int] | None = None


def pack(nodes: Iterable[tuple[NodeShape, int]], pods: Sequence[tuple[PodRequest, int]]) -> Packing:
    """Put pods (a kind and how many of it) on nodes (a shape and how many of it), largest first, each where it fits.

    Exact for pods of one kind, and for GPUs whose numbers divide each other, as they do. Else it may call for a node
    more than a perfect packing, which a scheduler would not find either.
    """
    groups = [_Group(shape=shape, count=count, used=False) for shape, count in nodes if count > 0]
    left = [count for _, count in pods]
    for index in sorted(range(len(pods)), key=lambda index: _size(pods[index][0]), reverse=True):
        groups, left[index] = _fill(groups, pods[index][0], left[index])
    return Packing(nodes=sum(group.count for group in groups if group.used), left=tuple(left))


def nodes_needed(node: NodeShape, pods: Sequence[tuple[PodRequest, int]]) -> int | None:
    """How many such nodes hold all pods; None where a pod is larger than a node, or nothing that counts is stated."""
    counted = [(pod, count) for pod, count in pods if node.holds(pod) is not None]
    if not counted or not all(node.holds(pod) for pod, _ in counted):
        return None
    return pack([(node, sum(count for _, count in counted))], counted).nodes


def shortfall(pool: Pool, demands: Sequence[Demand]) -> Shortfall | None:
    """What an update of every model of the pool at once lacks, as one `pulumi up` may be; None: nothing."""
    if too_large := [demand.model for demand in demands if pool.node.holds(demand.pod) == 0]:
        return Shortfall(too_large=tuple(too_large))
    needed = nodes_needed(pool.node, [(demand.pod, demand.peak) for demand in demands])
    if needed is None or pool.max_nodes is None or needed <= pool.max_nodes:
        return None
    in_place = [replace(demand, surge=0) for demand in demands]
    surging = tuple(demand.model for demand in demands if demand.surge)
    return Shortfall(
        nodes=needed,
        in_place=surging if _fits(pool, in_place) else (),
        fewer=next(filter(None, (_fewer(pool, demands, index) for index in range(len(demands)))), None),
    )


def _fits(pool: Pool, demands: Sequence[Demand]) -> bool:
    needed = nodes_needed(pool.node, [(demand.pod, demand.peak) for demand in demands])
    return needed is not None and pool.max_nodes is not None and needed <= pool.max_nodes


def _fewer(pool: Pool, demands: Sequence[Demand], index: int) -> tuple[str, int] | None:
    """The most replicas that one model may have for all to fit, if its number alone can bring that about."""
    demand = demands[index]

    def fits(replicas: int) -> bool:
        changed = replace(demand, least=min(demand.least, replicas), most=replicas)
        return _fits(pool, [*demands[:index], changed, *demands[index + 1 :]])

    possible = bisect(range(1, demand.most), False, key=lambda replicas: not fits(replicas))
    return (demand.model, possible) if possible else None


def _size(pod: PodRequest) -> tuple[int, int, int]:
    return pod.gpus, pod.cpu, pod.memory


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Nodes with the same room left, so that thousands of pods cost no more than their models."""

    shape: NodeShape
    count: int
    used: bool


def _fill(groups: Sequence[_Group], pod: PodRequest, count: int) -> tuple[list[_Group], int]:
    """Put `count` pods on the first nodes that have room. Returns the nodes, in the same order, and the pods left."""
    after: list[_Group] = []
    for group in groups:
        room = count if (holds := group.shape.holds(pod)) is None else holds
        if count == 0 or room == 0:
            after.append(group)
            continue
        full = min(group.count, count // room)
        # At most one node takes fewer than it has room for.
        rest = count - full * room if full < group.count else 0
        filled = [(full, room), (1 if rest else 0, rest)]
        after += [_Group(shape=group.shape.without(pod, each), count=n, used=True) for n, each in filled if n]
        if untouched := group.count - full - bool(rest):
            after.append(replace(group, count=untouched))
        count -= full * room + rest
    return after, count

"""The arithmetic of capacity, against a scheduler that places one pod after the other."""

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from components.planning.capacity import Demand, NodeShape, PodRequest, Pool, nodes_needed, pack, shortfall

pods = st.builds(
    PodRequest, cpu=st.integers(1, 8000), memory=st.integers(1, 2**34), gpus=st.sampled_from([0, 1, 2, 3, 4, 8])
)
kinds = st.lists(st.tuples(pods, st.integers(0, 20)), max_size=5)
shapes = st.builds(
    NodeShape,
    cpu=st.none() | st.integers(0, 64000),
    memory=st.none() | st.integers(0, 2**37),
    gpus=st.none() | st.integers(0, 8),
    pods=st.none() | st.integers(0, 110),
)
nodes = st.lists(st.tuples(shapes, st.integers(0, 8)), max_size=4)
whole = NodeShape(cpu=64000, memory=2**37, gpus=8, pods=110)


def demand(model: str, replicas: int, surge: int = 1, **pod: int) -> Demand:
    return Demand(
        model=model, pod=PodRequest(**{"cpu": 1, "memory": 1} | pod), least=replicas, most=replicas, surge=surge
    )


def one_by_one(shapes: Sequence[NodeShape], pods: Sequence[PodRequest]) -> list[list[PodRequest]]:
    """What is on each node once every pod has gone to the first one with room for it, largest first."""
    placed: list[list[PodRequest]] = [[] for _ in shapes]
    for pod in sorted(pods, key=lambda pod: (pod.gpus, pod.cpu, pod.memory), reverse=True):
        for shape, on_node in zip(shapes, placed, strict=True):
            if fits(shape, [*on_node, pod]):
                on_node.append(pod)
                break
    return placed


def fits(shape: NodeShape, pods: Sequence[PodRequest], times: int = 1) -> bool:
    """Whether a node holds so many times these pods."""
    return (
        (shape.cpu is None or sum(pod.cpu for pod in pods) * times <= shape.cpu)
        and (shape.memory is None or sum(pod.memory for pod in pods) * times <= shape.memory)
        and (shape.gpus is None or sum(pod.gpus for pod in pods) * times <= shape.gpus)
        and (shape.pods is None or len(pods) * times <= shape.pods)
    )


@given(shape=shapes, pod=pods)
def test_a_node_holds_as_many_equal_pods_as_its_scarcest_resource(shape: NodeShape, pod: PodRequest) -> None:
    holds = shape.holds(pod)
    if holds is None:
        assert fits(shape, [pod], times=10**9)
    else:
        assert fits(shape, [pod], times=holds)
        assert not fits(shape, [pod], times=holds + 1)


@given(pod=pods, count=st.integers(1, 1000))
def test_equal_pods_need_the_rounded_up_quotient(pod: PodRequest, count: int) -> None:
    holds = whole.holds(pod)
    assert holds
    assert nodes_needed(whole, [(pod, count)]) == -(-count // holds)


@given(counts=st.lists(st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(0, 50)), max_size=5))
def test_gpus_that_divide_each_other_are_packed_without_loss(counts: list[tuple[int, int]]) -> None:
    asked = [(PodRequest(cpu=1, memory=1, gpus=gpus), count) for gpus, count in counts]
    total = sum(gpus * count for gpus, count in counts)
    assert (nodes_needed(NodeShape(gpus=8), asked) or 0) == -(-total // 8)


@given(nodes=nodes, kinds=kinds)
def test_groups_of_equal_pods_go_where_single_ones_would(
    nodes: list[tuple[NodeShape, int]], kinds: list[tuple[PodRequest, int]]
) -> None:
    packing = pack(nodes, kinds)
    singles = [shape for shape, count in nodes for _ in range(count)]
    placed = one_by_one(singles, [pod for pod, number in kinds for _ in range(number)])
    assert sum(number for _, number in kinds) - sum(packing.left) == sum(map(len, placed))
    assert packing.nodes == sum(1 for pods in placed if pods)


@given(nodes=nodes, kinds=kinds)
def test_nothing_is_placed_twice_or_where_there_is_no_room(
    nodes: list[tuple[NodeShape, int]], kinds: list[tuple[PodRequest, int]]
) -> None:
    packing = pack(nodes, kinds)
    assert packing.nodes <= sum(count for _, count in nodes)
    assert all(0 <= left <= count for left, (_, count) in zip(packing.left, kinds, strict=True))
    for resource in ("cpu", "memory", "gpus"):
        has = [getattr(shape, resource) for shape, count in nodes for _ in range(count)]
        if None not in has:
            asked = sum(getattr(pod, resource) * (n - left) for (pod, n), left in zip(kinds, packing.left, strict=True))
            assert asked <= sum(has)


@given(kinds=kinds)
def test_no_fewer_nodes_than_every_resource_calls_for(kinds: list[tuple[PodRequest, int]]) -> None:
    needed = nodes_needed(whole, kinds) or 0
    for resource, has in (("cpu", whole.cpu), ("memory", whole.memory), ("gpus", whole.gpus)):
        assert has
        assert needed >= Fraction(sum(getattr(pod, resource) * count for pod, count in kinds), has)


@given(kinds=kinds.filter(lambda kinds: any(count for _, count in kinds)))
def test_the_nodes_that_are_needed_hold_everything_and_one_less_does_not(kinds: list[tuple[PodRequest, int]]) -> None:
    needed = nodes_needed(whole, kinds)
    assert needed
    assert not any(pack([(whole, needed)], kinds).left)
    assert any(pack([(whole, needed - 1)], kinds).left)


def test_nothing_is_said_about_what_is_not_stated() -> None:
    assert nodes_needed(NodeShape(), [(PodRequest(cpu=1, memory=1), 1)]) is None
    assert shortfall(Pool(name="l4", node=NodeShape(), max_nodes=1), [demand("digits", 100)]) is None
    assert shortfall(Pool(name="l4", node=NodeShape(gpus=1)), [demand("digits", 100, gpus=1)]) is None


class TestUpdates:
    pool = Pool(name="l4", node=NodeShape(gpus=1), max_nodes=4)

    def test_old_pods_and_new_ones_fit(self) -> None:
        assert shortfall(self.pool, [demand("digits", 3, gpus=1)]) is None

    def test_no_spare_gpu_for_the_new_pod(self) -> None:
        found = shortfall(self.pool, [demand("digits", 4, gpus=1)])
        assert found
        assert (found.nodes, found.in_place, found.fewer) == (5, ("digits",), ("digits", 3))

    def test_too_many_with_and_without_an_update(self) -> None:
        found = shortfall(self.pool, [demand("digits", 7, gpus=1)])
        assert found
        assert (found.nodes, found.in_place, found.fewer) == (8, (), ("digits", 3))

    def test_models_that_share_a_pool_are_counted_together(self) -> None:
        found = shortfall(self.pool, [demand("digits", 2, gpus=1), demand("iris", 1, gpus=1)])
        assert found
        assert (found.nodes, found.in_place, found.fewer) == (5, ("digits", "iris"), ("digits", 1))

    def test_a_pod_larger_than_a_node(self) -> None:
        found = shortfall(self.pool, [demand("digits", 1, gpus=1), demand("llm", 1, gpus=2)])
        assert found
        assert found.too_large == ("llm",)

    def test_a_surge_is_never_more_than_the_replicas(self) -> None:
        assert demand("digits", 2, surge=5).peak == 4

    @given(replicas=st.integers(1, 1000), surge=st.integers(0, 10), gpus=st.sampled_from([1, 2, 4]))
    def test_every_way_out_is_one(self, replicas: int, surge: int, gpus: int) -> None:
        pool = Pool(name="l4", node=NodeShape(gpus=4), max_nodes=5)
        found = shortfall(pool, [demand("digits", replicas, surge, gpus=gpus)])
        fitting = 5 * (4 // gpus)
        assert (found is None) == (replicas + min(surge, replicas) <= fitting)
        if found is None:
            return
        larger = Pool(name="l4", node=NodeShape(gpus=4), max_nodes=found.nodes)
        assert shortfall(larger, [demand("digits", replicas, surge, gpus=gpus)]) is None
        assert bool(found.in_place) == (surge > 0 and replicas <= fitting)
        assert found.fewer is None or found.fewer[1] < replicas
        if found.fewer:
            assert shortfall(pool, [demand("digits", found.fewer[1], surge, gpus=gpus)]) is None
            if found.fewer[1] + 1 < replicas:
                assert shortfall(pool, [demand("digits", found.fewer[1] + 1, surge, gpus=gpus)])

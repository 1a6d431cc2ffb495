"""What a stack asks of its cluster, summed up for people."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from components.config import ModelConfig, PricesConfig
from components.planning.capacity import Demand, NodeShape, PodRequest, Pool
from components.planning.usage import demand_of, usage

MI = 2**20
L4 = Pool(name="l4", node=NodeShape(gpus=2), machine_types=("g2-standard-24",), max_nodes=8)


def prices(**per_hour: float) -> PricesConfig:
    return PricesConfig.model_validate({"currency": "USD", "date": "2026-11-01", "perHour": per_hour})


def demand(model: str, least: int, most: int, pool: str | None = "l4", gpus: int = 1) -> Demand:
    pod = PodRequest(cpu=500, memory=512 * MI, gpus=gpus)
    return Demand(model=model, pod=pod, least=least, most=most, surge=1, pool=pool)


def test_a_pod_asks_for_what_its_deployment_requests(model: Callable[..., ModelConfig]) -> None:
    small = demand_of("digits", model(), None)
    assert small == Demand(model="digits", pod=PodRequest(cpu=250, memory=256 * MI), least=1, most=1, surge=1)
    requests = {"cpu": "1.5", "memory": "1G"}
    large = demand_of("digits", model(replicas=3, resources={"requests": requests}, rollout={"maxSurge": 0}), None)
    assert large == Demand(model="digits", pod=PodRequest(cpu=1500, memory=10**9), least=3, most=3, surge=0)


def test_a_number_or_a_range_for_each_model_and_for_all() -> None:
    told = usage([demand("digits", 2, 2), demand("iris", 1, 4, pool=None, gpus=0)], [L4], None)
    assert told == {
        "models": {
            "digits": {"replicas": 2, "gpus": 2, "cpu": 1.0, "memoryGiB": 1.0},
            "iris": {
                "replicas": {"min": 1, "max": 4},
                "gpus": 0,
                "cpu": {"min": 0.5, "max": 2.0},
                "memoryGiB": {"min": 0.5, "max": 2.0},
            },
        },
        "pools": {"l4": {"nodes": 1}},
        "total": {
            "replicas": {"min": 3, "max": 6},
            "gpus": 2,
            "cpu": {"min": 1.5, "max": 3.0},
            "memoryGiB": {"min": 1.5, "max": 3.0},
        },
    }


class TestPrices:
    def test_nodes_are_paid_for_as_a_whole(self) -> None:
        told = usage([demand("digits", 3, 5)], [L4], prices(l4=0.81))
        assert told["pools"] == {"l4": {"nodes": {"min": 2, "max": 3}, "costPerHour": {"min": 1.62, "max": 2.43}}}
        assert told["total"]["costPerHour"] == {"min": 1.62, "max": 2.43}
        assert told["prices"] == {"currency": "USD", "date": "2026-11-01", "unpriced": []}

    def test_the_nodes_that_a_pool_always_has_too(self) -> None:
        pool = Pool(name="l4", node=NodeShape(gpus=2), min_nodes=3, max_nodes=8)
        assert usage([demand("digits", 1, 1)], [pool], prices(l4=0.5))["total"]["costPerHour"] == 1.5

    def test_of_a_machine_type_unless_the_pool_has_its_own(self) -> None:
        by_type = prices(**{"g2-standard-24": 2.0})
        assert usage([demand("digits", 1, 1)], [L4], by_type)["total"]["costPerHour"] == 2.0
        both = prices(**{"g2-standard-24": 2.0, "l4": 0.7})
        assert usage([demand("digits", 1, 1)], [L4], both)["total"]["costPerHour"] == 0.7

    def test_what_has_no_price_is_listed_and_not_made_up(self) -> None:
        unknown = Pool(name="shared", node=NodeShape())
        demands = [demand("digits", 1, 1), demand("iris", 1, 1, pool=None), demand("cars", 1, 1, pool="shared")]
        told = usage(demands, [L4, unknown], prices(shared=1.0))
        assert told["prices"]["unpriced"] == ["models.iris", "nodePools.l4", "nodePools.shared"]
        assert "costPerHour" not in told["total"]
        assert not any("costPerHour" in pool for pool in told["pools"].values())

    def test_without_a_table_nothing_is_said(self) -> None:
        told = usage([demand("digits", 1, 1)], [L4], None)
        assert "prices" not in told
        assert "costPerHour" not in str(told)


@given(counts=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(0, 8)), min_size=1, max_size=5))
def test_the_total_is_the_sum_of_the_models(counts: list[tuple[int, int, int]]) -> None:
    demands = [demand(f"m{i}", least, least + more, gpus=gpus) for i, (least, more, gpus) in enumerate(counts)]
    told = usage(demands, [], None)
    for key in ("replicas", "gpus", "cpu"):
        for end in ("min", "max"):
            parts = [m[key][end] if isinstance(m[key], dict) else m[key] for m in told["models"].values()]
            total = told["total"][key]
            assert (total[end] if isinstance(total, dict) else total) == sum(parts)

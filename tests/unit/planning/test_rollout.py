"""Times of a rollout, in seconds."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.config import ModelConfig
from components.planning import rollout
from components.planning.runtimes import runtime_of

Model = Callable[..., ModelConfig]
seconds = st.integers(1, 3600)


def test_no_update_takes_capacity_away(model: Model) -> None:
    assert rollout.strategy(model()) == {
        "type": "RollingUpdate",
        "rolling_update": {"max_unavailable": 0, "max_surge": 1},
    }


def test_unless_there_is_no_room_for_one_more_pod(model: Model) -> None:
    in_place = rollout.strategy(model(rollout={"maxSurge": 0}))
    assert in_place["rolling_update"] == {"max_unavailable": 1, "max_surge": 0}  # pyright: ignore


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(startup=seconds, request=seconds, replicas=st.integers(1, 1000))
def test_times_agree_with_each_other(model: Model, startup: int, request: int, replicas: int) -> None:
    config = model(startupTimeoutSeconds=startup, requestTimeoutSeconds=request, replicas=replicas)
    probe = rollout.startup_probe(config, runtime_of("digits", config))
    # Kubernetes gives up on a pod neither before nor long after the startup time is over ...
    assert 0 <= probe["failure_threshold"] * probe["period_seconds"] - startup < probe["period_seconds"]  # pyright: ignore
    assert rollout.progress_deadline(config) == startup
    # ... Pulumi waits for all replicas, and after Kubernetes has given up ...
    assert rollout.await_timeout(config) > rollout.progress_deadline(config) * replicas
    # ... and a leaving pod finishes the longest request that reached it at the end of its sleep.
    assert rollout.termination_grace(config) > rollout.PRE_STOP_SLEEP + request


def test_a_model_that_refuses_to_start_fails_an_update_within_minutes_by_default(model: Model) -> None:
    assert rollout.await_timeout(model()) == 130


def test_under_an_autoscaler_the_least_of_its_pods_are_waited_for(model: Model) -> None:
    scaled = model(replicas={"min": 2, "max": 6}, startupTimeoutSeconds=20)
    assert rollout.await_timeout(scaled) == rollout.await_timeout(model(replicas=2, startupTimeoutSeconds=20)) == 50


def test_one_value_sets_all_that_wait_for_a_start(model: Model) -> None:
    slow = model(startupTimeoutSeconds=1800)
    probe = rollout.startup_probe(slow, runtime_of("digits", slow))
    assert probe["failure_threshold"] == 1800  # pyright: ignore[reportTypedDictNotRequiredAccess]
    assert (rollout.progress_deadline(slow), rollout.await_timeout(slow)) == (1800, 1810)


def test_ready_means_that_the_model_answers_and_live_that_the_server_does(model: Model) -> None:
    runtime = runtime_of("digits", model())
    paths = {
        probe["http_get"]["path"]  # pyright: ignore
        for probe in (rollout.startup_probe(model(), runtime), rollout.readiness_probe(runtime))
    }
    assert paths == {"/v2/health/ready"}
    assert rollout.liveness_probe(runtime)["http_get"] == {"path": "/v2/health/live", "port": "http"}  # pyright: ignore


def test_a_server_without_a_path_for_it_lives_while_its_port_is_open(model: Model) -> None:
    runtime = runtime_of("digits", model(runtime="tf-serving", files={"claim": "models"}))
    assert rollout.liveness_probe(runtime)["tcp_socket"] == {"port": "http"}  # pyright: ignore

"""How each server is started, asked and given its model."""

from collections.abc import Callable
from typing import Any

import pytest

from components.config import ModelConfig
from components.planning.runtimes import Runtime, runtime_of

Model = Callable[..., ModelConfig]
FILES = {"image": "registry.example.com/models/digits@sha256:" + "b" * 64}


def runtime(model: Model, name: str, **fields: Any) -> Runtime:
    return runtime_of("digits", model(runtime=name, files=FILES, **fields))


def test_our_server_is_told_its_model_its_port_and_how_long_it_may_drain(model: Model) -> None:
    ours = runtime_of("digits", model(requestTimeoutSeconds=60))
    assert ours.environment == {"MODEL_NAME": "digits", "PORT": "8080", "DRAIN_SECONDS": "60"}
    assert not ours.command
    assert not ours.args
    assert ours.model_folder is None


def test_our_server_asks_for_the_memory_of_what_it_runs(model: Model) -> None:
    asked = [{}, {"runtime": "tensorflow"}, {"accelerator": "cuda"}]
    assert [runtime_of("digits", model(**fields)).memory for fields in asked] == ["256Mi", "768Mi", "2Gi"]


def test_our_server_is_told_what_computes(model: Model) -> None:
    assert runtime_of("digits", model(accelerator="cuda")).environment["ACCELERATOR"] == "cuda"
    # It is a promise of the image then, which a setting would override.
    assert "ACCELERATOR" not in runtime_of("digits", model(accelerator="none")).environment


def test_our_server_has_grpc_where_it_is_given_a_port(model: Model) -> None:
    ours = runtime_of("digits", model(ports={"grpc": 9000}))
    assert ours.ports == {"http": 8080, "grpc": 9000}
    assert ours.environment["GRPC_PORT"] == "9000"


def test_tensorflow_serving(model: Model) -> None:
    served = runtime(model, "tf-serving", ports={"http": 9001})
    assert served.ports == {"http": 9001, "grpc": 8500}
    assert {"--rest_api_port=9001", "--port=8500", "--model_name=digits"} <= set(served.args)
    # It looks for folders named by a version below its base path.
    assert "--model_base_path=/models/digits" in served.args
    assert served.model_folder == "/models/digits/1"
    # Its metrics are off without a file that says where they are to be.
    [(name, content)] = served.settings_files.items()
    assert f"--monitoring_config_file=/etc/model-serving/{name}" in served.args
    assert served.metrics_path in content


def test_triton(model: Model) -> None:
    served = runtime(model, "triton")
    assert served.ports == {"http": 8000, "grpc": 8001, "metrics": 8002}
    assert served.metrics_port == "metrics"
    assert served.readiness == "/v2/models/digits/ready"
    assert {"--model-repository=/models", "--load-model=digits"} <= set(served.args)
    assert served.model_folder == "/models/digits"


def test_vllm_may_write_only_below_tmp(model: Model) -> None:
    served = runtime(model, "vllm")
    assert served.ports == {"http": 8000}
    assert {"--model=/model", "--served-model-name=digits"} <= set(served.args)
    written = [value for key, value in served.environment.items() if key.endswith(("_DIR", "_ROOT", "HOME"))]
    assert written
    assert all(value.startswith("/tmp") for value in written)
    # Nothing is fetched at the start: what runs is what was deployed.
    assert served.environment["HF_HUB_OFFLINE"] == "1"


def test_any_other_server_is_what_the_stack_file_says(model: Model) -> None:
    container = {
        "command": ["mlserver"],
        "args": ["start", "/models"],
        "probes": {"readiness": "/v2/models/digits/ready"},
        "metricsPath": "/prometheus",
    }
    files = FILES | {"mountPath": "/models"}
    served = runtime_of(
        "digits", model(runtime="image", files=files, container=container, ports={"http": 9000, "metrics": 9002})
    )
    assert served == Runtime(
        ports={"http": 9000, "metrics": 9002},
        readiness="/v2/models/digits/ready",
        liveness=None,
        metrics_port="metrics",
        metrics_path="/prometheus",
        command=("mlserver",),
        args=("start", "/models"),
        model_folder="/models",
    )


def test_a_server_that_brings_its_model(model: Model) -> None:
    served = runtime_of("digits", model(runtime="image", container={"probes": {"readiness": "/ready"}}))
    assert served.model_folder is None
    assert served.metrics_port == "http"


@pytest.mark.parametrize("name", ["tf-serving", "triton", "vllm"])
def test_a_preset_finds_the_model_where_the_stack_file_puts_it(model: Model, name: str) -> None:
    files = FILES | {"mountPath": "/somewhere/else"}
    assert runtime_of("digits", model(runtime=name, files=files)).model_folder == "/somewhere/else"

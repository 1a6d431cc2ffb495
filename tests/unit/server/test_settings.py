"""The environment, read once, and refused where it is wrong."""

from pathlib import Path

import pytest

from model.server.errors import RefusalError
from model.server.settings import Settings


def test_defaults_are_those_of_the_container() -> None:
    settings = Settings.from_environment({"MODEL_NAME": "digits"})
    assert (settings.model_dir, settings.port, settings.log_level) == (Path("/model"), 8080, "info")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MODEL_NAME is ''"),
        ({"MODEL_NAME": "a/b"}, "MODEL_NAME is 'a/b'"),
        ({"PORT": "http"}, "PORT is 'http'; it must be a whole number from 1 to 65535"),
        ({"PORT": "0"}, "PORT is '0'"),
        ({"PORT": "65536"}, "PORT is '65536'"),
        ({"PORT": "-1"}, "PORT is '-1'"),
        ({"PORT": "8_080"}, "PORT is '8_080'"),
        ({"THREADS": "0"}, "THREADS is '0'"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is 'loud'; it must be one of debug, info, warning, error"),
        ({"MAX_BODY_BYTES": "1e6"}, "MAX_BODY_BYTES is '1e6'"),
        ({"GRPC_PORT": "grpc"}, "GRPC_PORT is 'grpc'"),
        ({"GRPC_PORT": "8080"}, "GRPC_PORT is 8080, as PORT is"),
        ({"MAX_QUEUE": "0"}, "MAX_QUEUE is '0'"),
        ({"MAX_BUFFERED_BYTES": "100"}, "MAX_BUFFERED_BYTES is '100'; it must be a whole number from 16777216"),
        ({"MAX_BATCH_SIZE": "0"}, "MAX_BATCH_SIZE is '0'"),
        ({"MAX_BATCH_DELAY_SECONDS": "2ms"}, "MAX_BATCH_DELAY_SECONDS is '2ms'; it must be a number of seconds"),
        ({"MAX_BATCH_DELAY_SECONDS": "1.5"}, "MAX_BATCH_DELAY_SECONDS is '1.5'"),
        ({"ACCELERATOR": "gpu"}, "ACCELERATOR is 'gpu'; it must be one of none, cuda"),
        ({"NON_FINITE": "yes"}, "NON_FINITE is 'yes'; it must be one of refuse, allow"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(environment: dict[str, str], message: str) -> None:
    named = {"MODEL_NAME": "digits"} if environment else {}
    with pytest.raises(RefusalError, match=message):
        Settings.from_environment({**named, **environment})


def test_what_is_off_unless_it_is_asked_for() -> None:
    settings = Settings.from_environment({"MODEL_NAME": "digits"})
    assert (settings.grpc_port, settings.max_batch_size, settings.refuse_non_finite) == (None, 1, True)
    assert settings.accelerator == "none"
    asked = {"GRPC_PORT": "9000", "MAX_BATCH_SIZE": "8", "MAX_BATCH_DELAY_SECONDS": "0.002", "NON_FINITE": "allow"}
    settings = Settings.from_environment({"MODEL_NAME": "digits", **asked})
    assert (settings.grpc_port, settings.max_batch_size, settings.refuse_non_finite) == (9000, 8, False)
    assert settings.max_batch_delay_seconds == 0.002

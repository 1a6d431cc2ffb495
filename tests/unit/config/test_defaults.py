"""What all models of a stack share."""

import copy
from typing import Any

from components.config import SecretConfig

from .conftest import Load
from .test_accepted import SMALLEST

DIGITS = SMALLEST["models"]["digits"]


def with_defaults(defaults: dict[str, Any], **models: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(SMALLEST) | {"modelDefaults": defaults, "models": {n: DIGITS | m for n, m in models.items()}}


def test_every_model_has_them_unless_it_says_otherwise(load: Load) -> None:
    defaults = {"replicas": 2, "env": {"LOG_LEVEL": "info", "TEAM": "vision"}, "resources": {"requests": {"cpu": "1"}}}
    own = {"replicas": 3, "env": {"LOG_LEVEL": "debug"}, "resources": {"requests": {"memory": "1Gi"}}}
    models = load(with_defaults(defaults, plain={}, special=own)).config.models
    assert (models["plain"].replicas.min, models["special"].replicas.min) == (2, 3)
    assert models["plain"].env == {"LOG_LEVEL": "info", "TEAM": "vision"}
    assert models["special"].env == {"LOG_LEVEL": "debug", "TEAM": "vision"}
    requests = models["special"].resources.requests
    assert (requests.cpu, requests.memory) == ("1", "1Gi")


def test_a_list_replaces_a_list(load: Load) -> None:
    loaded = load(with_defaults({"secrets": ["a"]}, digits={"secrets": ["b"]}), secrets={"b": "value"})
    assert loaded.config.models["digits"].secrets == (SecretConfig(config="b"),)
    assert set(loaded.secrets) == {"b"}


def test_a_mistake_is_told_once_and_where_it_was_written(mistakes: Any) -> None:
    lines = mistakes(with_defaults({"replicas": 0, "ports": {"htp": 1}}, one={}, two={"replicas": -1}))
    assert [line.split(": ")[0] for line in lines] == [
        "model-serving:modelDefaults.ports.htp",
        "model-serving:modelDefaults.replicas",
        "model-serving:models.two.replicas",
    ]


def test_a_secret_of_the_defaults_that_has_no_value_is_told_there(mistakes: Any) -> None:
    [line] = mistakes(with_defaults({"secrets": ["apiToken"]}, one={}, two={}))
    assert line == (
        "model-serving:modelDefaults.secrets[0]: the secret apiToken has no value "
        "-> pulumi config set --secret model-serving:apiToken --stack dev"
    )

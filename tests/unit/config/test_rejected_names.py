"""What a stack file may not say about names that are in the cluster already: of Services, and of renamed models."""

from typing import Any

import pytest

from .test_accepted import SMALLEST
from .test_rejected import EXAMPLE_IMAGE, ROUTE, Mistakes

IMAGE = {"image": EXAMPLE_IMAGE}
CANARY = {"route": ROUTE, "canary": {"image": EXAMPLE_IMAGE, "weight": 10}}
RENAME = "models.numbers.renamedFrom"


def remove(path: str) -> str:
    return f"-> pulumi config rm --path 'model-serving:{path}' --stack dev"


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a model that was renamed to itself": (
        {"numbers": {"renamedFrom": "numbers"}},
        f"{RENAME}: would do nothing: it is the name that the model has {remove(RENAME)}",
    ),
    "a name that another model has": (
        {"digits": {}, "numbers": {"renamedFrom": "digits"}},
        f'{RENAME}: "digits" is the name of digits already; allowed: the name that this model had {remove(RENAME)}',
    ),
    "a name that two models had": (
        {"numerals": {"renamedFrom": "digits"}, "numbers": {"renamedFrom": "digits"}},
        f'{RENAME}: "digits" is the name of numerals already; allowed: the name that this model had {remove(RENAME)}',
    ),
    "a name that is none": (
        {"numbers": {"renamedFrom": "Digits"}},
        f'{RENAME}: "Digits" is not a model name; allowed: 1 to 40 lower-case letters, digits and "-", starting with a '
        f"letter, not ending with \"-\" -> pulumi config set --path 'model-serving:{RENAME}' digits --stack dev",
    ),
    "the canary of a renamed model": (
        {"numbers": {"renamedFrom": "m"} | CANARY, "m-canary": {}},
        "models.m-canary: is the name of the canary of numbers; allowed: any other name -> rename it",
    ),
    "the Service of another model": (
        {"digits": {}, "iris": {"service": {"name": "digits"}}},
        'models.iris.service.name: "digits" is the Service of digits already; allowed: any other name '
        + remove("models.iris.service.name"),
    ),
    "the Service of a renamed model": (
        {"numbers": {"renamedFrom": "digits"}, "iris": {"service": {"name": "digits"}}},
        'models.iris.service.name: "digits" is the Service of numbers already; allowed: any other name '
        + remove("models.iris.service.name"),
    ),
    "the Service of a canary": (
        {"digits": CANARY, "iris": {"service": {"name": "digits-canary"}}},
        'models.iris.service.name: "digits-canary" is the Service of the canary of digits already; allowed: any other '
        "name " + remove("models.iris.service.name"),
    ),
    "one Service for two": (
        {"digits": {"service": {"name": "api"}}, "iris": {"service": {"name": "api"}}},
        'models.iris.service.name: "api" is the Service of digits already; allowed: any other name '
        + remove("models.iris.service.name"),
    ),
    "the port for gRPC": (
        {"digits": {"ports": {"grpc": 9000}, "service": {"port": 9000}}},
        "models.digits: service.port is 9000, which is the port for gRPC too -> change one of them",
    ),
    "a port without a name beside that for gRPC": (
        {"digits": {"ports": {"grpc": 9000}, "service": {"portName": ""}}},
        "models.digits: service.portName has to tell the port from that for gRPC, which is named grpc "
        "-> change one of them",
    ),
}


@pytest.mark.parametrize(("models", "line"), CASES.values(), ids=CASES.keys())
def test_one_mistake_is_told_in_one_line(mistakes: Mistakes, models: dict[str, Any], line: str) -> None:
    given = {name: IMAGE | model for name, model in models.items()}
    assert mistakes(SMALLEST | {"models": given}) == [f"model-serving:{line}"]


def test_a_long_name_that_is_in_no_label(mistakes: Mistakes) -> None:
    """What counts is what the model is called in the cluster."""
    long, stack = "n" * 40, "s" * 24
    [line] = mistakes(SMALLEST | {"models": {long: IMAGE}}, stack=stack)
    assert line.startswith(f"model-serving:models.{long}: the label ")
    [line] = mistakes(SMALLEST | {"models": {"digits": IMAGE | {"renamedFrom": long}}}, stack=stack)
    assert line.startswith("model-serving:models.digits: the label ")


def test_a_name_for_all_models(mistakes: Mistakes) -> None:
    [line] = mistakes(SMALLEST | {"models": {"digits": IMAGE}, "modelDefaults": {"renamedFrom": "numbers"}})
    assert line.startswith("model-serving:modelDefaults.renamedFrom: cannot be a default: every model has its own;")

"""Names and labels."""

import re

from hypothesis import given
from hypothesis import strategies as st

from components.planning import names

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def test_the_labels_that_select_a_models_pods() -> None:
    assert names.selector_labels("dev", "digits") == {
        "app.kubernetes.io/name": "digits",
        "app.kubernetes.io/instance": "dev-digits",
        "app.kubernetes.io/component": "model-server",
        "app.kubernetes.io/part-of": "model-serving",
        "app.kubernetes.io/managed-by": "pulumi",
    }


def test_pods_of_two_models_or_two_stacks_are_told_apart() -> None:
    digits = names.selector_labels("dev", "digits")
    assert digits != names.selector_labels("dev", "iris")
    assert digits != names.selector_labels("prod", "digits")


@given(digest=st.text("0123456789abcdef", min_size=64, max_size=64), tag=st.sampled_from(["", ":dev", ":1.0"]))
def test_the_version_is_a_label_value_from_the_digest(digest: str, tag: str) -> None:
    version = names.version_of(f"localhost:5001/models/digits{tag}@sha256:{digest}")
    assert digest.startswith(version)
    assert len(version) == 12
    assert LABEL_VALUE.fullmatch(version)


def test_an_image_without_a_digest_has_no_version_yet() -> None:
    assert names.version_of("localhost:5001/models/digits:dev") == ""


def test_the_namespace_admits_restricted_pods_only() -> None:
    assert names.namespace_labels()["pod-security.kubernetes.io/enforce"] == "restricted"


def test_addresses() -> None:
    assert names.service_url("digits", "models") == "http://digits.models.svc:80"
    assert names.build_tag("localhost:5001/models", "digits", "dev") == "localhost:5001/models/digits:dev"

"""A resource that gets another type, name or parent carries an alias: without one, an upgrade of this program would
replace it in every stack that is deployed (docs/decisions/0001-program.md)."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from .layout import listed, places, prepare


@pytest.fixture(autouse=True)
def prepared(project: Path) -> None:
    prepare(project)


def lost() -> set[str]:
    """Places that a deployed stack has, and that the program knows nothing of any more."""
    now = places()
    return listed() - now.keys() - set().union(*now.values())


def test_everything_that_a_deployed_stack_has_is_found_again() -> None:
    assert lost() == set(), (
        "renamed or moved? give it an alias, pulumi.ResourceOptions(aliases=[pulumi.Alias(...)]). "
        "Deleted on purpose? take it out of layout.txt"
    )


def test_the_list_is_complete() -> None:
    assert places().keys() - listed() == set(), "new? python -m tests.unit.components.layout"


SERVICE = "model-serving:model:ModelService"


class TestTheRuleIsSeenToFail:
    """The same for renames that are made here, for the length of a test."""

    @staticmethod
    def rename(monkeypatch: pytest.MonkeyPatch, old: str, new: str, alias: pulumi.Alias | None) -> None:
        """Give components of type `old` the type `new`."""
        original = pulumi.ComponentResource.__init__

        def renamed(self: pulumi.ComponentResource, type_: str, name: str, props: Any, opts: Any, **more: Any) -> None:
            if type_ == old:
                aliased = pulumi.ResourceOptions(aliases=[alias] if alias else None)
                type_, opts = new, pulumi.ResourceOptions.merge(opts, aliased)
            original(self, type_, name, props, opts, **more)

        monkeypatch.setattr(pulumi.ComponentResource, "__init__", renamed)

    def test_another_type(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rename(monkeypatch, SERVICE, "model-serving:model:Address", None)
        assert any(place.endswith("kubernetes:core/v1:Service::digits-service") for place in lost())

    def test_another_type_with_an_alias(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rename(monkeypatch, SERVICE, "model-serving:model:Address", pulumi.Alias(type_=SERVICE))
        assert lost() == set()

"""What `doctor` tells, to people and to programs, and the exit code of it."""

import json

import pytest
from typer.testing import CliRunner

from toolchain import local, paths
from toolchain.cli import app
from toolchain.parts.build import InstallByHand
from toolchain.parts.model import Found, Part

ADDON = Part("Add-on", "3.1", ())
THERE = Part("A tool", "1.0", (), detect=lambda: Found("1.2", "/usr/bin/a-tool"))


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "platform", lambda: "node")
    monkeypatch.setattr(local, "lacking_rights", list)


def doctor(monkeypatch: pytest.MonkeyPatch, *parts: Part) -> tuple[int, dict[str, object]]:
    monkeypatch.setattr(local, "parts", lambda: parts)
    monkeypatch.setattr(local.catalog, "addon_parts", lambda names: [ADDON])
    done = CliRunner().invoke(app, ["doctor", "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor(monkeypatch, THERE) == (
        0,
        {
            "ready": True,
            "platform": "node",
            "parts": [
                {"name": "a-tool", "state": "found", "version": "1.2", "pinned": "1.0", "where": "/usr/bin/a-tool"}
            ],
            "addons": [
                {
                    "name": "add-on",
                    "state": "missing",
                    "version": "3.1",
                    "pinned": "3.1",
                    "where": "no way to get it on this system",
                }
            ],
            "needed": [],
        },
    )


def test_what_is_needed_by_hand_is_told_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    code, told = doctor(monkeypatch, THERE, Part("Other", "2", (InstallByHand("get Other"),)), Part("None", "3", ()))
    assert code == 1
    assert told["ready"] is False
    assert [part["state"] for part in told["parts"]] == ["found", "available", "missing"]  # type: ignore[attr-defined]
    assert told["needed"] == ["get Other", "None 3: there is no way to get it on this system"]


def test_prune_deletes_what_no_pin_names(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = next(part for part in local.catalog.engine_parts() if part.name == "Pulumi CLI").folder
    old, part = kept.with_name("pulumi-cli-3.1.0-abc"), paths.cache() / "downloads" / "abc.part"
    for path in (kept, old, part.parent):
        path.mkdir(parents=True)
    part.touch()
    assert CliRunner().invoke(app, ["prune"]).exit_code == 0
    assert [kept.exists(), old.exists(), part.exists()] == [True, False, False]

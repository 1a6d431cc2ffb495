"""A stack's configuration as the engine hands it over, without an engine."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.config import ConfigError, LoadedConfig, StackConfig

Load = Callable[..., LoadedConfig]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project folder with two models' code, which is the working directory as in a Pulumi program."""
    for model in ("digits", "iris"):
        (tmp_path / "model" / model).mkdir(parents=True)
        (tmp_path / "model" / model / "train.py").touch()
    (tmp_path / "model" / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    pulumi.runtime.set_all_config({}, [])


@pytest.fixture
def load(project: Path) -> Load:
    """`load({"cluster": "local", ...}, secrets={"apiToken": "..."})` checks that configuration.

    Keys without a namespace are in `model-serving:`. Sections become JSON, as the engine sends them.
    """

    def call(
        config: Mapping[str, Any],
        *,
        secrets: Mapping[str, Any] | None = None,
        stack: str = "dev",
        project: str = "model-serving",
    ) -> LoadedConfig:
        def flat(values: Mapping[str, Any]) -> dict[str, str]:
            return {
                key if ":" in key else f"model-serving:{key}": value if isinstance(value, str) else json.dumps(value)
                for key, value in values.items()
            }

        hidden = flat(secrets or {})
        pulumi.runtime.configure(pulumi.runtime.Settings(project=project, stack=stack))
        pulumi.runtime.set_all_config(flat(config) | hidden, list(hidden))
        return StackConfig.load()

    return call


@pytest.fixture
def mistakes(load: Load) -> Callable[..., list[str]]:
    """The lines that a refused configuration is answered with, without the headline."""

    def call(config: Mapping[str, Any], **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(config, **options)
        headline, *lines = str(caught.value).split("\n")
        assert headline.endswith("nothing was changed")
        return [line.strip() for line in lines]

    return call

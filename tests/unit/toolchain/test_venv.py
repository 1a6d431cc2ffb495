"""What uv is told of how pip is set up here."""

import os
import sys
from pathlib import Path

import pytest

from toolchain import venv

CONFIGURATION = """
[global]
index-url = https://name:canary@first.example.com/simple
extra-index-url =
    https://second.example.com/simple
    https://third.example.com/simple
find-links = /wheels /more-wheels
trusted-host = first.example.com
cert = /etc/company.pem
proxy = http://proxy.example.com:3128
timeout = 7
"""


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip's only configuration, empty at first."""
    monkeypatch.setattr(venv, "ensure", lambda requirements: Path(sys.executable))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    return file


def test_uv_goes_where_pip_goes(configuration: Path) -> None:
    configuration.write_text(CONFIGURATION)
    told = venv.uv_environment()
    assert told["UV_DEFAULT_INDEX"] == "https://name:canary@first.example.com/simple"
    assert told["UV_INDEX"] == "https://second.example.com/simple https://third.example.com/simple"
    assert told["UV_FIND_LINKS"] == "/wheels,/more-wheels"
    assert told["UV_INSECURE_HOST"] == "first.example.com"
    assert told["SSL_CERT_FILE"] == "/etc/company.pem"
    assert told["ALL_PROXY"] == "http://proxy.example.com:3128"
    assert told["UV_HTTP_TIMEOUT"] == "7"
    assert "UV_OFFLINE" not in told


def test_a_variable_of_pips_wins(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration.write_text(CONFIGURATION)
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example.com/simple")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "180")
    told = venv.uv_environment()
    assert told["UV_DEFAULT_INDEX"] == "https://other.example.com/simple"
    assert told["UV_HTTP_TIMEOUT"] == "180"


def test_without_an_index_there_is_no_network(configuration: Path) -> None:
    configuration.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    assert venv.uv_environment()["UV_OFFLINE"] == "1"


def test_what_is_said_of_installing_wins(configuration: Path) -> None:
    configuration.write_text(CONFIGURATION + "[install]\ntimeout = 8\n[download]\ntimeout = 9\n")
    assert venv.uv_environment()["UV_HTTP_TIMEOUT"] == "8"


@pytest.mark.usefixtures("configuration")
def test_pip_as_it_comes_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    told = venv.uv_environment()
    assert not {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE", "ALL_PROXY"} & told.keys()

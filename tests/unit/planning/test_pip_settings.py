"""What a build is told of this machine's package index and authorities."""

import configparser
import os
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.config import ProxyConfig
from components.planning import pip_settings

INDEX = "https://user:canary@pip.example.test/simple"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, and no settings of this machine's system."""
    monkeypatch.setattr(pip_settings, "_SYSTEM_BUNDLES", ())
    monkeypatch.setattr(pip_settings, "_SYSTEM_PIP_CONF", tmp_path / "etc/pip.conf")
    monkeypatch.setattr(pip_settings.sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(pip_settings.sys, "platform", "linux")
    return tmp_path


def environ(home: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "xdg"), **variables}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def options(text: str) -> dict[str, list[str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {name: value.split() for name, value in parser.items("global")}


class TestPipConf:
    def test_nothing_configured(self, home: Path) -> None:
        assert pip_settings.pip_conf(environ(home)) == ""

    def test_from_the_environment(self, home: Path) -> None:
        env = environ(home, PIP_INDEX_URL=INDEX, PIP_EXTRA_INDEX_URL="https://a.test/s https://b.test/s")
        assert options(pip_settings.pip_conf(env)) == {
            "index-url": [INDEX],
            "extra-index-url": ["https://a.test/s", "https://b.test/s"],
        }

    def test_from_the_users_file(self, home: Path) -> None:
        text = f"[global]\nindex_url = {INDEX}\n[install]\ntrusted-host =\n  a.test\n  b\n"
        write(home / ".config/pip/pip.conf", text)
        assert options(pip_settings.pip_conf(environ(home))) == {"index-url": [INDEX], "trusted-host": ["a.test", "b"]}

    @pytest.mark.parametrize(
        "losing_and_winning",
        [
            ("xdg/pip/pip.conf", "etc/pip.conf"),
            ("etc/pip.conf", ".pip/pip.conf"),
            (".pip/pip.conf", ".config/pip/pip.conf"),
            (".config/pip/pip.conf", "venv/pip.conf"),
        ],
        ids=" < ".join,
    )
    def test_later_files_win(self, home: Path, losing_and_winning: tuple[str, str]) -> None:
        losing, winning = losing_and_winning
        write(home / losing, "[global]\nindex-url = https://loses.test\n")
        write(home / winning, f"[global]\nindex-url = {INDEX}\n")
        assert options(pip_settings.pip_conf(environ(home))) == {"index-url": [INDEX]}

    def test_settings_of_install_win_over_global_ones_of_any_file(self, home: Path) -> None:
        write(home / ".pip/pip.conf", f"[install]\nindex-url = {INDEX}\n")
        write(home / "venv/pip.conf", "[global]\nindex-url = https://loses.test\n")
        assert options(pip_settings.pip_conf(environ(home))) == {"index-url": [INDEX]}

    def test_the_environment_wins_over_files(self, home: Path) -> None:
        write(home / "venv/pip.conf", "[install]\nindex-url = https://loses.test\n")
        assert options(pip_settings.pip_conf(environ(home, PIP_INDEX_URL=INDEX))) == {"index-url": [INDEX]}

    def test_a_named_file_stands_in_for_the_users(self, home: Path) -> None:
        write(home / ".pip/pip.conf", "[global]\nextra-index-url = https://user.test\n")
        named = write(home / "named.conf", f"[global]\nindex-url = {INDEX}\n")
        env = environ(home, PIP_CONFIG_FILE=str(named))
        assert options(pip_settings.pip_conf(env)) == {"index-url": [INDEX]}

    def test_files_can_be_turned_off(self, home: Path) -> None:
        write(home / ".pip/pip.conf", f"[global]\nindex-url = {INDEX}\n")
        assert pip_settings.pip_conf(environ(home, PIP_CONFIG_FILE=os.devnull)) == ""

    def test_other_options_stay_on_this_machine(self, home: Path) -> None:
        env = environ(home, PIP_FIND_LINKS="/opt/wheels", PIP_CACHE_DIR="/x", PIP_CERT="/y", PIP_TIMEOUT="1")
        assert pip_settings.pip_conf(env) == ""

    def test_a_broken_file_is_pips_to_complain_about(self, home: Path) -> None:
        write(home / ".pip/pip.conf", "index-url = no section\n")
        assert pip_settings.pip_conf(environ(home)) == ""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.from_regex(r"https://[a-z%:@]{1,20}/simple", fullmatch=True), min_size=1, max_size=4))
    def test_any_urls_survive_the_way_through_the_file(self, home: Path, urls: list[str]) -> None:
        text = pip_settings.pip_conf(environ(home, PIP_EXTRA_INDEX_URL=" ".join(urls)))
        assert options(text)["extra-index-url"] == urls


def certificate(body: str, width: int = 64) -> str:
    lines = [body[start : start + width] for start in range(0, len(body), width)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


COMPANY, PROXY = certificate("COMPANY" * 30), certificate("PROXY" * 40)


class TestCaBundle:
    def test_nothing_beyond_mozillas_list(self, home: Path) -> None:
        assert pip_settings.ca_bundle(environ(home, SSL_CERT_FILE=certifi.where())) == ""

    @pytest.mark.parametrize("name", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_only_what_is_beyond_it(self, home: Path, name: str) -> None:
        bundle = write(home / "bundle.pem", f"# A comment\n{Path(certifi.where()).read_text()}\n{COMPANY}")
        assert pip_settings.ca_bundle(environ(home, **{name: str(bundle)})) == COMPANY

    def test_from_a_pip_configuration(self, home: Path) -> None:
        bundle = write(home / "bundle.pem", COMPANY)
        write(home / ".pip/pip.conf", f"[global]\ncert = {bundle}\n")
        assert pip_settings.ca_bundle(environ(home)) == COMPANY

    def test_from_the_system(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pip_settings, "_SYSTEM_BUNDLES", (str(write(home / "system.pem", COMPANY)),))
        assert pip_settings.ca_bundle(environ(home)) == COMPANY

    def test_several_bundles_together_each_certificate_once(self, home: Path) -> None:
        one = write(home / "one.pem", COMPANY + PROXY)
        two = write(home / "two.pem", certificate("COMPANY" * 30, width=76))  # the same, broken into other lines
        assert pip_settings.ca_bundle(environ(home, PIP_CERT=str(one), SSL_CERT_FILE=str(two))) == COMPANY + PROXY

    def test_a_bundle_that_is_not_there(self, home: Path) -> None:
        assert pip_settings.ca_bundle(environ(home, SSL_CERT_FILE=str(home / "none.pem"))) == ""


class TestProxy:
    STACK = ProxyConfig.model_validate({"https": "http://stack.test:3128", "noProxy": [".a.test", "10.0.0.0/8"]})

    def test_a_direct_way(self) -> None:
        assert pip_settings.proxy({}) == ""

    @pytest.mark.parametrize("spelling", [str.lower, str.upper])
    def test_this_machines_own_with_its_password(self, spelling: Callable[[str], str]) -> None:
        environ = {spelling("https_proxy"): "http://ann:canary@proxy.test:3128", spelling("no_proxy"): ".test"}
        told = pip_settings.proxy(environ, self.STACK)
        assert told == "https_proxy=http://ann:canary@proxy.test:3128\nno_proxy=.test\n"

    def test_the_stacks_where_this_machine_has_none(self) -> None:
        told = pip_settings.proxy({"no_proxy": "localhost"}, self.STACK)
        assert told == "https_proxy=http://stack.test:3128\nno_proxy=.a.test,10.0.0.0/8\n"

    def test_one_line_stays_one(self) -> None:
        assert pip_settings.proxy({"http_proxy": "http://a\nPATH=/x"}).count("\n") == 1


def test_the_stacks_authorities_are_trusted_beside_this_machines(home: Path) -> None:
    def pem(text: str) -> str:
        return f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"

    own, stack = write(home / "own.pem", pem("b3du")), write(home / "stack.pem", pem("c3RhY2s="))
    told = pip_settings.ca_bundle(environ(home, SSL_CERT_FILE=str(own)), stack)
    assert told == f"{pem('c3RhY2s=')}\n{pem('b3du')}\n"

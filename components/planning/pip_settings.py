"""What downloads inside an image build need to know of this machine: package index, proxy and extra authorities.

Behind a company's mirror or TLS proxy a build fails without them, although `pip` works on the host. They are read from
where pip reads them (https://pip.pypa.io/en/stable/topics/configuration/) and handed to builds as secrets: they may
hold credentials, and they must not end up in an image or decide whether it is built again.
"""

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import certifi

if TYPE_CHECKING:
    from components.config import ProxyConfig

# Options that name an index; everything else of a pip configuration is this machine's own business.
_INDEX_OPTIONS = ("index-url", "extra-index-url", "trusted-host")
# Where other tools are told of a company's authority. pip's own sources come first.
_CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")
_SYSTEM_PIP_CONF = Path("/etc/pip.conf")
# The system's own list: Debian and its kin, Fedora and its kin, Alpine and macOS.
_SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def pip_conf(environ: Mapping[str, str] = os.environ) -> str:
    """A pip.conf with the package indexes that pip uses on this machine; "" where it uses its defaults."""
    options = _pip_options(environ)
    chosen = {name: options[name] for name in _INDEX_OPTIONS if options.get(name)}
    if not chosen:
        return ""
    parser = configparser.RawConfigParser()
    # pip separates several values of an option by white space or lines; a continuation line must be indented.
    parser["global"] = {name: "\n".join(value.split()) for name, value in chosen.items()}
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def proxy(environ: Mapping[str, str] = os.environ, stack: "ProxyConfig | None" = None) -> str:
    """The way to the internet, in lines like https_proxy=http://proxy.example.com:3128; "" where it is direct.

    This machine's own way, in either spelling of the variables, wins over the stack's.
    """
    own = {name: environ.get(name) or environ.get(name.upper()) for name in _PROXY_VARIABLES}
    if not (own["http_proxy"] or own["https_proxy"]):
        told = stack.model_dump() if stack else {}
        own = {
            "http_proxy": told.get("http"),
            "https_proxy": told.get("https"),
            "no_proxy": ",".join(told.get("no_proxy", ())),
        }
    lines = {name: " ".join(value.split()) for name, value in own.items() if value}
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def ca_bundle(environ: Mapping[str, str] = os.environ, stack: Path | None = None) -> str:
    """The certificates (PEM) of the stack's file, and those that this machine trusts and Mozilla's list (certifi)
    lacks; "" where there are none."""
    known = {_body(certificate) for certificate in _certificates(Path(certifi.where()))}
    extra: dict[str, str] = {}
    for path in (*([stack] if stack else []), *_bundles(environ)):
        for certificate in _certificates(path):
            if (body := _body(certificate)) not in known:
                extra.setdefault(body, certificate)
    return "".join(f"{certificate}\n" for certificate in extra.values())


def _pip_options(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's options by their long names, as `pip install` would see them: files, then the environment."""
    options: dict[str, str] = {}
    parsers = [_read(path) for path in _pip_files(environ)]
    for section in ("global", "install"):
        for parser in parsers:
            if parser.has_section(section):
                options.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_"):
            options[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return options


def _read(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        parser.clear()  # pip itself says so, with the line, as soon as it runs here.
    return parser


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """pip's configuration files in its order; what comes later wins."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    mac = sys.platform == "darwin"
    for folder in ["/Library/Application Support"] if mac else environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(folder) / "pip/pip.conf"
    yield _SYSTEM_PIP_CONF
    if not (named and Path(named).is_file()):  # A file named explicitly stands in for the user's own.
        home = Path(environ.get("HOME") or Path.home())
        yield home / ".pip/pip.conf"
        support = home / "Library/Application Support/pip"
        own = support if mac and support.is_dir() else Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
        yield own / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def _bundles(environ: Mapping[str, str]) -> Iterator[Path]:
    """Files with the certificates that pip or the system trusts here."""
    named = [_pip_options(environ).get("cert"), *(environ.get(name) for name in _CA_VARIABLES)]
    for path in dict.fromkeys(filter(None, [*named, *_SYSTEM_BUNDLES])):
        if Path(path).is_file():
            yield Path(path)


def _certificates(bundle: Path) -> list[str]:
    return _CERTIFICATE.findall(bundle.read_text(encoding="utf-8", errors="replace"))


def _body(certificate: str) -> str:
    """The certificate without its line breaks, which differ between bundles."""
    return "".join(certificate.split())

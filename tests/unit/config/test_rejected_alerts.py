"""What a stack file may not say of alerts and of what is installed to watch, and the line that says so."""

from collections.abc import Callable
from typing import Any

import pytest

from components.config import LoadedConfig

from .test_accepted import SMALLEST
from .test_rejected import EXAMPLE_IMAGE, Mistakes

INSTALL = {"mode": "install"}
HOOK = {"webhook": {"url": "hook"}}
ALERTS = {"receivers": {"team": HOOK}, "default": "team"}
SECRETS = {"hook": "https://hooks.example.com/of-nobody-else"}


def fix(path: str, value: str) -> str:
    return f"-> pulumi config set --path 'model-serving:{path}' {value} --stack dev"


def receiver(**ways: Any) -> dict[str, Any]:
    return {"receivers": {"team": ways}, "default": "team"}


SLACK = {"url": "hook", "channel": "#models"}
EMAIL = {"to": "oncall@example.com", "from": "alerts@example.com", "server": "smtp.example.com:587"}
EXAMPLE_SECRET = '1 to 63 letters, digits, "-", "_" and ".", starting with a letter'

# The section, what it holds, and the whole line that answers it.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "alerts that another Alertmanager tells": (
        {"monitoring": {"mode": "existing"}, "alerts": ALERTS},
        "model-serving:alerts: would do nothing: monitoring.mode is existing, and whom another Alertmanager tells is "
        "not for this stack to say; allowed with: install, chart "
        + fix("monitoring.mode", "install") + ", or take it out",
    ),
    "alerts that another stack's Alertmanager tells": (
        {"monitoring": {"mode": "stack", "stack": "organization/model-serving/platform"}, "alerts": ALERTS},
        "model-serving:alerts: would do nothing: monitoring.mode is stack, and whom another Alertmanager tells is not "
        "for this stack to say; allowed with: install, chart -> take it out, and give alerts.routes of the stack that "
        "monitoring.stack names one of this namespace",
    ),
    "a route for a namespace that is none": (
        {"alerts": {**ALERTS, "routes": [{"receiver": "team", "namespace": "Vision"}]}},
        'model-serving:alerts.routes[0].namespace: "Vision" is not a Kubernetes namespace; allowed: 1 to 63 '
        'lower-case letters, digits and "-", with a letter or digit at both ends '
        + fix("alerts.routes[0].namespace", "models"),
    ),
    "alerts that go to nobody by default": (
        {"alerts": {"receivers": {"team": HOOK}}},
        "model-serving:alerts.default: is required and missing; allowed: 1 to 253 lower-case letters, digits, "
        '"-" and ".", with a letter or digit at both ends '
        + fix("alerts.default", "oncall"),
    ),
    "a receiver that there is not": (
        {"alerts": {**ALERTS, "default": "nobody"}},
        'model-serving:alerts.default: "nobody" is not in alerts.receivers; allowed: team '
        + fix("alerts.default", "team"),
    ),
    "a route to a receiver that there is not": (
        {"alerts": {**ALERTS, "routes": [{"receiver": "night", "severity": "critical"}]}},
        'model-serving:alerts.routes[0].receiver: "night" is not in alerts.receivers; allowed: team '
        + fix("alerts.routes[0].receiver", "team"),
    ),
    "a route for a model that there is not": (
        {"alerts": {**ALERTS, "routes": [{"receiver": "team", "model": "letters"}]}},
        'model-serving:alerts.routes[0].model: "letters" is no model of this stack; allowed: digits '
        + fix("alerts.routes[0].model", "digits"),
    ),
    "a route of everything": (
        {"alerts": {**ALERTS, "routes": [{"receiver": "team"}]}},
        "model-serving:alerts.routes[0]: none of severity, model and namespace is given, so it would take every alert "
        "-> give one of them or more; all others go to alerts.default",
    ),
    "a receiver without a way to it": (
        {"alerts": receiver()},
        "model-serving:alerts.receivers.team: none of webhook, slack and email is given; a receiver has one or more "
        "-> give one of them",
    ),
    "an address in place of the key of a secret": (
        {"alerts": receiver(webhook={"url": "https://hooks.example.com/token"})},
        "model-serving:alerts.receivers.team.webhook.url: the value is not a secret key; allowed: "
        f"{EXAMPLE_SECRET} " + fix("alerts.receivers.team.webhook.url", "apiToken"),
    ),
    "an address that was not given": (
        {"alerts": receiver(webhook={"url": "other"})},
        "model-serving:alerts.receivers.team.webhook.url: the secret other has no value "
        "-> pulumi config set --secret model-serving:other --stack dev",
    ),
    "a channel without its sign": (
        {"alerts": receiver(slack={**SLACK, "channel": "models"})},
        "model-serving:alerts.receivers.team.slack.channel: the value is not a Slack channel; allowed: a channel with "
        "#, or a person with @ " + fix("alerts.receivers.team.slack.channel", "'#models'"),
    ),
    "a mail server without a port": (
        {"alerts": receiver(email={**EMAIL, "server": "smtp.example.com"})},
        'model-serving:alerts.receivers.team.email.server: "smtp.example.com" is not a mail server; allowed: host:port '
        "of a mail server in lower case " + fix("alerts.receivers.team.email.server", "smtp.example.com:587"),
    ),
    "a mail address with a name": (
        {"alerts": receiver(email={**EMAIL, "to": "On Call <oncall@example.com>"})},
        'model-serving:alerts.receivers.team.email.to: "On Call <oncall@example.com>" is not a mail address; allowed: '
        "one mail address, without a name " + fix("alerts.receivers.team.email.to", "oncall@example.com"),
    ),
    "a user without a password": (
        {"alerts": receiver(email={**EMAIL, "user": "alerts"})},
        "model-serving:alerts.receivers.team.email: one of user and password is given; a mail server wants both or "
        "neither -> give the other one too, or neither",
    ),
    "an interval without a unit": (
        {"alerts": {**ALERTS, "groupWait": "30"}},
        'model-serving:alerts.groupWait: "30" is not an interval; allowed: whole seconds, minutes or hours: 30s, 5m, '
        "4h " + fix("alerts.groupWait", "5m"),
    ),
    "settings of an installation beside a chart": (
        {"monitoring": {"mode": "chart", "install": {"grafana": False}}},
        "model-serving:monitoring.install: would do nothing: monitoring.mode is chart; allowed with: install "
        + fix("monitoring.mode", "install") + ", or take it out",
    ),
    "a mirror with a scheme": (
        {"monitoring": {**INSTALL, "install": {"imageRegistry": "https://mirror.example.com"}}},
        'model-serving:monitoring.install.imageRegistry: "https://mirror.example.com" is not an image registry; '
        "allowed: a registry, and a path in it if need be, in lower case and without scheme "
        + fix("monitoring.install.imageRegistry", "mirror.example.com"),
    ),
    "an image by its tag": (
        {"monitoring": {**INSTALL, "install": {"images": {"nodeExporter": "quay.io/prometheus/node-exporter:v1.9.0"}}}},
        'model-serving:monitoring.install.images.nodeExporter: "quay.io/prometheus/node-exporter:v1.9.0" is not an '
        "image by digest; allowed: repository@sha256:<64 hex digits>; a tag alone can change under a running service "
        + fix("monitoring.install.images.nodeExporter", EXAMPLE_IMAGE),
    ),
    "a retention without a unit": (
        {"monitoring": {**INSTALL, "install": {"retention": "15"}}},
        'model-serving:monitoring.install.retention: "15" is not a retention; allowed: how long samples are kept, in '
        "whole hours, days or weeks: 36h, 30d, 8w " + fix("monitoring.install.retention", "30d"),
    ),
    "a retention shorter than a window": (
        {
            "monitoring": {**INSTALL, "install": {"retention": "1w"}},
            "models": {"digits": {"image": EXAMPLE_IMAGE, "slo": {"availability": 99.9}}},
        },
        "model-serving:monitoring.install.retention: is 1w, less than the window of model digits's objectives, 30d: "
        "what is left of its budget would be told wrong; allowed: 30d or more "
        + fix("monitoring.install.retention", "30d") + ", or shorten slo.window",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_mistake_is_one_line(case: str, mistakes: Mistakes) -> None:
    sections, line = CASES[case]
    given = {"monitoring": INSTALL, **sections}
    used = "'hook'" in str(given.get("alerts"))
    assert mistakes({**SMALLEST, **given}, secrets=SECRETS if used else {}) == [line]


def test_receivers_of_every_kind_are_taken(load: Callable[..., LoadedConfig]) -> None:
    ways = {"webhook": {"url": "hook"}, "slack": SLACK, "email": {**EMAIL, "user": "alerts", "password": "smtp"}}
    alerts = {"receivers": {"team": ways}, "default": "team", "routes": [{"receiver": "team", "model": "digits"}]}
    loaded = load({**SMALLEST, "monitoring": INSTALL, "alerts": alerts}, secrets={**SECRETS, "smtp": "of-nobody"})
    assert set(loaded.secrets) == {"hook", "smtp"}

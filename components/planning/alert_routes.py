"""Alertmanager's configuration: who is told of which alert.

Values of secrets are not in it: it names files, which Alertmanager reads when it sends
(https://prometheus.io/docs/alerting/latest/configuration/).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from components.config import AlertsConfig, ReceiverConfig

# Of alerts of a stack without receivers: they are seen in Alertmanager, and nobody is told.
NOBODY = "nobody"


def secret_keys(alerts: "AlertsConfig | None") -> tuple[str, ...]:
    """The keys of the secrets that receivers need, each once."""
    receivers = alerts.receivers.values() if alerts else ()
    return tuple(dict.fromkeys(key for receiver in receivers for key in _keys(receiver)))


def _keys(receiver: "ReceiverConfig") -> "Iterator[str]":
    if receiver.webhook is not None:
        yield receiver.webhook.url
    if receiver.slack is not None:
        yield receiver.slack.url
    if receiver.email is not None and receiver.email.password is not None:
        yield receiver.email.password


def configuration(alerts: "AlertsConfig | None", folder: str) -> dict[str, Any]:
    """The whole configuration. The secret with key k is the file k in `folder`.

    Without routes it says so: as values of a chart it is merged with the chart's own, whose routes name a receiver that
    is replaced here.
    """
    grouping = {"group_by": ["alertname", "namespace", "model"]}
    # A fast use of a budget tells what a slow one of the same budget would.
    quiet = {
        "source_matchers": ['severity="critical"', 'slo=~".+"'],
        "target_matchers": ['severity="warning"', 'slo=~".+"'],
        "equal": ["namespace", "model", "slo"],
    }
    if alerts is None:
        return {
            "route": {"receiver": NOBODY, **grouping, "routes": []},
            "receivers": [{"name": NOBODY}],
            "inhibit_rules": [quiet],
        }
    routes = [
        {
            "receiver": route.receiver,
            "matchers": [
                f'{label}="{value}"'
                for label, value in (
                    ("severity", route.severity),
                    ("namespace", route.namespace),
                    ("model", route.model),
                )
                if value is not None
            ],
        }
        for route in alerts.routes
    ]
    return {
        "route": {
            "receiver": alerts.default,
            **grouping,
            "group_wait": alerts.group_wait,
            "group_interval": alerts.group_interval,
            "repeat_interval": alerts.repeat_interval,
            "routes": routes,
        },
        "receivers": [_receiver(name, receiver, folder) for name, receiver in alerts.receivers.items()],
        "inhibit_rules": [quiet],
    }


def _receiver(name: str, receiver: "ReceiverConfig", folder: str) -> dict[str, Any]:
    """A receiver, which is told of the end of an alert too."""
    result: dict[str, Any] = {"name": name}
    if receiver.webhook is not None:
        result["webhook_configs"] = [{"url_file": f"{folder}/{receiver.webhook.url}", "send_resolved": True}]
    if receiver.slack is not None:
        slack = {
            "api_url_file": f"{folder}/{receiver.slack.url}",
            "channel": receiver.slack.channel,
            "send_resolved": True,
            "title": "{{ .Status | toUpper }} {{ .CommonLabels.alertname }} {{ .CommonLabels.model }}",
            "text": "{{ range .Alerts }}{{ .Annotations.summary }} {{ .Annotations.runbook_url }}\n{{ end }}",
        }
        result["slack_configs"] = [slack]
    if (mail := receiver.email) is not None:
        email = {"to": mail.to, "from": mail.from_, "smarthost": mail.server, "send_resolved": True}
        if mail.user is not None and mail.password is not None:
            email |= {"auth_username": mail.user, "auth_password_file": f"{folder}/{mail.password}"}
        result["email_configs"] = [email]
    return result

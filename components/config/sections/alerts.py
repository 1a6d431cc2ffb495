"""Who is told of alerts."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from components.config.monitoring_types import AlertInterval, EmailAddress, MailServer, MailUser, SlackChannel
from components.config.sections.base import Section
from components.config.types import ModelName, NamespaceName, ObjectName, SecretKey

ReceiverName = Annotated[ObjectName, Field(examples=["oncall"])]


class WebhookConfig(Section):
    """Alerts as JSON to an address. `url` is the key of a secret: such addresses let in whoever knows them."""

    url: SecretKey


class SlackConfig(Section):
    """Alerts to a channel of Slack. `url` is the key of a secret, the incoming webhook's address."""

    url: SecretKey
    channel: SlackChannel


class EmailConfig(Section):
    """Alerts by mail, through a `server` that speaks TLS. `password` is the key of a secret."""

    to: EmailAddress
    from_: Annotated[EmailAddress, Field(alias="from")]
    server: MailServer
    user: MailUser | None = None
    password: SecretKey | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise PydanticCustomError(
                "user_with_password", "one of user and password is given; a mail server wants both or neither"
            )
        return self


class ReceiverConfig(Section):
    """Somebody who is told of alerts, in every way that is given."""

    webhook: WebhookConfig | None = None
    slack: SlackConfig | None = None
    email: EmailConfig | None = None

    @model_validator(mode="after")
    def _is_told_somehow(self) -> Self:
        if self.webhook is None and self.slack is None and self.email is None:
            raise PydanticCustomError(
                "give_one", "none of webhook, slack and email is given; a receiver has one or more"
            )
        return self


class AlertRouteConfig(Section):
    """Alerts of a severity, a model, a namespace, or of all that is given, go to a receiver instead of the default one.

    The namespace is another stack's, which this stack's monitoring watches too.
    """

    receiver: ReceiverName
    severity: Literal["critical", "warning"] | None = None
    model: ModelName | None = None
    namespace: NamespaceName | None = None

    @model_validator(mode="after")
    def _tells_some_from_others(self) -> Self:
        if self.severity is None and self.model is None and self.namespace is None:
            raise PydanticCustomError(
                "route_of_all", "none of severity, model and namespace is given, so it would take every alert"
            )
        return self


class AlertsConfig(Section):
    """The receivers of alerts by name, and which of them gets which: the first route that fits, else `default`.

    Alerts of one model are told together: the first after `groupWait`, further ones after `groupInterval`, and as long
    as they last again every `repeatInterval`.
    """

    receivers: Annotated[dict[ReceiverName, ReceiverConfig], Field(min_length=1)]
    default: ReceiverName
    routes: tuple[AlertRouteConfig, ...] = ()
    group_wait: AlertInterval = "30s"
    group_interval: AlertInterval = "5m"
    repeat_interval: AlertInterval = "4h"

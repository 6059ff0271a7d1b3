"""Where alerts are delivered: the YAML file of `headwater alerts deliver`, read and checked.

docs/delivery.md is its reference. Secrets are named in the file, never written in it: as a variable
of the environment, or a file that holds nothing else. They are looked up when the file is read, so
one that is missing is told with the other mistakes, at its place.
"""

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from schemas.plan.check import PlanInvalid, Problem, text_of, written
from schemas.plan.models import Plan
from schemas.plan.source import read_source
from schemas.plan.values import (
    AlertLevelName,
    Duration,
    SeverityName,
    Text,
    did_you_mean,
    each_once,
    mistake,
    shown,
)
from schemas.plan.written_form import Written, forms
from schemas.times import HOUR_MS, SECOND_MS

STANDARD_PREFIX = "whsec_"
"""Begins a secret in the form of Standard Webhooks: base64 follows."""
_MAIL_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
TIMEOUT_MAX_MS = 30 * SECOND_MS
PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Around:
    """What a file of sinks is checked against (pydantic's context)."""

    environment: Mapping[str, str] = field(default_factory=dict)
    rules: Collection[str] | None = None
    """Ids of the plan's alert rules; None: not checked."""
    owners: Collection[str] | None = None
    """Who looks after them."""


def _around(info: ValidationInfo) -> Around:
    return info.context if isinstance(info.context, Around) else Around()


# ---- secrets


class Secret(Written):
    """Where a secret is."""

    env: Text | None = Field(default=None, description="A variable of the environment.")
    file: Text | None = Field(default=None, description="A file with nothing else in it.")
    _value: str = PrivateAttr("")

    @property
    def value(self) -> str:
        return self._value

    @model_validator(mode="after")
    def _is_there(self, info: ValidationInfo) -> "Secret":
        if (self.env is None) == (self.file is None):
            raise mistake("a secret is in one place", "give it `env: NAME` or `file: PATH`")
        if self.env is not None:
            found = _around(info).environment.get(self.env, "")
            where = f"the variable {shown(self.env)} is not set"
        else:
            found, where = _content(str(self.file))
        if not found.strip():
            raise mistake(where, "set it where `headwater alerts deliver` runs")
        self._value = found.strip()
        return self


def _content(file: str) -> tuple[str, str]:
    """What a file holds, and what to say if that is nothing."""
    try:
        return Path(file).read_text(encoding="utf-8"), f"the file {shown(file)} is empty"
    except UnicodeDecodeError:
        return "", f"the file {shown(file)} is no UTF-8 text"
    except OSError as error:
        return "", f"the file {shown(file)} cannot be read ({error.strerror})"


def signing_key(secret: str) -> bytes:
    """The key that a webhook's secret stands for. ValueError: it says base64 and is none.

    >>> signing_key("whsec_c2VjcmV0") == signing_key("secret")
    True
    """
    if not secret.startswith(STANDARD_PREFIX):
        return secret.encode()
    return b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)


def _check_signing(secret: Secret) -> Secret:
    try:
        signing_key(secret.value)
    except binascii.Error:
        raise mistake(f"after `{STANDARD_PREFIX}` the secret is no base64") from None
    return secret


def _check_one_line(secret: Secret) -> Secret:
    if not (secret.value.isprintable() and secret.value.isascii()):
        raise mistake("the secret is no line of ASCII, as a header has to be")
    return secret


# ---- addresses


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        fits = False
    if not fits or not (url.isascii() and url.isprintable() and " " not in url):
        raise mistake(f"{shown(url)} is no URL", "write it as https://host/path")
    if parts.username is not None or parts.password is not None:
        raise mistake("a URL may not hold a password", "name it under `authorization`")
    return url


def _check_secret_url(secret: Secret) -> Secret:
    try:
        _check_url(secret.value)
    except ValueError:
        raise mistake("the secret is no URL such as https://host/path") from None
    return secret


def _check_mail_address(address: str) -> str:
    if not _MAIL_ADDRESS.fullmatch(address) or not (address.isascii() and address.isprintable()):
        raise mistake(f"{shown(address)} is no e-mail address", "write such as `team@example.com`")
    return address


PlainUrl = Annotated[Text, AfterValidator(_check_url)]
SecretUrl = Annotated[Secret, AfterValidator(_check_secret_url)]
Url = Annotated[
    Annotated[PlainUrl, Tag("<text>")] | Annotated[SecretUrl, Tag("<mapping>")],
    forms("a URL, or `{env: NAME}` where it is secret"),
]
MailAddress = Annotated[Text, AfterValidator(_check_mail_address)]


# ---- sinks


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
        raise mistake(f"{shown(name)} is no name of a sink", "use small letters, digits and dashes")
    return name


SinkName = Annotated[str, AfterValidator(_check_name)]


class Webhook(Written):
    """POST of the event as it is on the topic, signed."""

    url: Url = Field(description="Where to post to; `{env: NAME}` if the address is a secret.")
    secret: Annotated[Secret, AfterValidator(_check_signing)] = Field(
        description="What the signature is made with."
    )
    authorization: Annotated[Secret, AfterValidator(_check_one_line)] | None = Field(
        default=None, description="The value of the header Authorization."
    )


class Slack(Written):
    """A message to an incoming webhook of Slack, or of what understands the same."""

    url: SecretUrl = Field(description="The incoming webhook; who knows it may post.")


class Email(Written):
    """An e-mail through an SMTP server."""

    host: Text = Field(description="The SMTP server.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="By default 587, with `tls` 465, with `none` 25."
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="starttls, tls or none."
    )
    username: Text | None = Field(default=None, description="To log in; by default nobody does.")
    password: Secret | None = Field(default=None, description="That of the user.")
    sender: MailAddress = Field(alias="from", description="Whom it is from.")
    to: Annotated[list[MailAddress], Field(min_length=1), AfterValidator(each_once)] = Field(
        description="Whom it is for."
    )

    @model_validator(mode="after")
    def _logs_in_whole(self) -> "Email":
        if (self.username is None) != (self.password is None):
            raise mistake("`username` and `password` go together", "give both, or neither")
        if self.password is not None and self.security == "none":
            raise mistake(
                "a password would travel in the open", "use `starttls` or `tls`, or no password"
            )
        return self


class Only(Written):
    """Which alerts; all that is given has to fit."""

    rules: Annotated[list[Text], Field(min_length=1), AfterValidator(each_once)] | None = Field(
        default=None, description="Of these rules."
    )
    severity: SeverityName | None = Field(default=None, description="At least so severe.")
    owners: Annotated[list[Text], Field(min_length=1), AfterValidator(each_once)] | None = Field(
        default=None, description="Of rules that these look after."
    )
    level: AlertLevelName | None = Field(
        default=None, description="Of the company, an account, a user."
    )

    @field_validator("rules")
    @classmethod
    def _rules_exist(cls, rules: list[str] | None, info: ValidationInfo) -> list[str] | None:
        return _known(rules, _around(info).rules, "rule")

    @field_validator("owners")
    @classmethod
    def _owners_exist(cls, owners: list[str] | None, info: ValidationInfo) -> list[str] | None:
        return _known(owners, _around(info).owners, "owner of a rule")


def _known(names: list[str] | None, known: Collection[str] | None, what: str) -> list[str] | None:
    """A misspelt name would keep every alert away, and nobody would hear why."""
    for name in names or ():
        if known is not None and name not in known:
            raise mistake(
                f"the plan has no {what} {shown(name)}",
                did_you_mean(name, known) or f"it has {', '.join(sorted(known)) or 'none'}",
            )
    return names


class Sink(Written):
    """One place that alerts are delivered to."""

    webhook: Webhook | None = Field(default=None, description="A signed POST.")
    slack: Slack | None = Field(default=None, description="A message in a chat.")
    email: Email | None = Field(default=None, description="An e-mail.")
    only: Only = Field(default=Only(), description="Which alerts; by default all.")
    quiet_hours: bool = Field(
        default=True, description="Waits in the plan's quiet hours; false for what never sleeps."
    )
    timeout: Duration = Field(
        default=10 * SECOND_MS, description="How long one attempt may wait for an answer."
    )
    give_up_after: Duration = Field(
        default=HOUR_MS, description="How long to try, before the alert is put aside."
    )

    @model_validator(mode="after")
    def _is_one_sink(self) -> "Sink":
        given = [k for k in ("webhook", "slack", "email") if getattr(self, k) is not None]
        if len(given) != 1:
            raise mistake(
                f"a sink is {' and '.join(map(shown, given)) or 'nothing'}",
                "give it one of `webhook`, `slack` and `email`",
            )
        if not SECOND_MS <= self.timeout <= TIMEOUT_MAX_MS:
            raise mistake("`timeout` is between 1s and 30s")
        return self


class Sinks(Written):
    """The file."""

    sinks: Annotated[dict[SinkName, Sink], Field(min_length=1)] = Field(
        description="The sinks by name; a name stands for what has been delivered there."
    )


def load_sinks(
    path_or_text: str | os.PathLike[str],
    environment: Mapping[str, str],
    plan: Plan | None = None,
) -> dict[str, Sink]:
    """The sinks of a file, or of YAML text (as `load_plan` tells them apart), by name.

    `plan`: whose rules and owners they may name; None: any. Raises PlanInvalid with every mistake,
    and OSError for a file that cannot be read.
    """
    source = read_source(text_of(path_or_text))
    if not isinstance(source.data, dict):
        flaws = [Problem("", flaw.message, flaw.suggestion, flaw.line) for flaw in source.flaws]
        raise PlanInvalid(flaws or [Problem("", "expected a mapping with `sinks`")])
    around = Around(environment)
    if plan is not None:
        rules = plan.alerts.rules
        owners = {rule.owner for rule in rules if rule.owner is not None}
        around = Around(environment, {rule.id for rule in rules}, owners)
    return written(source, Sinks, around).sinks

"""A file of sinks: every mistake is told at once with its place, and no secret is written in it."""

from pathlib import Path

import pytest

from schemas.plan.check import PlanInvalid, load_plan
from schemas.sinks import PORTS, load_sinks, signing_key

ENVIRONMENT = {"KEY": " secret\n", "CHAT": "https://chat.example.com/T/B/x", "EMPTY": ""}
PLAN = load_plan(
    """
product: Sinks
alerts:
  rules:
  - {id: quiet, kpi: dau, period: day, below: 2, owner: success}
"""
)
WHOLE = """
sinks:
  crm:
    webhook: {url: "https://crm.example.com/hooks/1", secret: {env: KEY}}
    only: {rules: [quiet], severity: warning, owners: [success], level: account}
    quiet_hours: false
    timeout: 5s
    give_up_after: 2h
  chat:
    slack: {url: {env: CHAT}}
  mail:
    email: {host: smtp.example.com, from: headwater@example.com, to: [team@example.com]}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(PlanInvalid) as caught:
        load_sinks(text, ENVIRONMENT, PLAN)
    return str(caught.value).splitlines()


def test_a_file_without_mistakes_says_everything() -> None:
    sinks = load_sinks(WHOLE, ENVIRONMENT, PLAN)
    assert list(sinks) == ["crm", "chat", "mail"]
    crm, chat, mail = sinks.values()
    assert crm.webhook is not None
    assert crm.webhook.secret.value == "secret"
    assert (crm.timeout, crm.give_up_after, crm.quiet_hours) == (5_000, 7_200_000, False)
    assert chat.slack is not None
    assert chat.slack.url.value == ENVIRONMENT["CHAT"]
    assert mail.email is not None
    assert PORTS[mail.email.security] == 587


def test_a_secret_does_not_show_where_sinks_are_printed() -> None:
    assert "secret\n" not in repr(load_sinks(WHOLE, ENVIRONMENT)).replace("'", "\n")


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    text = WHOLE.replace("secret: {env: KEY}", f"secret: {{file: {tmp_path / 'key'}}}")
    webhook = load_sinks(text, ENVIRONMENT)["crm"].webhook
    assert webhook is not None
    assert webhook.secret.value == "from a file"


def test_all_mistakes_are_told_at_once_with_their_places() -> None:
    assert mistakes(
        """
sinks:
  crm:
    webhook: {url: crm.example.com, secret: {env: NONE}}
    only: {rules: [quite], severity: warn, owners: [sales]}
  Chat:
    slack: {url: {file: /does/not/exist}}
    urgent: true
  mail:
    email: {host: h, from: x, to: [], username: u}
    give_up_after: 3
"""
    ) == [
        "line 4: `crm.example.com` is no URL at sinks.crm.webhook.url; "
        "write it as https://host/path",
        "line 4: the variable `NONE` is not set at sinks.crm.webhook.secret; "
        "set it where `headwater alerts deliver` runs",
        "line 5: the plan has no rule `quite` at sinks.crm.only.rules; did you mean `quiet`?",
        "line 5: unknown severity `warn` at sinks.crm.only.severity; did you mean `warning`?",
        "line 5: the plan has no owner of a rule `sales` at sinks.crm.only.owners; it has success",
        "line 6: `Chat` is no name of a sink at sinks.Chat; use small letters, digits and dashes",
        "line 7: the file `/does/not/exist` cannot be read (No such file or directory) at "
        "sinks.Chat.slack.url; set it where `headwater alerts deliver` runs",
        "line 8: unknown key `urgent` at sinks.Chat; known are "
        "webhook, slack, email, only, quiet_hours, timeout, give_up_after",
        "line 10: `x` is no e-mail address at sinks.mail.email.from; "
        "write such as `team@example.com`",
        "line 10: expected at least 1 entry at sinks.mail.email.to",
        "line 11: duration `3` has no unit at sinks.mail.give_up_after; write `3s` for seconds",
    ]


CHAT = "sinks: {s: {slack: {url: {env: CHAT}}, %s}}"
HOOK = "sinks: {s: {webhook: {url: %s, secret: {env: %s}}}}"
MAIL = "sinks: {s: {email: {host: h, from: a@b, to: [c@d], %s}}}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# nothing\n", "expected a mapping with `sinks`"),
        ("sinks: {}", "expected at least 1 entry"),
        ("sinks: {s: {}}", "a sink is nothing"),
        ("sinks: [", "not YAML"),
        ("sinks: {s: {slack: {url: 'https://x.example.com'}}}", "expected a mapping"),
        ("sinks: {s: {slack: {url: {env: KEY}}}}", "the secret is no URL"),
        ("sinks: {s: {slack: {url: {env: EMPTY}}}}", "`EMPTY` is not set"),
        ("sinks: {s: {slack: {url: {}}}}", "a secret is in one place"),
        ("sinks: {s: {slack: {url: {env: CHAT, file: x}}}}", "a secret is in one place"),
        (CHAT % "email: {host: h, from: a@b, to: [c@d]}", "a sink is `slack` and `email`"),
        (CHAT % "timeout: 31s", "`timeout` is between 1s and 30s"),
        (HOOK % ("[]", "KEY"), "expected a URL"),
        (HOOK % ("ftp://x/y", "KEY"), "is no URL"),
        (HOOK % ("'https://a:b@x/y'", "KEY"), "may not hold a password"),
        (HOOK % ("'https://x:99999/y'", "KEY"), "is no URL"),
        (HOOK % ("{env: KEY}", "KEY"), "the secret is no URL"),
        (MAIL % "username: u", "`username` and `password` go together"),
        (MAIL % "username: u, password: {env: KEY}, security: none", "in the open"),
        (MAIL % "security: ssl", "expected 'starttls', 'tls' or 'none'"),
        (MAIL.replace("c@d", "'c@d, x@y'") % "port: 1", "is no e-mail address"),
        (MAIL % "port: 99999", "is too large"),
    ],
)
def test_a_mistake_is_told(text: str, told: str) -> None:
    assert any(told in line for line in mistakes(text)), mistakes(text)


def test_a_signing_secret_that_says_base64_has_to_be_some() -> None:
    assert signing_key("plain") == b"plain"
    with pytest.raises(PlanInvalid, match="no base64"):
        load_sinks(HOOK % ("'https://x'", "K"), {"K": "whsec_?"})

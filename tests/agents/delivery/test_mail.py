"""E-mails on a real SMTP server: open, with STARTTLS and a password, refusing, and away."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from agents.delivery.event import Delivered, Event, Refused, Send, TryAgain, read_event
from agents.delivery.mail import mail_sender
from deploy.kafka.local_broker import free_ports
from schemas.sinks import load_sinks
from tests.agents.delivery.alerts import alert


class Mailbox:
    """A server's handler: keeps mails, and refuses whom and what it is told to."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answers: dict[str, str] = {}
        self.answer = "250 taken"

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        return self.answer

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(e.content, policy=policy.default) for e in self.envelopes]


Serve = Callable[..., Controller]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def serve(mailbox: Mailbox) -> Iterator[Serve]:
    started: list[Controller] = []

    def serve(**options: Any) -> Controller:
        (port,) = free_ports(1)
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
        controller.start()
        started.append(controller)
        return controller

    yield serve
    for each in started:
        each.stop()


def sender(port: int, more: str = "security: none", to: str = "team@example.com") -> Send:
    text = (
        f"sinks: {{s: {{email: {{host: localhost, port: {port}, from: headwater@example.com, "
        f"to: [{to}], {more}}}}}}}"
    )
    mail = load_sinks(text, {"PASSWORD": "open sesame"})["s"].email
    assert mail is not None
    return mail_sender(mail, timeout_s=10)


def event(**data: object) -> Event:
    found = read_event(alert(**data))
    assert found is not None
    return found


def test_a_mail_says_what_happened_and_its_id_follows_from_the_alert(
    serve: Serve, mailbox: Mailbox
) -> None:
    send = sender(serve().port, to="team@example.com, boss@example.com")
    told = event(title="Zoë\r\nBcc: x@y", text="Call them.", link="https://crm.example.com/1")
    assert send(told) == Delivered()
    assert send(told) == Delivered()
    assert send(event(kind="resolved", revision=2)) == Delivered()

    first, copy, later = mailbox.mails
    assert mailbox.envelopes[0].rcpt_tos == ["team@example.com", "boss@example.com"]
    assert first["Subject"] == "[warning] Zoë? Bcc: x@y"
    assert first["Bcc"] is None
    assert first["Date"] == "Wed, 25 Feb 2026 06:13:20 +0000"
    assert first["Message-ID"] == copy["Message-ID"] != later["Message-ID"]
    assert later["In-Reply-To"] == first["Message-ID"]
    assert first.get_content().replace("\r\n", "\n") == (
        "[warning] Zoë? Bcc: x@y\n\nCall them.\n\nRule: quiet\nAccount: acme\nOwner: success\n"
        "Since: 2026-02-25 06:13 UTC\n\nhttps://crm.example.com/1\n"
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_with_starttls_and_a_password_the_server_has_to_be_who_it_says(
    serve: Serve, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*request.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, who: Any) -> Any:
        return AuthResult(success=who == LoginPassword(b"headwater", b"open sesame"), handled=False)

    port = serve(
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    ).port
    login = "username: {}, password: {{env: PASSWORD}}"
    stranger = sender(port, login.format("headwater"))(event())
    assert isinstance(stranger, TryAgain)
    assert "certificate" in stranger.reason

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert sender(port, login.format("headwater"))(event()) == Delivered()
    assert mailbox.mails[0]["Subject"] == "[warning] acme is quiet"
    wrong = sender(port, login.format("somebody"))(event())
    assert isinstance(wrong, Refused)
    assert wrong.reason.startswith("SMTP 535")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("451 later", TryAgain("SMTP 451 later")), ("554 spam", Refused("SMTP 554 spam"))],
)
def test_the_code_of_an_answer_says_whether_to_try_again(
    serve: Serve, mailbox: Mailbox, answer: str, outcome: TryAgain | Refused
) -> None:
    mailbox.answer = answer
    assert sender(serve().port)(event()) == outcome


def test_those_who_took_it_do_not_get_it_again_for_the_sake_of_one_who_did_not(
    serve: Serve, mailbox: Mailbox
) -> None:
    send = sender(serve().port, to="team@example.com, gone@example.com")
    mailbox.answers["gone@example.com"] = "550 unknown"
    outcome = send(event())
    assert outcome == Refused("sent, but not to gone@example.com: SMTP 550 unknown")
    assert len(mailbox.mails) == 1
    mailbox.answers["team@example.com"] = "450 greylisted"
    assert isinstance(send(event()), TryAgain)


def test_a_server_that_is_away_or_cannot_encrypt_is_told(serve: Serve) -> None:
    assert isinstance(sender(serve().port, "security: starttls")(event()), Refused)
    (nobodys,) = free_ports(1)
    assert isinstance(sender(nobodys)(event()), TryAgain)

"""An e-mail through an SMTP server.

Its Message-ID follows from the alert's id and revision: a copy has the same, and mailboxes show the
revisions of an alert as one conversation.
"""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import quote

from agents.delivery import wording
from agents.delivery.event import Delivered, Event, Outcome, Refused, Send, TryAgain
from schemas.sinks import PORTS, Email
from schemas.times import moment_of

PERMANENT = 500
"""Codes of SMTP from here on say that another attempt will not do."""


def mail_sender(mail: Email, *, timeout_s: float) -> Send:
    def send(event: Event) -> Outcome:
        try:
            with _connected(mail, timeout_s) as server:
                refused = server.send_message(message(event, mail.sender, mail.to))
        except smtplib.SMTPRecipientsRefused as error:
            return _of_refused(error.recipients, everybody=True)
        except smtplib.SMTPResponseException as error:
            return _of_code(error.smtp_code, _decoded(error.smtp_code, error.smtp_error))
        except smtplib.SMTPNotSupportedError as error:
            return Refused(f"the mail server cannot: {error}")
        except (OSError, smtplib.SMTPException) as error:
            return TryAgain(f"no mail server: {error or type(error).__name__}")
        return _of_refused(refused, everybody=False) if refused else Delivered()

    return send


def message(event: Event, sender: str, to: list[str]) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Subject"] = wording.headline(event)
    mail["Date"] = format_datetime(moment_of(event.attributes["time"]))
    mail["Message-ID"] = _message_id(event.id)
    if event.data["revision"] > 1:
        first = _message_id(f"{event.data['id']}-1")
        mail["In-Reply-To"], mail["References"] = first, first
    mail["Auto-Submitted"] = "auto-generated"
    facts = "\n".join(f"{name}: {value}" for name, value in wording.facts(event))
    parts = [wording.headline(event), wording.text(event), facts, wording.link(event)]
    mail.set_content("\n\n".join(part for part in parts if part) + "\n")
    return mail


def _message_id(id: str) -> str:
    return f"<{quote(id, safe='')}@alerts.headwater>"


def _connected(mail: Email, timeout_s: float) -> smtplib.SMTP:
    """Logged in where the sink says so; to be closed by the caller."""
    port = mail.port or PORTS[mail.security]
    context = ssl.create_default_context()
    if mail.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, port, timeout=timeout_s, context=context)
    else:
        server = smtplib.SMTP(mail.host, port, timeout=timeout_s)
    try:
        if mail.security == "starttls":
            server.starttls(context=context)
        if mail.username is not None and mail.password is not None:
            server.login(mail.username, mail.password.value)
    except BaseException:
        server.close()
        raise
    return server


def _of_refused(refused: dict[str, tuple[int, bytes]], *, everybody: bool) -> Outcome:
    """Those who took it must not get it again for the sake of those who did not."""
    told = "; ".join(f"{to}: {_decoded(*said)}" for to, said in refused.items())
    if everybody and any(code < PERMANENT for code, _ in refused.values()):
        return TryAgain(told)
    return Refused(told if everybody else f"sent, but not to {told}")


def _of_code(code: int, reason: str) -> Outcome:
    return Refused(reason) if code >= PERMANENT else TryAgain(reason)


def _decoded(code: int, said: bytes | str) -> str:
    words = said.decode(errors="replace") if isinstance(said, bytes) else said
    return wording.one_line(f"SMTP {code} {words}")

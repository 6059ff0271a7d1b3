"""One POST, and what its answer means."""

import http.client
from collections.abc import Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from agents.delivery.event import Delivered, Outcome, Refused, TryAgain

TRY_AGAIN = frozenset({408, 425, 429})
"""Of the answers from 400 on those that pass by themselves, beside all from 500 on."""
ANSWER_BYTES_MAX = 500


class _NoRedirects(HTTPRedirectHandler):
    """A POST that is sent on turns into a GET and loses its body."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


_OPENER = build_opener(_NoRedirects)


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float, now_s: float
) -> Outcome:
    """Posts once. `now_s`: wall time, for answers that name a time to come back at."""
    agent = {"User-Agent": f"headwater/{version('headwater')}"}
    request = Request(url, body, {**agent, **headers}, method="POST")
    try:
        with _OPENER.open(request, timeout=timeout_s):
            return Delivered()
    except HTTPError as error:
        with error:
            return _of_answer(error, now_s)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return TryAgain(f"no answer: {reason or type(reason).__name__}")


def _of_answer(error: HTTPError, now_s: float) -> Outcome:
    reason = f"HTTP {error.code}: {_said(error)}"
    if error.code in TRY_AGAIN or error.code >= 500:
        return TryAgain(reason, retry_after_s(error.headers, now_s))
    return Refused(reason)


def _said(error: HTTPError) -> str:
    try:
        said = error.read(ANSWER_BYTES_MAX).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        said = ""
    return "".join(c if c.isprintable() else " " for c in said).strip() or error.reason


def retry_after_s(headers: Message, now_s: float) -> float:
    """How long the other side asks to be left alone: in seconds, or until a date; else 0."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        return max(parsedate_to_datetime(asked).timestamp() - now_s, 0.0)
    except (ValueError, OverflowError):
        return 0.0

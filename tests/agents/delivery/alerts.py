"""Alerts as they stand on the topic, made by the code that writes them."""

from typing import Any

from schemas.outputs import Alert, alert_record
from schemas.times import iso

AT_MS = 1_772_000_000_000


def alert(id: str = "a" * 32, kind: str = "firing", revision: int = 1, **data: Any) -> bytes:
    """The value of a record; `data` are fields that differ from the usual."""
    told = {
        "rule": "quiet",
        "state": kind,
        "revision": revision,
        "level": "account",
        "subject": "acme",
        "account": "acme",
        "user": None,
        "segment": "all",
        "at": iso(AT_MS),
        "resolved_at": None,
        "severity": "warning",
        "owner": "success",
        "urgent": False,
        "title": "acme is quiet",
        "text": None,
        "link": None,
        "held_back": False,
        **data,
    }
    return alert_record(Alert(id, kind, told), "headwater", AT_MS)[1]

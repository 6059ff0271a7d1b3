"""What goes wrong on purpose, so that alerts have something to find."""

from __future__ import annotations

from typing import Any, NamedTuple

from agents.company.timeline import DAYS, day_ms
from schemas.times import iso

VIRAL_ACCOUNT, VIRAL_FROM_DAY = "acct-001", 12
KEY_ACCOUNT, KEY_FROM_DAY, KEY_DAYS = "acct-002", 3, 61
BROKEN_DAYS = range(49, 52)
"""A release with a fault: hardly any report can be created. Monday to Wednesday."""
STILL_WORKS = 0.1
LOST_DAY = 78
"""A Tuesday on which the tracking was down, and no call arrived."""


class Incident(NamedTuple):
    """Something that somebody should look at."""

    kind: str
    first_day: int
    """From 0."""
    last_day: int
    account: str | None
    what: str

    @property
    def started_ms(self) -> int:
        return day_ms(self.first_day)

    def record(self) -> dict[str, Any]:
        """For people and programs: days as dates."""
        first, last = (iso(day_ms(day))[:10] for day in (self.first_day, self.last_day))
        return {
            "kind": self.kind,
            "from": first,
            "to": last,
            "account": self.account,
            "what": self.what,
        }


def incidents(days: int = DAYS) -> list[Incident]:
    """What goes wrong in a log of so many days, in the order of time."""
    end = days - 1
    left = KEY_FROM_DAY + KEY_DAYS
    planted = [
        Incident("viral", VIRAL_FROM_DAY, end, VIRAL_ACCOUNT, "an account goes viral"),
        Incident(
            "broken-release", BROKEN_DAYS[0], BROKEN_DAYS[-1], None, "reports cannot be created"
        ),
        Incident("churn", left, end, KEY_ACCOUNT, "a key account stays away"),
        Incident("lost-tracking", LOST_DAY, LOST_DAY, None, "no call arrives for a day"),
    ]
    return [each for each in planted if each.first_day < days]

"""Who stands on the lists that Headwater publishes, and who is in a membership when a day ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.row_forms.people import MembershipRow
from schemas.times import parse_iso
from tests.oracle import Key
from tests.records import Record

AT_DAY_ENDS = ("declining_users", "low_retention_accounts")
"""Rows whose conditions hold from day end to day end, beside those that are checked so."""
EITHER = ("churn_risk_accounts", "expansion_candidates")
"""Rows with such conditions and with others: a signal does not say which one it follows from."""


class Line(NamedTuple):
    rank: int
    name: str
    score: float | None
    """The first one."""


def lines_of(record: Record, part: str = "top") -> list[Line]:
    """The lines of a list, from its top or its bottom."""
    return [
        Line(line["rank"], line["name"], next(iter(line["scores"].values()), None))
        for line in record[part]
    ]


class Passage(NamedTuple):
    """Somebody enters a membership, or leaves it."""

    at_ms: int
    entered: bool
    variant: str
    """Empty if there is none."""
    subject: str


def members_at(
    row: MembershipRow,
    passages: Iterable[Passage],
    start_ms: int,
    end_ms: int,
    either: bool = False,
) -> dict[str, set[str]]:
    """Variant (empty if there is none) -> who is in at the end of a period, by `passages_of` it.

    Who enters or leaves at that very instant does so later, unless the row looks at ends of days;
    of a row that does both, if `either` says so. Of a row that counts entries: who entered in the
    period.
    """
    at_end = either or row.check == "day_end" or row.id in AT_DAY_ENDS
    last: dict[tuple[str, str], bool] = {}
    for at_ms, entered, variant, subject in passages:
        if at_ms < end_ms + at_end and (row.value == "members" or at_ms >= start_ms):
            last[variant, subject] = entered
    found: dict[str, set[str]] = {}
    for (variant, subject), entered in last.items():
        if entered:
            found.setdefault(variant, set()).add(subject)
    return found


def passages_of(kpi: str, signals: Iterable[Record]) -> list[Passage]:
    """Who enters and leaves a membership, as signals say, in the order of time."""
    entering, leaving = f"{kpi}.enter", f"{kpi}.leave"
    return sorted(
        Passage(
            parse_iso(signal["at"]),
            signal["signal"] == entering,
            signal["variant"] or "",
            signal["account"] or signal["user"],
        )
        for signal in signals
        if signal["signal"] in (entering, leaving)
    )


def list_key(key: Key, variant: str | None) -> Key:
    """The key of a list; the variant `account=<id>` stands for the list of an account."""
    if variant is not None and variant.startswith("account="):
        return key._replace(level="account", subject=variant.removeprefix("account="))
    return key._replace(variant=variant)

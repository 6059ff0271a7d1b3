"""Who stands on the lists that Headwater publishes, and who is in a membership when a day ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def members_at(
    row: MembershipRow, signals: Iterable[Record], start_ms: int, end_ms: int, either: bool = False
) -> dict[str, set[str]]:
    """Variant (empty if there is none) -> who is in at the end of a period, as signals say.

    Who enters or leaves at that very instant does so later, unless the row looks at ends of days;
    of a row that does both, if `either` says so. Of a row that counts entries: who entered in the
    period.
    """
    at_end = either or row.check == "day_end" or row.id in AT_DAY_ENDS
    last: dict[tuple[str, str], bool] = {}
    for at_ms, entered, variant, subject in sorted(_passages(row.id, signals)):
        if at_ms < end_ms + at_end and (row.value == "members" or at_ms >= start_ms):
            last[variant, subject] = entered
    found: dict[str, set[str]] = {}
    for (variant, subject), entered in last.items():
        if entered:
            found.setdefault(variant, set()).add(subject)
    return found


def _passages(kpi: str, signals: Iterable[Record]) -> Iterator[tuple[int, bool, str, str]]:
    for signal in signals:
        if signal["signal"] in (f"{kpi}.enter", f"{kpi}.leave"):
            entered = signal["signal"].endswith(".enter")
            subject = signal["account"] or signal["user"]
            yield parse_iso(signal["at"]), entered, signal["variant"] or "", subject


def list_key(key: Key, variant: str | None) -> Key:
    """The key of a list; the variant `account=<id>` stands for the list of an account."""
    if variant is not None and variant.startswith("account="):
        return key._replace(level="account", subject=variant.removeprefix("account="))
    return key._replace(variant=variant)

"""How many different users the facts of a count are of, beside it."""

from collections.abc import Iterator
from itertools import pairwise

from schemas.row_forms.facts import CountRow
from streams.contributions import tally_key
from streams.measures.active_days import ActiveDays, runs
from streams.measures.kinds import ALL, ByName
from streams.measures.of_subjects import Values
from streams.operators.count import USERS
from streams.operators.latest import FOR_GOOD, lasting
from streams.parts.part import Cells, Part, Subject, of_cells


def users_beside(row: CountRow, subject: Subject) -> Part:
    """For each day of a user how long it is the latest one; by name, and of all names together."""
    slot = subject.measures.days_of_names(row.of, subject.since_ms(row))
    days = subject.measures.at(slot, ByName).inner
    variant = row.variant

    def add(values: Values, sign: int, into: Cells) -> None:
        named: dict[str, dict[str, ActiveDays]] = values[slot] or {}
        found = [] if variant is None else [(f"{variant.shown_as}={n}", named[n]) for n in named]
        if named and (variant is None or variant.total):
            found.append(("", days.merge(list(named.values()))))
        for shown, segments in found:
            for segment, active in segments.items() if row.segments else [(ALL, segments[ALL])]:
                tally = tally_key(row.id, shown, segment)
                for day, gap in _days(active):
                    into[tally, lasting(USERS, gap), day, 0] += sign

    return of_cells({slot}, add)


def _days(active: ActiveDays) -> Iterator[tuple[int, int]]:
    """(day, days until the next one)"""
    found = [
        active.base + at for start, end in runs(active.days) for at in range(start, end or start)
    ]
    gaps = [following - day for day, following in pairwise(found)]
    yield from zip(found, [*gaps, FOR_GOOD], strict=True)

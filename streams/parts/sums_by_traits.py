"""What facts add to rows in the segments of their user's traits and memberships; in all others
accounts add it.
"""

from schemas.rows import FactRow
from schemas.segments import dimension_of
from streams.contributions import Moves, tally_key
from streams.measures.day_sums import DaySums, Sums
from streams.measures.of_subjects import Values
from streams.parts.attributed import is_split_by_traits
from streams.parts.part import Cells, Part, Subject
from streams.traits import segments_on


def sums_by_traits(row: FactRow, subject: Subject) -> Part:
    slot = subject.measures.sums_by_day(row.id, subject.since_ms(row))
    traits = subject.measures.traits()
    names = {each.name for each in subject.plan.segments if is_split_by_traits(row, each)}

    def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        was: DaySums = old[slot] or {}
        now: DaySums = new[slot] or {}
        stays = old[traits] == new[traits]
        for sign, days, others, runs in ((-1, was, now, old[traits]), (+1, now, was, new[traits])):
            for day, sums in days.items():
                if stays and others.get(day) == sums:
                    continue
                for segment in segments_on(day, runs or ()):
                    if dimension_of(segment) in names:
                        _add(row.id, segment, day, sums, sign, cells)

    return Part(frozenset({slot, traits}), difference)


def _add(kpi: str, segment: str, day: int, sums: Sums, sign: int, into: Cells) -> None:
    for (variant, part, x, hour), n in sums.items():
        at = day if hour is None else hour
        into[tally_key(kpi, variant, segment), part, at, x] += sign * n

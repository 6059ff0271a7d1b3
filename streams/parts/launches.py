"""Rows about how many users take up what the company launched, compiled.

A launch concerns everybody, and its instant is no part of any user: it stands among the measures of
each, in a place that is found and not saved.
"""

from collections.abc import Mapping
from functools import lru_cache

from schemas.row_forms.people import LaunchRow
from schemas.times import DAY_MS
from streams.contributions import Moves, tally_key
from streams.measures.by_days import DayEdges
from streams.measures.kinds import ALL
from streams.measures.of_subjects import Values
from streams.operators import conversion
from streams.parts.part import Cells, Part, Subject

Edges = Mapping[int, tuple[int, int]]
"""Local day -> its first and its last instant (UTC ms)."""
LAUNCHES_MAX = 1 << 10
"""The windows of so many launches are remembered: every user is looked at in each of them."""


def launch_place(row: LaunchRow, subject: Subject) -> int:
    """Where the launches that a row asks for are found: `{name: UTC ms}`."""
    return subject.measures.found("launches", [row.launch], subject.since_ms(row))


def launches(row: LaunchRow, subject: Subject) -> Part:
    measures, since_ms, calendar = subject.measures, subject.since_ms(row), subject.calendar
    place = launch_place(row, subject)
    among, used = measures.edges(row.among, since_ms), measures.edges_by_name(row.used, since_ms)
    within_ms = row.within_days * DAY_MS

    @lru_cache(LAUNCHES_MAX)
    def window(start_ms: int) -> tuple[int, range, int]:
        """Of a launch: where its days end (UTC ms), its days, when it is mature (UTC ms)."""
        end_ms = start_ms + within_ms
        days = range(calendar.day(start_ms), calendar.day(end_ms) + 1)
        return end_ms, days, conversion.whole_hour_ms(end_ms)

    def add(
        active: Edges, using: Edges, name: str, start_ms: int | None, sign: int, into: Cells
    ) -> None:
        """What a user contributes to one launch, times a sign."""
        if start_ms is None:
            return
        end_ms, days, mature_ms = window(start_ms)
        if not _any(active, days, start_ms, end_ms):
            return
        tally = tally_key(row.id, f"{row.each_name}={name}", ALL)
        into[tally, conversion.ALL_SUBJECTS, days.start, mature_ms] += sign
        if _any(using, days, start_ms, end_ms):
            into[tally, conversion.SUCCESSES, days.start, mature_ms] += sign

    def difference(old: Values, new: Values, moves: Moves, into: Cells) -> None:
        known: Mapping[str, int] = old[place] or {}
        found: Mapping[str, int] = new[place] or {}
        if not known and not found:
            return
        before, after = old[used] or {}, new[used] or {}
        was, now = DayEdges.days(old[among]), DayEdges.days(new[among])
        changed = range(0) if old[among] is new[among] else _changed(was, now)
        for name in known.keys() | found.keys():
            was_ms, now_ms = known.get(name), found.get(name)
            used_before, used_after = before.get(name), after.get(name)
            if was_ms == now_ms is not None and used_before is used_after:
                _, days, _ = window(now_ms)
                if days.stop <= changed.start or changed.stop <= days.start:
                    continue  # as for most: they were long ago
            add(was, DayEdges.days(used_before), name, was_ms, -1, into)
            add(now, DayEdges.days(used_after), name, now_ms, +1, into)

    return Part(frozenset({place, among, used}), difference)


def _changed(before: Edges, after: Edges) -> range:
    """The days from the first one to the last one that are not as they were."""
    days = [day for day in before.keys() | after.keys() if before.get(day) != after.get(day)]
    return range(min(days), max(days) + 1) if days else range(0)


def _any(edges: Edges, days: range, start_ms: int, end_ms: int) -> bool:
    """True if something happened in [start, end), which is longer than a day.

    So of a day that reaches out of it at one end, the first or the last instant tells.
    """
    there = filter(days.__contains__, edges) if len(edges) < len(days) else filter(edges.get, days)
    return any(
        start_ms <= first < end_ms or start_ms <= last < end_ms
        for first, last in map(edges.__getitem__, there)
    )

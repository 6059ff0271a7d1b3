"""The latest name of a fact that a person has, such as its role, as accounts learn it from users.

Whatever account such a fact names, the person has it everywhere. Only users sees all of a person,
so it tells accounts, over the way by which it tells whose a leaf is.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.conditions import Different, parts_of
from schemas.row_forms.people import DistinctRow, ShareRow
from schemas.rows import Row
from schemas.selectors import FactSelector
from streams.calendar import Calendar
from streams.measures.kinds import Change
from streams.measures.of_subjects import Measures, Values
from streams.measures.told_names import Names


class Asked(NamedTuple):
    """Facts of which accounts have to know the latest name, and since when they count."""

    kpi: str
    facts: FactSelector
    active: FactSelector
    """Who never had such a fact in an account is not told of there."""
    since_ms: int | None


def asked_names(rows: Iterable[Row]) -> tuple[Asked, ...]:
    """Those that rows ask for."""
    return tuple(
        Asked(row.id, each.different, row.facts, row.since_ms())
        for row in rows
        if isinstance(row, DistinctRow | ShareRow)
        for condition in ((row.when,) if isinstance(row, DistinctRow) else (row.base, row.passes))
        for each in parts_of(condition)
        if isinstance(each, Different)
    )


class LatestNames:
    """The latest names of a person over all accounts, by its measures."""

    def __init__(self, asked: Sequence[Asked], measures: Measures, calendar: Calendar) -> None:
        """`measures`: of a person or a member, to which this adds what it needs."""
        self._calendar = calendar
        self._slots = [measures.timeline_by_name(each.facts, each.since_ms) for each in asked]
        self.slots_of: dict[str, frozenset[int]] = {}
        """The measures that each row reads."""
        for each, slot in zip(asked, self._slots, strict=True):
            present = measures.first(each.active, each.since_ms)
            self.slots_of[each.kpi] = self.slots_of.get(each.kpi, frozenset()) | {slot, present}
        self.slots = frozenset[int]().union(*self.slots_of.values())

    def __bool__(self) -> bool:
        return bool(self._slots)

    def of(self, values: Values) -> tuple[Names, ...]:
        """For each of `asked`; () where a person has none at all."""
        found = tuple(self._names(values[slot] or {}) for slot in self._slots)
        return found if any(found) else ()

    def _names(self, timelines: dict[str, list[Change]]) -> Names:
        told = sorted((*c[:2], name) for name, changes in timelines.items() for c in changes)
        at_end = {self._calendar.day(ms): name for ms, _, name in told}
        names: list[tuple[int, str]] = []
        for day, name in at_end.items():
            if not names or names[-1][1] != name:
                names.append((day, name))
        return tuple(names)

"""What an account has by a fact, such as an add-on that it bought, and that its users know of it.

A row about users who have something through an account needs both in one place: users, where a
person over all accounts counts once. So an account tells each of its users what it has, by facts
that replace what it told before. What a member was told is part of its state, and only the
difference is told.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.batches import FactOfEvent
from schemas.row_forms.people import EntitledRow
from schemas.rows import Row
from streams.measures.entitled import Had, Told
from streams.measures.kinds import FirstFact
from streams.measures.of_subjects import Measures, Values


class News(NamedTuple):
    """What a member has to be told: see `Told.fact`."""

    fact: FactOfEvent
    ms: int
    value: int


class _Place(NamedTuple):
    """Slots: of an account what it has, of its members what they were told, and when they acted."""

    had: int
    told: int
    active: int


class Entitlements:
    """What the accounts of a plan have, for the rows that ask for it."""

    def __init__(self, rows: Iterable[Row], measures: Measures) -> None:
        """`measures`: of a member, to which this adds what it needs."""
        self._measures = measures
        places = {
            row.id: _Place(
                measures.first_by_attribute(row.by, row.each_attribute, row.since_ms()),
                measures.told(row.by, row.each_attribute, row.since_ms()),
                measures.days_by_account(row.facts, row.since_ms()),
            )
            for row in rows
            if isinstance(row, EntitledRow)
        }
        self._places = tuple(places.values())
        self.slots_of = {id: frozenset(place) for id, place in places.items()}
        """The measures that each row reads."""
        self.slots = frozenset(place.had for place in self._places)
        """Measures of all members together that this reads."""

    def __bool__(self) -> bool:
        return bool(self._places)

    def changed(self, old: Values, new: Values) -> bool:
        """Whether an account has something else than before, by the measures of all its members."""
        return any(old[slot] is not new[slot] for slot in self.slots)

    def news(self, account: str, together: Values, member: Values) -> Iterator[News]:
        """What a member of an account has to be told. Members who did nothing need not know."""
        for place in self._places:
            if member[place.active] is None:
                continue
            firsts: dict[str, FirstFact] = together[place.had] or {}
            told: Had = (member[place.told] or {}).get(account, {})
            measure = self._measures.at(place.told, Told)
            for name in sorted(firsts.keys() | told.keys()):
                first = firsts.get(name)
                if first is None:
                    yield News(measure.fact(name), told[name], 0)
                elif told.get(name) != first[0]:
                    yield News(measure.fact(name), first[0], 1)

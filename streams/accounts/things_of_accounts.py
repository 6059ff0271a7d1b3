"""What an account tells the things that its facts name: that it has had a certain fact.

The facts of a thing, such as a lead, meet by its id, and those of its account elsewhere. What is
told follows from the measures of the account, so the difference of what they were and are is what
has to be told anew.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.batches import FactOfEvent
from schemas.fact_kinds import THING_KINDS
from schemas.keys import thing_key
from schemas.row_forms.standing import OpenRow
from schemas.rows import Row
from schemas.selectors import FactSelector
from streams.measures.entitled import Told
from streams.measures.kinds import FirstFact
from streams.measures.of_subjects import Measures, Values


class Word(NamedTuple):
    """What a thing has to be told: see `Told.fact`."""

    thing: str
    """Its key."""
    fact: FactOfEvent
    ms: int
    value: int


class _Place(NamedTuple):
    """Slots of an account: the first fact of each thing, and what the things wait for."""

    kind: str
    """Of the things."""
    named: int
    first: int
    fact: FactOfEvent


class ThingsOfAccounts:
    """What the accounts of a plan tell things, for the rows that ask for it."""

    def __init__(self, rows: Iterable[Row], measures: Measures) -> None:
        """`measures`: of a member, to which this adds what it needs."""
        self.slots_of: dict[str, frozenset[int]] = {}
        """The measures that each row reads."""
        self._places: list[_Place] = []
        for row in rows:
            if isinstance(row, OpenRow) and row.until_account is not None:
                first = measures.first(row.until_account, row.since_ms())
                fact = Told(row.until_account, "").fact("")
                self.slots_of[row.id] = frozenset({first})
                for kind in _kinds(row.opened):
                    named = measures.first_by_name(FactSelector(kind=kind), row.since_ms())
                    self.slots_of[row.id] |= {named}
                    self._places.append(_Place(kind, named, first, fact))
        self.slots = frozenset[int]().union(*self.slots_of.values())
        """Measures of all members together that this reads."""

    def __bool__(self) -> bool:
        return bool(self._places)

    def words(self, old: Values, new: Values) -> Iterator[Word]:
        """What things have to be told after an account with measures `old` has those of `new`."""
        for place in self._places:
            was, now = _since(place, old), _since(place, new)
            for name in sorted(was.keys() | now.keys()):
                if was.get(name) != now.get(name):
                    ms = now.get(name)
                    told = (was[name], 0) if ms is None else (ms, 1)
                    yield Word(thing_key(place.kind, name), place.fact, *told)


def _since(place: _Place, values: Values) -> dict[str, int]:
    """Name -> since when the account has both named the thing and had the fact (UTC ms)."""
    first: FirstFact | None = values[place.first]
    named: dict[str, FirstFact] = values[place.named] or {}
    return {} if first is None else {name: max(of[0], first[0]) for name, of in named.items()}


def _kinds(facts: FactSelector) -> tuple[str, ...]:
    kinds = (facts.kind,) if isinstance(facts.kind, str) else facts.kind
    return tuple(kind for kind in kinds if kind in THING_KINDS)

"""What an account knows of its users one by one: who came when, in the order of their instants, and
how often on each day.

A person that changes takes its own entries away and adds others; the members are never scanned.
What comes of it stands among the measures of the account, in places that are found and not saved.
"""

from bisect import bisect_left, insort
from collections.abc import Container, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.selectors import FactSelector
from streams.measures.by_days import DayCounts
from streams.measures.day_entries import NO_ENTRIES, DayEntries, Entry
from streams.measures.day_shares import NO_SHARES, DayShares
from streams.measures.kinds import Moment
from streams.measures.of_subjects import Measures, Values


class _Crowd(NamedTuple):
    measure: int
    """Of a person: the first instant of every day."""
    place: int
    """Of the account: DayEntries."""


class _Order(NamedTuple):
    measure: int
    """Of a person: when something happened first."""
    place: int
    """Of the account: a tuple of the first entries."""
    n: int


class _Tally(NamedTuple):
    measure: int
    """Of a person: how many facts every day has."""
    place: int
    """Of the account: DayShares."""


class Gathering:
    """What one account has gathered."""

    def __init__(self, crowds: "Crowds") -> None:
        self.counted: list[dict[int, dict[str, int]]] = [{} for _ in crowds.tallies]
        """Of each tally by day: numbers of users that are not settled yet."""
        self.orders: list[list[Entry]] = [[] for _ in crowds.orders]
        self.moved: list[dict[int, tuple[set[Entry], set[Entry]]]] = [{} for _ in crowds.crowds]
        """Of each crowd by day: entries taken away and added, not settled yet."""
        self.unsettled = False


class Crowds:
    """The crowds and orders that rows about accounts ask for."""

    def __init__(self, measures: Measures) -> None:
        """`measures`: of a member, to which this adds what it needs."""
        self._measures = measures
        self.crowds: list[_Crowd] = []
        self.orders: list[_Order] = []
        self.tallies: list[_Tally] = []

    @property
    def slots(self) -> frozenset[int]:
        """Measures of a member of which an account hears."""
        return frozenset(each.measure for each in self._all())

    @property
    def places(self) -> frozenset[int]:
        """Where an account finds what it has gathered."""
        return frozenset(each.place for each in self._all())

    def _all(self) -> tuple[_Crowd | _Order | _Tally, ...]:
        return (*self.crowds, *self.orders, *self.tallies)

    def gathered(self) -> Iterator[tuple[int, int]]:
        """Measures of a member, and where the account finds what it has gathered of them."""
        yield from ((each.measure, each.place) for each in self._all())

    def came(self, facts: FactSelector, since_ms: int | None) -> int:
        """The place of who came when on each day."""
        measures = self._measures
        crowd = _Crowd(
            measures.day_firsts(facts, since_ms), measures.found("crowd", [facts], since_ms)
        )
        if crowd not in self.crowds:
            self.crowds.append(crowd)
        return crowd.place

    def shares(self, facts: FactSelector, since_ms: int | None) -> int:
        """The place of how many facts each user, and nobody, made on each day."""
        measures = self._measures
        tally = _Tally(
            measures.day_counts(facts, since_ms), measures.found("shares", [facts], since_ms)
        )
        if tally not in self.tallies:
            self.tallies.append(tally)
        return tally.place

    def firsts(self, facts: FactSelector, n: int, since_ms: int | None) -> int:
        """The place of the first n users that ever had such a fact."""
        measures = self._measures
        place = measures.found(f"first {n} users", [facts], since_ms)
        order = _Order(measures.first_reaching(facts, since_ms), place, n)
        if order not in self.orders:
            self.orders.append(order)
        return place

    def replace(self, into: Gathering, root: str, old: Values, new: Values) -> None:
        """Takes away what a person with measures `old` brought, adds what one with `new` does.

        `root` '': what facts without a user brought.
        """
        for tally, counted in zip(self.tallies, into.counted, strict=True):
            if old[tally.measure] is not new[tally.measure]:
                into.unsettled = True
                was, now = (DayCounts.days(values[tally.measure]) for values in (old, new))
                for day in was.keys() | now.keys():
                    if was.get(day) != now.get(day):
                        counted.setdefault(day, {})[root] = now.get(day, 0)
        if not root:
            return
        for crowd, moved in zip(self.crowds, into.moved, strict=True):
            was, now = old[crowd.measure], new[crowd.measure]
            if was is not now:
                into.unsettled = True
                _move(moved, root, was or {}, now or {})
        for order, entries in zip(self.orders, into.orders, strict=True):
            if old[order.measure] is not new[order.measure]:
                into.unsettled = True
                left = self._entry(order, old, root)
                came = self._entry(order, new, root)
                if left is not None:
                    del entries[bisect_left(entries, left)]
                if came is not None:
                    insort(entries, came)

    def _entry(self, order: _Order, values: Values, root: str) -> Entry | None:
        measure = self._measures.reaching_at(order.measure)
        moment: Moment | None = measure.first(values[order.measure])
        return moment and (moment[0], root)

    def forget(self, found: list[Any], measures: Container[int], before: int) -> None:
        """Drops what has been gathered of these measures before a day."""
        gathered = [*((c.measure, c.place) for c in self.crowds)]
        gathered += [(tally.measure, tally.place) for tally in self.tallies]
        for measure, place in gathered:
            if measure in measures and found[place] is not None:
                found[place] = found[place].since(before)

    def settle(self, gathering: Gathering, found: list[Any]) -> None:
        """Puts what has been gathered into its places among the measures of the account."""
        for tally, counted in zip(self.tallies, gathering.counted, strict=True):
            if counted:
                shares: DayShares = found[tally.place] or NO_SHARES
                found[tally.place] = shares.changed(counted)
                counted.clear()
        for crowd, moved in zip(self.crowds, gathering.moved, strict=True):
            if moved:
                entries: DayEntries = found[crowd.place] or NO_ENTRIES
                found[crowd.place] = entries.changed(
                    {day: _after(entries.days.get(day, ()), *of) for day, of in moved.items()}
                )
                moved.clear()
        for order, came in zip(self.orders, gathering.orders, strict=True):
            first = tuple(came[: order.n])
            if first != found[order.place]:
                found[order.place] = first
        gathering.unsettled = False


def _move(
    moved: dict[int, tuple[set[Entry], set[Entry]]],
    root: str,
    was: dict[int, int],
    now: dict[int, int],
) -> None:
    for day in was.keys() | now.keys():
        before, after = was.get(day), now.get(day)
        if before == after:
            continue
        gone, come = moved.setdefault(day, (set(), set()))
        if before is not None:
            come.discard((before, root))
            gone.add((before, root))
        if after is not None:
            gone.discard((after, root))
            come.add((after, root))


def _after(entries: Sequence[Entry], gone: set[Entry], come: set[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted({*entries} - gone | come))

"""Measures by days: when a subject was active, and what each day had first, last, or how often."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

from schemas.selectors import FactSelector
from streams.calendar import Calendar
from streams.measures.active_days import ActiveDays
from streams.measures.day_entries import NO_ENTRIES, DayEntries, Entry
from streams.measures.kinds import ALL, Counting, Fact, Open, WholeFact, is_above, whole, whole_of

CountsValue = tuple[dict[int, int], int, int]
EdgesValue = tuple[dict[int, tuple[int, int]], int, int, int]

COUNTED = "counted"
"""The kind of facts that say how many others there were of a day; the name is whose count it is."""


OfDay = TypeVar("OfDay")


def since(days: dict[int, OfDay], first: int) -> dict[int, OfDay] | None:
    """What there is of a day and later ones: the same object if that is all; None of nothing."""
    if all(day >= first for day in days):
        return days
    return {day: of for day, of in days.items() if day >= first} or None


class Days:
    """Active days, in all and per segment: `{segment: ActiveDays}`, `all` being everything."""

    def __init__(self, facts: FactSelector, calendar: Calendar) -> None:
        self.selectors = (facts,)
        self._calendar = calendar

    def add(self, value: dict[str, ActiveDays] | None, fact: Fact) -> dict[str, ActiveDays]:
        day, segments = fact.day, fact.segments
        if value is None:
            first = ActiveDays(day)
            return dict.fromkeys((ALL, *segments), first)
        if value[ALL].has(day) and (
            not segments or all(s in value and value[s].has(day) for s in segments)
        ):
            return value
        found = value.copy()
        for segment in (ALL, *segments):
            days = value.get(segment)
            found[segment] = ActiveDays(day) if days is None else days.with_day(day, self._calendar)
        return found

    def closed(self, value: dict[str, ActiveDays] | None, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[dict[str, ActiveDays] | None]) -> dict[str, ActiveDays] | None:
        present = [v for v in values if v is not None]
        segments = dict.fromkeys(s for v in present for s in v)
        merged = {
            s: ActiveDays.union([v[s] for v in present if s in v], self._calendar) for s in segments
        }
        return {s: days for s, days in merged.items() if days is not None} or None

    def forget(self, value: dict[str, ActiveDays], before: int) -> dict[str, ActiveDays]:
        kept = {s: days.without(before, self._calendar) for s, days in value.items()}
        return value if all(kept[s] is days for s, days in value.items()) else kept

    def packed(self, value: dict[str, ActiveDays] | None) -> Any:
        return value and {s: days.packed() for s, days in value.items()}

    def unpacked(self, data: Any) -> dict[str, ActiveDays] | None:
        return data and {s: ActiveDays.unpacked(*packed) for s, packed in data.items()}


class DaysByName:
    """Active days of each name: `{name: ActiveDays}`."""

    def __init__(self, facts: FactSelector, calendar: Calendar) -> None:
        self.selectors = (facts,)
        self._calendar = calendar

    def _name(self, fact: Fact) -> str:
        return fact.name or ""

    def add(self, value: dict[str, ActiveDays] | None, fact: Fact) -> dict[str, ActiveDays]:
        name, day = self._name(fact), fact.day
        days = value.get(name) if value is not None else None
        if value is not None and days is not None and days.has(day):
            return value
        now = ActiveDays(day) if days is None else days.with_day(day, self._calendar)
        return {**(value or {}), name: now}

    def closed(self, value: dict[str, ActiveDays] | None, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[dict[str, ActiveDays] | None]) -> dict[str, ActiveDays] | None:
        present = [v for v in values if v is not None]
        names = dict.fromkeys(name for v in present for name in v)
        merged = {
            name: ActiveDays.union([v[name] for v in present if name in v], self._calendar)
            for name in names
        }
        return {name: days for name, days in merged.items() if days is not None} or None

    def forget(self, value: dict[str, ActiveDays], before: int) -> dict[str, ActiveDays] | None:
        """Names that were not met since go: nobody asks whether they ever were."""
        kept = {
            name: days.without(before, self._calendar)
            for name, days in value.items()
            if days.last >= before
        }
        same = len(kept) == len(value) and all(kept[name] is value[name] for name in kept)
        return value if same else kept or None

    def packed(self, value: dict[str, ActiveDays] | None) -> Any:
        return value and {name: days.packed() for name, days in value.items()}

    def unpacked(self, data: Any) -> dict[str, ActiveDays] | None:
        return data and {name: ActiveDays.unpacked(*packed) for name, packed in data.items()}


class DaysByAccount(DaysByName):
    """Active days in each account: `{account key: ActiveDays}`; '' where events named none."""

    def _name(self, fact: Fact) -> str:
        return fact.moment[2]


class LatestOfDays(Open):
    """The latest fact of every day, with what it carries: `{day: (..., attributes, value)}`."""

    def __init__(self, facts: FactSelector, *, valued: bool) -> None:
        """`valued`: facts without a value are passed over."""
        self.selectors = (facts,)
        self._valued = valued

    def add(self, value: dict[int, WholeFact] | None, fact: Fact) -> dict[int, WholeFact] | None:
        if (self._valued and fact.value is None) or not is_above(self.selectors[0], fact):
            return value
        known = None if value is None else value.get(fact.day)
        if known is not None and known[:2] >= fact.moment[:2]:
            return value
        return {**(value or {}), fact.day: whole(fact)}

    def merge(self, values: Sequence[dict[int, WholeFact] | None]) -> dict[int, WholeFact] | None:
        merged: dict[int, WholeFact] = {}
        for value in values:
            for day, fact in (value or {}).items():
                known = merged.get(day)
                if known is None or known[:2] < fact[:2]:
                    merged[day] = fact
        return merged or None

    def forget(self, value: dict[int, WholeFact], before: int) -> dict[int, WholeFact] | None:
        return since(value, before)

    def packed(self, value: dict[int, WholeFact] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> dict[int, WholeFact] | None:
        return data and {day: whole_of(fact) for day, fact in data.items()}


class DayEdges(Open):
    """The first and the last instant of every active day: `(older days, day, first, last)`.

    The newest day stands by itself, so that another fact of it copies no other day.
    """

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    def add(self, value: EdgesValue | None, fact: Fact) -> EdgesValue:
        time_ms, day = fact.moment[0], fact.day
        if value is None:
            return {}, day, time_ms, time_ms
        older, newest, first, last = value
        if day == newest:
            if first <= time_ms <= last:
                return value
            return (older, day, time_ms, last) if time_ms < first else (older, day, first, time_ms)
        if day > newest:
            return {**older, newest: (first, last)}, day, time_ms, time_ms
        known = older.get(day)
        if known is not None and known[0] <= time_ms <= known[1]:
            return value
        edges = _both((time_ms, time_ms), known)
        return {**older, day: edges}, newest, first, last

    def merge(self, values: Sequence[EdgesValue | None]) -> EdgesValue | None:
        merged: dict[int, tuple[int, int]] = {}
        for value in values:
            for day, edges in self.days(value).items():
                merged[day] = _both(edges, merged.get(day))
        if not merged:
            return None
        newest = max(merged)
        first, last = merged.pop(newest)
        return merged, newest, first, last

    @staticmethod
    def days(value: EdgesValue | None) -> dict[int, tuple[int, int]]:
        """(first, last) of every day, in UTC ms."""
        if value is None:
            return {}
        older, newest, first, last = value
        return {**older, newest: (first, last)}

    def forget(self, value: EdgesValue, before: int) -> EdgesValue:
        """The latest day before it stays: since when there was silence follows from it."""
        older, newest, first, last = value
        latest = max((day for day in older if day < before), default=before)
        kept = since(older, latest if newest >= before else before) or {}
        return value if kept is older or len(kept) == len(older) else (kept, newest, first, last)

    def packed(self, value: EdgesValue | None) -> Any:
        return value

    def unpacked(self, data: Any) -> EdgesValue | None:
        if data is None:
            return None
        older, newest, first, last = data
        return {day: (edges[0], edges[1]) for day, edges in older.items()}, newest, first, last


def _both(edges: tuple[int, int], others: tuple[int, int] | None) -> tuple[int, int]:
    if others is None:
        return edges
    return min(edges[0], others[0]), max(edges[1], others[1])


class DayFirsts:
    """The first instant of every day that has such a fact: `{day: UTC ms}`."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    def add(self, value: dict[int, int] | None, fact: Fact) -> dict[int, int] | None:
        time_ms, day = fact.moment[0], fact.day
        known = None if value is None else value.get(day)
        if (known is not None and known <= time_ms) or not is_above(self.selectors[0], fact):
            return value
        return {**(value or {}), day: time_ms}

    def closed(self, value: dict[int, int] | None, fact: Fact) -> bool:
        return self.selectors[0].above is None

    def merge(self, values: Sequence[dict[int, int] | None]) -> dict[int, int] | None:
        merged: dict[int, int] = {}
        for value in values:
            for day, time_ms in (value or {}).items():
                merged[day] = min(time_ms, merged.get(day, time_ms))
        return merged or None

    def forget(self, value: dict[int, int], before: int) -> dict[int, int] | None:
        return since(value, before)

    def packed(self, value: dict[int, int] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> dict[int, int] | None:
        return data or None


class FirstsOfDay:
    """The first so many facts of every day, by instant and event id."""

    def __init__(self, facts: FactSelector, n: int) -> None:
        self.selectors = (facts,)
        self._n = n

    def add(self, value: DayEntries | None, fact: Fact) -> DayEntries | None:
        entry = fact.moment[:2]
        known = value.days.get(fact.day, ()) if value is not None else ()
        if (len(known) == self._n and known[-1] <= entry) or entry in known:
            return value
        if not is_above(self.selectors[0], fact):
            return value
        entries = (*known, entry)
        if known and entry < known[-1]:
            entries = tuple(sorted(entries)[: self._n])
        return (value or NO_ENTRIES).changed({fact.day: entries})

    def closed(self, value: DayEntries | None, fact: Fact) -> bool:
        known = value.days.get(fact.day, ()) if value is not None else ()
        return len(known) == self._n and known[-1] <= fact.moment[:2]

    def merge(self, values: Sequence[DayEntries | None]) -> DayEntries | None:
        merged: dict[int, set[Entry]] = {}
        for value in values:
            for day, entries in value.days.items() if value is not None else ():
                merged.setdefault(day, set()).update(entries)
        first = {day: tuple(sorted(entries)[: self._n]) for day, entries in merged.items()}
        return DayEntries(first) if first else None

    def forget(self, value: DayEntries, before: int) -> DayEntries | None:
        return value.since(before)

    def packed(self, value: DayEntries | None) -> Any:
        return value and value.days

    def unpacked(self, data: Any) -> DayEntries | None:
        return data and DayEntries({day: tuple(map(tuple, of)) for day, of in data.items()})


class DayCounts(Counting):
    """How many such facts every day has: `(older days, newest day, its facts)`."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)
        self._has_bounds = facts.above is not None or facts.or_ is not None

    def add(self, value: CountsValue | None, fact: Fact) -> CountsValue | None:
        if self._has_bounds and not is_above(self.selectors[0], fact):
            return value
        return _with(value, fact.day, 1)

    def merge(self, values: Sequence[CountsValue | None]) -> CountsValue | None:
        merged: Counter[int] = Counter()
        for value in values:
            merged.update(self.days(value))
        if not merged:
            return None
        newest = max(merged)
        n = merged.pop(newest)
        return dict(merged), newest, n

    def forget(self, value: CountsValue, before: int) -> CountsValue | None:
        older, newest, n = value
        if newest < before:
            return None
        kept = since(older, before)
        return value if kept is older or not older else (kept or {}, newest, n)

    @staticmethod
    def days(value: CountsValue | None) -> dict[int, int]:
        if value is None:
            return {}
        older, newest, n = value
        return {**older, newest: n}

    def packed(self, value: CountsValue | None) -> Any:
        return value

    def unpacked(self, data: Any) -> CountsValue | None:
        return data and (data[0], data[1], data[2])


def _with(value: CountsValue | None, day: int, more: int) -> CountsValue:
    """Counts with so many more facts of a day."""
    if value is None:
        return {}, day, more
    older, newest, n = value
    if day == newest:
        return older, day, n + more
    if day > newest:
        return {**older, newest: n}, day, more
    return {**older, day: older.get(day, 0) + more}, newest, n


class DayTotals(DayCounts):
    """The same of facts that were counted elsewhere and come as numbers of a day."""

    def __init__(self, id: str) -> None:
        """`id`: of the count."""
        super().__init__(FactSelector(kind=COUNTED, name=id))

    def add(self, value: CountsValue | None, fact: Fact) -> CountsValue | None:
        return _with(value, fact.day, fact.value or 0)


class CountsByMonth(Counting):
    """How many facts of each name there were in each month: `{name: {month: n}}`.

    Like all that is added up it counts twice what comes twice: duplicates have to end before it.
    """

    def __init__(self, facts: FactSelector, calendar: Calendar) -> None:
        self.selectors = (facts,)
        self._month = calendar.month

    def add(
        self, value: dict[str, dict[int, int]] | None, fact: Fact
    ) -> dict[str, dict[int, int]] | None:
        if not is_above(self.selectors[0], fact):
            return value
        name, month = fact.name or "", self._month(fact.day)
        known = (value or {}).get(name, {})
        return {**(value or {}), name: {**known, month: known.get(month, 0) + 1}}

    def merge(
        self, values: Sequence[dict[str, dict[int, int]] | None]
    ) -> dict[str, dict[int, int]] | None:
        merged: dict[str, dict[int, int]] = {}
        for value in values:
            for name, months in (value or {}).items():
                of_name = merged.setdefault(name, {})
                for month, n in months.items():
                    of_name[month] = of_name.get(month, 0) + n
        return merged or None

    def forget(
        self, value: dict[str, dict[int, int]], before: int
    ) -> dict[str, dict[int, int]] | None:
        kept = {name: since(months, self._month(before)) for name, months in value.items()}
        if all(kept[name] is months for name, months in value.items()):
            return value
        return {name: months for name, months in kept.items() if months} or None

    def packed(self, value: dict[str, dict[int, int]] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> dict[str, dict[int, int]] | None:
        return data  # type: ignore[no-any-return]

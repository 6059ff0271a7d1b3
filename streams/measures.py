"""Measures: all the state that a subject has, shared by every KPI that reads it.

A measure is a set, a minimum or a bit mask per subject, so facts may come in any order and any
number of times. Values never change: `add` returns a new one, or the very same object if the fact
is no news, so that what a subject was before and is now can be kept and compared by identity.
`merge` folds the values of several raw ids into those of one person. Values are None while empty.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

import msgspec

from schemas.batches import Attributes
from schemas.selectors import FactSelector
from streams.active_days import ActiveDays
from streams.calendar import Calendar
from streams.day_entries import NO_ENTRIES, DayEntries, Entry

Moment = tuple[int, str, str]
"""Time (UTC ms), event id, account key ('' if none); moments order by time, then id."""
FirstFact = tuple[int, str, str, tuple[str, ...]]
WholeFact = tuple[int, str, str, tuple[str, ...], Attributes, int | None]
CountsValue = tuple[dict[int, int], int, int]
EdgesValue = tuple[dict[int, tuple[int, int]], int, int, int]
Change = tuple[int, str, int | None, Attributes]
"""Time (UTC ms), event id, value, attributes."""
ChainValue = tuple[int | None, dict[str, list[Moment]]]

ALL = "all"
"""The segment of everybody."""

MOMENTS_BEFORE_ANCHOR_MAX = 64


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What an event means: one of these per meaning."""

    kind: str
    name: str | None
    moment: Moment
    day: int
    """The local day that holds the moment."""
    segments: tuple[str, ...]
    """`dimension=value` of every dimension of the plan."""
    attributes: Attributes = ()
    value: int | None = None


class Measure(Protocol):
    """One kind of state of a subject; its values are opaque to everybody else."""

    @property
    def selectors(self) -> tuple[FactSelector, ...]:
        """The facts it reads."""
        ...

    def add(self, value: Any, fact: Fact) -> Any:
        """The value with the fact in it; the same object if that changes nothing."""
        ...

    def closed(self, value: Any, fact: Fact) -> bool:
        """True if no later fact of the same day, name and segments would change anything."""
        ...

    def merge(self, values: Sequence[Any]) -> Any:
        """The value of all of them together, as a new one."""
        ...

    def packed(self, value: Any) -> Any:
        """The value in types that msgpack has."""
        ...

    def unpacked(self, data: Any) -> Any: ...


class Reaching(Measure, Protocol):
    """A measure that knows instants at which something was reached."""

    def first(self, value: Any) -> Moment | None:
        """The first ever."""
        ...

    def reached(self, value: Any, anchor_ms: int) -> Moment | None:
        """The first at or after an instant."""
        ...


def reads(facts: FactSelector, kind: str, name: str | None, attributes: Attributes = ()) -> bool:
    """True if a selector takes such facts."""
    return _reads(facts, kind, name, attributes) or (
        facts.or_ is not None and reads(facts.or_, kind, name, attributes)
    )


def _reads(facts: FactSelector, kind: str, name: str | None, attributes: Attributes) -> bool:
    if kind != facts.kind if isinstance(facts.kind, str) else kind not in facts.kind:
        return False
    if facts.where and not _has(dict(attributes), facts.where):
        return False
    if facts.name is None:
        return True
    return name == facts.name if isinstance(facts.name, str) else name in facts.name


def takes(facts: FactSelector, fact: Fact) -> bool:
    """True if a selector takes this very fact."""
    return (
        _reads(facts, fact.kind, fact.name, fact.attributes)
        and (facts.above is None or (fact.value is not None and fact.value > facts.above))
    ) or (facts.or_ is not None and takes(facts.or_, fact))


def is_above(facts: FactSelector, fact: Fact) -> bool:
    """True unless the selector asks for greater values than the fact has."""
    if facts.or_ is not None:
        return takes(facts, fact)
    return facts.above is None or (fact.value is not None and fact.value > facts.above)


def _has(attributes: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """True if each attribute has its value, or one of its values, in JSON's sense of the same."""
    return all(
        any(
            attribute in attributes
            and attributes[attribute] == value
            and isinstance(attributes[attribute], bool) == isinstance(value, bool)
            for value in (wanted if isinstance(wanted, tuple) else (wanted,))
        )
        for attribute, wanted in where.items()
    )


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

    def packed(self, value: dict[str, ActiveDays] | None) -> Any:
        return value and {s: days.packed() for s, days in value.items()}

    def unpacked(self, data: Any) -> dict[str, ActiveDays] | None:
        return data and {s: ActiveDays.unpacked(*packed) for s, packed in data.items()}


class DaysByName:
    """Active days of each name: `{name: ActiveDays}`."""

    def __init__(self, facts: FactSelector, calendar: Calendar) -> None:
        self.selectors = (facts,)
        self._calendar = calendar

    def add(self, value: dict[str, ActiveDays] | None, fact: Fact) -> dict[str, ActiveDays]:
        name, day = fact.name or "", fact.day
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

    def packed(self, value: dict[str, ActiveDays] | None) -> Any:
        return value and {name: days.packed() for name, days in value.items()}

    def unpacked(self, data: Any) -> dict[str, ActiveDays] | None:
        return data and {name: ActiveDays.unpacked(*packed) for name, packed in data.items()}


class First:
    """The first fact ever: `(time_ms, id, account, segments)`."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    def add(self, value: Any, fact: Fact) -> Any:
        moment = fact.moment
        if value is not None and value[:2] <= moment[:2]:
            return value
        if not is_above(self.selectors[0], fact):
            return value
        return self._kept(fact)

    def _kept(self, fact: Fact) -> Any:
        return (*fact.moment, fact.segments)

    def closed(self, value: FirstFact | None, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[Any]) -> Any:
        return min((v for v in values if v is not None), default=None)

    def packed(self, value: FirstFact | None) -> Any:
        return value

    def unpacked(self, data: Any) -> Any:
        return data and (data[0], data[1], data[2], tuple(data[3]))

    def first(self, value: FirstFact | None) -> Moment | None:
        return value and value[:3]

    def reached(self, value: FirstFact | None, anchor_ms: int) -> Moment | None:
        return value[:3] if value is not None and value[0] >= anchor_ms else None


class FirstWhole(First):
    """The first fact ever, with what it carries: `(..., segments, attributes, value)`."""

    def _kept(self, fact: Fact) -> WholeFact:
        return whole(fact)

    def unpacked(self, data: Any) -> Any:
        return data and _whole_of(data)


def whole(fact: Fact) -> WholeFact:
    """A fact with what it carries."""
    return (*fact.moment, fact.segments, fact.attributes, fact.value)


def _whole_of(data: Any) -> WholeFact:
    """The same, as it was packed."""
    time_ms, id, account, segments, attributes, value = data
    kept = tuple((name, of) for name, of in attributes)
    return time_ms, id, account, tuple(segments), kept, value


class LatestOfDays:
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

    def closed(self, value: dict[int, WholeFact] | None, fact: Fact) -> bool:
        return False

    def merge(self, values: Sequence[dict[int, WholeFact] | None]) -> dict[int, WholeFact] | None:
        merged: dict[int, WholeFact] = {}
        for value in values:
            for day, fact in (value or {}).items():
                known = merged.get(day)
                if known is None or known[:2] < fact[:2]:
                    merged[day] = fact
        return merged or None

    def packed(self, value: dict[int, WholeFact] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> dict[int, WholeFact] | None:
        return data and {day: _whole_of(fact) for day, fact in data.items()}


class DayEdges:
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
            return older, day, min(first, time_ms), max(last, time_ms)
        if day > newest:
            return {**older, newest: (first, last)}, day, time_ms, time_ms
        known = older.get(day)
        if known is not None and known[0] <= time_ms <= known[1]:
            return value
        edges = _both((time_ms, time_ms), known)
        return {**older, day: edges}, newest, first, last

    def closed(self, value: EdgesValue | None, fact: Fact) -> bool:
        return False

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
        entries = tuple(sorted((*known, entry))[: self._n])
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

    def packed(self, value: DayEntries | None) -> Any:
        return value and value.days

    def unpacked(self, data: Any) -> DayEntries | None:
        return data and DayEntries({day: tuple(map(tuple, of)) for day, of in data.items()})


class Counting:
    """A measure that a fact must not come to twice."""


class DayCounts(Counting):
    """How many such facts every day has: `(older days, newest day, its facts)`."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    def add(self, value: CountsValue | None, fact: Fact) -> CountsValue | None:
        if not is_above(self.selectors[0], fact):
            return value
        day = fact.day
        if value is None:
            return {}, day, 1
        older, newest, n = value
        if day == newest:
            return older, day, n + 1
        if day > newest:
            return {**older, newest: n}, day, 1
        return {**older, day: older.get(day, 0) + 1}, newest, n

    def closed(self, value: CountsValue | None, fact: Fact) -> bool:
        return False

    def merge(self, values: Sequence[CountsValue | None]) -> CountsValue | None:
        merged: Counter[int] = Counter()
        for value in values:
            merged.update(self.days(value))
        if not merged:
            return None
        newest = max(merged)
        n = merged.pop(newest)
        return dict(merged), newest, n

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


class Timeline:
    """Every fact of a kind, in order: what holds at an instant is the latest one before it."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    def add(self, value: Any, fact: Fact) -> Any:
        if not is_above(self.selectors[0], fact):
            return value
        moment, known = fact.moment[:2], value or []
        at = bisect_left(known, moment, key=itemgetter(0, 1))
        if at < len(known) and known[at][:2] == moment:
            return known
        return [*known[:at], self._kept(fact), *known[at:]]

    def _kept(self, fact: Fact) -> Any:
        return (*fact.moment[:2], fact.value, fact.attributes)

    def closed(self, value: Any, fact: Fact) -> bool:
        return False

    def merge(self, values: Sequence[Any]) -> Any:
        changes = {change[:2]: change for value in values for change in value or ()}
        return [changes[moment] for moment in sorted(changes)] or None

    def packed(self, value: Any) -> Any:
        return value

    def unpacked(self, data: Any) -> Any:
        return data and [
            (time_ms, id, value, tuple((name, of) for name, of in attributes))
            for time_ms, id, value, attributes in data
        ]


class WholeTimeline(Timeline):
    """Every fact of a kind, in order, with what it carries: `(..., segments, attributes, value)`.

    For kinds of which a subject has few.
    """

    def _kept(self, fact: Fact) -> WholeFact:
        return whole(fact)

    def unpacked(self, data: Any) -> Any:
        return data and [_whole_of(fact) for fact in data]


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

    def closed(self, value: dict[str, dict[int, int]] | None, fact: Fact) -> bool:
        return False

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

    def packed(self, value: dict[str, dict[int, int]] | None) -> Any:
        return value

    def unpacked(self, data: Any) -> dict[str, dict[int, int]] | None:
        return data  # type: ignore[no-any-return]


class Chain:
    """Moments of the end facts, enough of them to find the first at or after the anchor.

    The value is `(anchor time or None, {name: sorted moments})`. The anchor may still move to an
    earlier time, so all moments before it are kept too, and the first at or after it; nothing later
    can ever be the answer. Before an anchor is known, and in front of it, at most 64 are kept.
    """

    def __init__(self, anchor: FactSelector, end: FactSelector, *, by_name: bool = False) -> None:
        self.selectors = (anchor, end)
        self._anchor, self._end, self._by_name = anchor, end, by_name

    def _is_end(self, fact: Fact) -> bool:
        return takes(self._end, fact)

    def _is_anchor(self, fact: Fact) -> bool:
        return takes(self._anchor, fact)

    def _name(self, fact: Fact) -> str:
        return (fact.name or "") if self._by_name else ""

    def add(self, value: ChainValue | None, fact: Fact) -> ChainValue:
        anchor_ms, chains = value if value is not None else (None, {})
        earlier = self._is_anchor(fact) and (anchor_ms is None or fact.moment[0] < anchor_ms)
        later = self._is_end(fact) and self._is_news(anchor_ms, chains, fact)
        if not earlier and not later and value is not None:
            return value
        found = {name: moments[:] for name, moments in chains.items()}
        if earlier:
            anchor_ms = fact.moment[0]
            for moments in found.values():
                _cut(moments, anchor_ms)
        if later:
            moments = found.setdefault(self._name(fact), [])
            insort(moments, fact.moment)
            _cut(moments, anchor_ms)
        return value if value == (anchor_ms, found) else (anchor_ms, found)

    def _is_news(self, anchor_ms: int | None, chains: dict[str, list[Moment]], fact: Fact) -> bool:
        moments, moment = chains.get(self._name(fact)), fact.moment
        if moments is None:
            return True
        last = moments[-1]
        if anchor_ms is not None and last[0] >= anchor_ms and moment > last:
            return False
        return moment not in moments

    def closed(self, value: ChainValue | None, fact: Fact) -> bool:
        if value is None or value[0] is None:
            return False
        if not self._is_end(fact):
            return True
        moments = value[1].get(self._name(fact))
        return moments is not None and value[0] <= moments[-1][0] and moments[-1] <= fact.moment

    def merge(self, values: Sequence[ChainValue | None]) -> ChainValue | None:
        present = [v for v in values if v is not None]
        if not present:
            return None
        anchor_ms = min((v[0] for v in present if v[0] is not None), default=None)
        merged: dict[str, list[Moment]] = {}
        for _, chains in present:
            for name, moments in chains.items():
                merged[name] = sorted({*merged.get(name, ()), *moments})
        for moments in merged.values():
            _cut(moments, anchor_ms)
        return anchor_ms, merged

    def packed(self, value: ChainValue | None) -> Any:
        return value

    def unpacked(self, data: Any) -> ChainValue | None:
        if data is None:
            return None
        anchor_ms, chains = data
        return anchor_ms, {name: [tuple(m) for m in moments] for name, moments in chains.items()}

    def first(self, value: ChainValue | None) -> Moment | None:
        return min((moments[0] for moments in value[1].values()), default=None) if value else None

    def reached(self, value: ChainValue | None, anchor_ms: int) -> Moment | None:
        found = self.reached_by_name(value, anchor_ms).values()
        return min(found, default=None)

    def reached_by_name(self, value: ChainValue | None, anchor_ms: int) -> dict[str, Moment]:
        """The first moment at or after an instant, of every name that has one."""
        if value is None:
            return {}
        return {
            name: moment
            for name, moments in value[1].items()
            if (moment := _at_or_after(moments, anchor_ms)) is not None
        }


def _at_or_after(moments: list[Moment], anchor_ms: int) -> Moment | None:
    return next((m for m in moments if m[0] >= anchor_ms), None)


def _cut(moments: list[Moment], anchor_ms: int | None) -> None:
    """Drops what can no longer be an answer."""
    at = bisect_left(moments, (anchor_ms,)) if anchor_ms is not None else len(moments)
    del moments[at + 1 :]
    del moments[MOMENTS_BEFORE_ANCHOR_MAX:at]


class ByName:
    """Another measure for each name of its facts: `{name: value}`."""

    def __init__(self, inner: Measure) -> None:
        self.selectors = inner.selectors
        self.inner = inner

    def add(self, value: dict[str, Any] | None, fact: Fact) -> dict[str, Any] | None:
        name = fact.name or ""
        known = None if value is None else value.get(name)
        now = self.inner.add(known, fact)
        return value if now is known else {**(value or {}), name: now}

    def closed(self, value: dict[str, Any] | None, fact: Fact) -> bool:
        return value is not None and self.inner.closed(value.get(fact.name or ""), fact)

    def merge(self, values: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
        present = [v for v in values if v is not None]
        names = dict.fromkeys(name for v in present for name in v)
        return {n: self.inner.merge([v.get(n) for v in present]) for n in names} or None

    def packed(self, value: dict[str, Any] | None) -> Any:
        return value and {name: self.inner.packed(of) for name, of in value.items()}

    def unpacked(self, data: Any) -> dict[str, Any] | None:
        return data and {name: self.inner.unpacked(of) for name, of in data.items()}


class _Derived(ABC):
    """Activation by a rule over several facts: it happens at one instant, or never."""

    def __init__(self, facts: FactSelector) -> None:
        self.selectors = (facts,)

    @abstractmethod
    def instant(self, value: Any) -> Moment | None: ...

    def first(self, value: Any) -> Moment | None:
        return self.instant(value)

    def reached(self, value: Any, anchor_ms: int) -> Moment | None:
        moment = self.instant(value)
        return moment if moment is not None and moment[0] >= anchor_ms else None

    def packed(self, value: Any) -> Any:
        return value


class NthTime(_Derived):
    """Reached with the n-th fact; the value holds the n earliest moments."""

    def __init__(self, facts: FactSelector, times: int) -> None:
        super().__init__(facts)
        self._times = times

    def add(self, value: list[Moment] | None, fact: Fact) -> list[Moment]:
        if value is not None:
            full = len(value) == self._times
            if fact.moment in value or (full and fact.moment > value[-1]):
                return value
        return self.merge([value, [fact.moment]])

    def closed(self, value: list[Moment] | None, fact: Fact) -> bool:
        if value is None or len(value) < self._times:
            return False
        return value[-1] <= fact.moment

    def merge(self, values: Sequence[list[Moment] | None]) -> list[Moment]:
        return sorted({m for value in values for m in value or ()})[: self._times]

    def instant(self, value: list[Moment] | None) -> Moment | None:
        return value[-1] if value and len(value) == self._times else None

    def unpacked(self, data: Any) -> list[Moment] | None:
        return data and [tuple(m) for m in data]


class _EarliestByKey(_Derived):
    """The earliest moment per key of a fact."""

    @abstractmethod
    def key(self, fact: Fact) -> Any: ...

    def add(self, value: dict[Any, Moment] | None, fact: Fact) -> dict[Any, Moment]:
        key = self.key(fact)
        known = value.get(key) if value is not None else None
        if value is not None and known is not None and known <= fact.moment:
            return value
        return {**(value or {}), key: fact.moment}

    def closed(self, value: dict[Any, Moment] | None, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[dict[Any, Moment] | None]) -> dict[Any, Moment]:
        merged: dict[Any, Moment] = {}
        for value in values:
            for key, moment in (value or {}).items():
                merged[key] = min(moment, merged.get(key, moment))
        return merged

    def unpacked(self, data: Any) -> dict[Any, Moment] | None:
        return data and {key: tuple(m) for key, m in data.items()}


class DaysWithin(_EarliestByKey):
    """Reached on the first day that ends a span of m days with n distinct active ones."""

    def __init__(self, facts: FactSelector, distinct_days: int, within_days: int | None) -> None:
        super().__init__(facts)
        self._distinct, self._within = distinct_days, within_days

    def key(self, fact: Fact) -> int:
        return fact.day

    def instant(self, value: dict[int, Moment] | None) -> Moment | None:
        days = sorted(value or ())
        for last in range(self._distinct - 1, len(days)):
            span = days[last] - days[last - self._distinct + 1] + 1
            if self._within is None or span <= self._within:
                return (value or {})[days[last]]
        return None


class AllNames(_EarliestByKey):
    """Reached when each of the names was done once; the value holds the earliest of each."""

    def __init__(self, facts: FactSelector, names: tuple[str, ...]) -> None:
        super().__init__(facts)
        self._names = names

    def key(self, fact: Fact) -> str | None:
        return fact.name

    def instant(self, value: dict[str, Moment] | None) -> Moment | None:
        if value is None or len(value) < len(self._names):
            return None
        return max(value.values())

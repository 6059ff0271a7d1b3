"""Measures: all the state that a subject has, shared by every KPI that reads it.

A measure is a set, a minimum or a bit mask per subject, so facts may come in any order and any
number of times. Values never change: `add` returns a new one, or the very same object if the fact
is no news, so that what a subject was before and is now can be kept and compared by identity.
`merge` folds the values of several raw ids into those of one person. Values are None while empty.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol, runtime_checkable

import msgspec

from schemas.batches import Attributes
from schemas.selectors import FactSelector
from streams.attributes import is_among

Moment = tuple[int, str, str]
"""Time (UTC ms), event id, account key ('' if none); moments order by time, then id."""
FirstFact = tuple[int, str, str, tuple[str, ...]]
WholeFact = tuple[int, str, str, tuple[str, ...], Attributes, int | None]
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


@runtime_checkable
class Forgetful(Measure, Protocol):
    """A measure that grows with every day on which a subject does something."""

    def forget(self, value: Any, before: int) -> Any:
        """The value without what lies before a local day, as far as nothing later follows from it;
        the same object if that is all of it.
        """
        ...


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


def kinds_read(facts: FactSelector) -> frozenset[str]:
    """The kinds of facts of which a selector takes some."""
    kinds = frozenset((facts.kind,) if isinstance(facts.kind, str) else facts.kind)
    return kinds if facts.or_ is None else kinds | kinds_read(facts.or_)


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
    """True if each attribute has its value, or one of its values."""
    return all(
        attribute in attributes
        and is_among(attributes[attribute], wanted if isinstance(wanted, tuple) else (wanted,))
        for attribute, wanted in where.items()
    )


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
        return data and whole_of(data)


def whole(fact: Fact) -> WholeFact:
    """A fact with what it carries."""
    return (*fact.moment, fact.segments, fact.attributes, fact.value)


def whole_of(data: Any) -> WholeFact:
    """The same, as it was packed."""
    time_ms, id, account, segments, attributes, value = data
    kept = tuple((name, of) for name, of in attributes)
    return time_ms, id, account, tuple(segments), kept, value


class Open:
    """A measure to which every fact may be news, also one of a day and name that had others."""

    def closed(self, value: Any, fact: Fact) -> bool:
        return False


class Counting(Open):
    """A measure that a fact must not come to twice."""


class Timeline(Open):
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
        return data and [whole_of(fact) for fact in data]


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
        earlier = (anchor_ms is None or fact.moment[0] < anchor_ms) and self._is_anchor(fact)
        later = self._is_news(anchor_ms, chains, fact) and self._is_end(fact)
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
        return min(self.reached_by_name(value, anchor_ms).values(), default=None)

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
    for moment in moments:
        if moment[0] >= anchor_ms:
            return moment
    return None


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

    def _name(self, fact: Fact) -> str | None:
        """None: the fact counts for no name."""
        return fact.name or ""

    def add(self, value: dict[str, Any] | None, fact: Fact) -> dict[str, Any] | None:
        name = self._name(fact)
        if name is None:
            return value
        known = None if value is None else value.get(name)
        now = self.inner.add(known, fact)
        return value if now is known else {**(value or {}), name: now}

    def closed(self, value: dict[str, Any] | None, fact: Fact) -> bool:
        name = self._name(fact)
        return value is not None and name is not None and self.inner.closed(value.get(name), fact)

    def forget(self, value: dict[str, Any], before: int) -> dict[str, Any] | None:
        if not isinstance(self.inner, Forgetful):
            return value
        kept = {name: self.inner.forget(of, before) for name, of in value.items()}
        if all(kept[name] is of for name, of in value.items()):
            return value
        return {name: of for name, of in kept.items() if of is not None} or None

    def merge(self, values: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
        present = [v for v in values if v is not None]
        names = dict.fromkeys(name for v in present for name in v)
        return {n: self.inner.merge([v.get(n) for v in present]) for n in names} or None

    def packed(self, value: dict[str, Any] | None) -> Any:
        return value and {name: self.inner.packed(of) for name, of in value.items()}

    def unpacked(self, data: Any) -> dict[str, Any] | None:
        return data and {name: self.inner.unpacked(of) for name, of in data.items()}


class OpenByName(Open, ByName):
    """The same of a measure that is never closed."""


def by_name(inner: Measure) -> ByName:
    """A measure of its own for each name."""
    return OpenByName(inner) if isinstance(inner, Open) else ByName(inner)

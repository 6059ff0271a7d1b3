"""The measures of one kind of subject: each has its place in the state; equal ones are shared."""

from collections.abc import Callable, Container, Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeGuard, TypeVar, cast

from schemas.batches import Attributes, FactOfEvent, types_in
from schemas.fact_kinds import ACCOUNT_TRAIT
from schemas.outputs import canonical_json
from schemas.plan.models import (
    ActivationDays,
    ActivationOnce,
    ActivationTasks,
    ActivationTimes,
    Plan,
)
from schemas.selectors import ENTRY, FactSelector
from streams.calendar import Calendar
from streams.courses import AT_DAY_END
from streams.measures.account_stands import AccountStands
from streams.measures.account_traits import AccountTrait
from streams.measures.activation_rules import AllNames, DaysWithin, NthTime
from streams.measures.by_days import (
    CountsByMonth,
    DayCounts,
    DayEdges,
    DayFirsts,
    Days,
    DaysByAccount,
    DaysByName,
    DayTotals,
    FirstsOfDay,
    LatestOfDays,
)
from streams.measures.day_sums import ADDED, SumsByDay
from streams.measures.entitled import FirstByAttribute, Told
from streams.measures.first_naming import FirstNaming
from streams.measures.kept_facts import KeptFacts
from streams.measures.kinds import (
    Chain,
    Fact,
    First,
    FirstFact,
    FirstWhole,
    Measure,
    Moment,
    Reaching,
    Timeline,
    WholeFact,
    WholeTimeline,
    by_name,
    reads,
)
from streams.measures.recent import Recent
from streams.measures.steps import Steps
from streams.measures.told_names import ToldNames

Values = Sequence[Any]
"""The values of a subject's measures."""
Kind = TypeVar("Kind")
ALIKE_MAX = 100_000
"""So many kinds of facts that selectors tell apart are remembered."""
EntryValue = tuple[int, str, str, tuple[str, ...], int]
"""UTC ms, no id, account key, no segments, phase: see courses."""
KeptEntry = tuple[int, EntryValue | None]
"""The first entry of an account before a time (UTC ms), if there is one."""


def picked(slots: Iterable[int]) -> Callable[[Values], tuple[Any, ...]]:
    """Takes the values of some measures out of those of all, in the order of their places."""
    ordered = sorted(slots)
    if len(ordered) > 1:
        return itemgetter(*ordered)
    return lambda values: tuple(values[slot] for slot in ordered)


def is_entry(fact: FirstFact | WholeFact | EntryValue) -> TypeGuard[EntryValue]:
    """True of a first entry, in the place of a first fact."""
    return len(fact) == 5


class Dropped:
    """The place of a measure that no row reads any more: it takes nothing, and keeps nothing."""

    selectors = ()

    def add(self, value: Any, fact: Fact) -> None:
        return None

    def closed(self, value: Any, fact: Fact) -> bool:
        return True

    def merge(self, values: Sequence[Any]) -> None:
        return None

    def packed(self, value: Any) -> None:
        return None

    def unpacked(self, data: Any) -> None:
        return None


class Found(Dropped):
    """A place for what follows from other measures, or from those of several subjects: no fact
    changes it, and it is not saved.
    """


class FoundTraits(Found):
    """The place of what a person's traits come to, see traits: a list of TraitRun."""


class FoundEntry(Found):
    """The place of a first entry into a membership: an EntryValue."""

    def first(self, value: EntryValue | None) -> Moment | None:
        """An entry at the end of a day belongs to that day."""
        if value is None:
            return None
        ms, phase = value[0], value[4]
        return (ms - 1 if phase == AT_DAY_END else ms), value[1], value[2]

    def reached(self, value: EntryValue | None, anchor_ms: int) -> Moment | None:
        return value[:3] if value is not None and value[0] >= anchor_ms else None


TakenBy = tuple[tuple[int, Measure], ...]
"""(slot, measure) of those that read a fact."""


class _ToldApart(NamedTuple):
    """By what selectors tell facts of a kind apart."""

    names: frozenset[str | None]
    attributes: frozenset[str]


def _told_apart(kind: str, selectors: Iterable[FactSelector]) -> _ToldApart:
    names, attributes = set[str | None](), set[str]()
    for selector in selectors:
        each: FactSelector | None = selector
        while each is not None:
            if kind in ((each.kind,) if isinstance(each.kind, str) else each.kind):
                names.update((each.name,) if isinstance(each.name, str) else each.name or ())
                attributes.update(each.where)
            each = each.or_
    return _ToldApart(frozenset(names), frozenset(attributes))


class Step(NamedTuple):
    """A fact of an event, and what it may change in a subject."""

    kind: str
    name: str | None
    attributes: Attributes
    measures: TakenBy


class Measures:
    """The measures of one kind of subject; equal ones are shared.

    State holds their values in the order of `ids`. So a measure keeps its place for good: those of
    `known` have theirs, whether they are still read or not, and new ones come behind. A measure
    `since` a moment is one of its own, which began empty then.
    """

    def __init__(self, plan: Plan, calendar: Calendar, known: Iterable[str] = ()) -> None:
        self._activation = plan.activation
        self._calendar = calendar
        self.ids = list(known)
        self._slots = {id: slot for slot, id in enumerate(self.ids)}
        self.all: list[Measure] = [Dropped() for _ in self.ids]
        self._of_kind: dict[str, _ToldApart] = {}
        self._reading: dict[tuple[FactOfEvent, tuple[type, ...]], TakenBy] = {}
        """What takes facts that are alike to every selector."""
        self.counted: dict[str, FactSelector] = {}
        """Id of a count -> the facts that are counted where they come in: see `day_totals`."""

    def _slot(
        self,
        what: str,
        facts: Sequence[FactSelector],
        since_ms: int | None,
        make: Callable[[], Measure],
    ) -> int:
        # Without defaults, so that a release that can say more keeps the names of what there was.
        read = (each.model_dump(mode="json", exclude_defaults=True) for each in facts)
        id = canonical_json([what, *read, since_ms]).decode()
        slot = self._slots.get(id)
        if slot is None:
            slot = self._slots[id] = len(self.all)
            self.ids.append(id)
            self.all.append(Dropped())
        if type(self.all[slot]) is Dropped:
            self.all[slot] = make()
            self._of_kind.clear()
            self._reading.clear()
        return slot

    def reaching_at(self, slot: int) -> Reaching:
        """The measure at a place that `first_reaching` or `reaching` gave."""
        return cast(Reaching, self.all[slot])

    def at(self, slot: int, kind: type[Kind]) -> Kind:
        """The measure at a place, which is of that kind."""
        measure = self.all[slot]
        assert isinstance(measure, kind)
        return measure

    def found(self, what: str, facts: Sequence[FactSelector], since_ms: int | None = None) -> int:
        """A place for what follows from several members of an account."""
        return self._slot(f"found {what}", facts, since_ms, Found)

    def traits(self) -> int:
        """The place of the segments of a person by its traits."""
        return self._slot("found traits", [], None, FoundTraits)

    def entry(self, kpi: str) -> int:
        """The place of the first entry into a membership."""
        return self._slot(f"entry {kpi}", [], None, FoundEntry)

    def days(self, facts: FactSelector, since_ms: int | None = None) -> int:
        return self._slot("days", [facts], since_ms, lambda: Days(facts, self._calendar))

    def days_by_name(self, facts: FactSelector, since_ms: int | None = None) -> int:
        return self._slot(
            "days by name", [facts], since_ms, lambda: DaysByName(facts, self._calendar)
        )

    def days_by_account(self, facts: FactSelector, since_ms: int | None = None) -> int:
        return self._slot(
            "days by account", [facts], since_ms, lambda: DaysByAccount(facts, self._calendar)
        )

    def days_of_names(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The same per segment, too."""
        return self._slot(
            "days of names", [facts], since_ms, lambda: by_name(Days(facts, self._calendar))
        )

    def first_naming(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """Of each dimension, its first value."""
        return self._slot("first naming", [facts], since_ms, lambda: FirstNaming(facts))

    def day_firsts(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first instant of every day."""
        return self._slot("day firsts", [facts], since_ms, lambda: DayFirsts(facts))

    def firsts_of_day(self, facts: FactSelector, n: int, since_ms: int | None = None) -> int:
        """The first n facts of every day."""
        return self._slot(f"first {n} of day", [facts], since_ms, lambda: FirstsOfDay(facts, n))

    def day_counts(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """How many facts every day has."""
        return self._slot("day counts", [facts], since_ms, lambda: DayCounts(facts))

    def day_totals(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The same of users: accounts count, and tell the numbers once a flush."""
        id = canonical_json(facts.model_dump(mode="json", exclude_defaults=True)).decode()
        self.counted[id] = facts
        return self._slot("day totals", [facts], since_ms, lambda: DayTotals(id))

    def sums_by_day(self, kpi: str, since_ms: int | None = None) -> int:
        """What facts of a user add to a row on each day: accounts add up, and tell."""
        facts = FactSelector(kind=ADDED, name=kpi)
        return self._slot("sums by day", [facts], since_ms, lambda: SumsByDay(kpi))

    def first(self, facts: FactSelector, since_ms: int | None = None) -> int:
        if facts.kind == ENTRY:
            assert isinstance(facts.name, str)
            return self.entry(facts.name)
        return self._slot("first", [facts], since_ms, lambda: First(facts))

    def edges(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first and the last instant of every active day."""
        return self._slot("edges", [facts], since_ms, lambda: DayEdges(facts))

    def edges_by_name(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first and the last instant of every active day, of each name."""
        return self._slot("edges by name", [facts], since_ms, lambda: by_name(DayEdges(facts)))

    def timeline(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """All facts, in order."""
        return self._slot("timeline", [facts], since_ms, lambda: Timeline(facts))

    def account_trait(self, name: str) -> int:
        """What was told of a trait of the account, day by day."""
        facts = FactSelector(kind=ACCOUNT_TRAIT, name=name)
        return self._slot(
            "account trait", [facts], None, lambda: AccountTrait(name, self._calendar)
        )

    def days_in(self, kpi: str) -> int:
        """The place of who is in a membership of accounts, day by day."""
        return self._slot(f"found days in {kpi}", [], None, Found)

    def account_stands(self) -> int:
        """What accounts told a user of what they stand at."""
        return self._slot("account stands", [], None, AccountStands)

    def whole_timeline(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """All facts, in order, with all that they carry."""
        return self._slot("whole timeline", [facts], since_ms, lambda: WholeTimeline(facts))

    def latest_of_days(
        self, facts: FactSelector, since_ms: int | None = None, *, valued: bool = False
    ) -> int:
        """The latest fact of every day; `valued`: of those that have a value."""
        what = "latest of days valued" if valued else "latest of days"
        return self._slot(what, [facts], since_ms, lambda: LatestOfDays(facts, valued=valued))

    def kept_facts(self, kind: str, since_ms: int | None = None) -> int:
        """All facts of a kind, in order, with their names."""
        facts = FactSelector(kind=kind)
        return self._slot("kept facts", [facts], since_ms, lambda: KeptFacts(facts))

    def timeline_by_name(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """All facts of each name, in order."""
        return self._slot("timeline by name", [facts], since_ms, lambda: by_name(Timeline(facts)))

    def recent(self, n: int) -> int:
        """The last n events, whatever they mean."""
        return self._slot(f"last {n} events", [], None, lambda: Recent(n))

    def counts_by_month(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """How many facts of each name there were in each month."""
        return self._slot(
            "counts by month", [facts], since_ms, lambda: CountsByMonth(facts, self._calendar)
        )

    def first_whole(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first time ever, with the attributes and the value that it had."""
        return self._slot("first whole", [facts], since_ms, lambda: FirstWhole(facts))

    def first_reaching(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first time ever; of an activation by the plan's rule."""
        derived = self._derived(facts, since_ms)
        return self.first(facts, since_ms) if derived is None else derived

    def reaching(self, anchor: FactSelector, end: FactSelector, since_ms: int | None = None) -> int:
        """The first end at or after an anchor; of an anchor or end that is an entry, the first end
        ever, if it is.
        """
        if ENTRY in (anchor.kind, end.kind):
            return self.first_reaching(end, since_ms)
        derived = self._derived(end, since_ms)
        if derived is not None:
            return derived
        return self._slot("chain", [anchor, end], since_ms, lambda: Chain(anchor, end))

    def nth(self, facts: FactSelector, n: int, since_ms: int | None = None) -> int:
        """The first n times ever."""
        return self._slot(f"first {n} times", [facts], since_ms, lambda: NthTime(facts, n))

    def nth_by_name(self, facts: FactSelector, n: int, since_ms: int | None = None) -> int:
        """The first n times ever of each name."""
        what = f"first {n} times by name"
        return self._slot(what, [facts], since_ms, lambda: by_name(NthTime(facts, n)))

    def first_by_name(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first time ever of each name."""
        return self._slot("first by name", [facts], since_ms, lambda: by_name(First(facts)))

    def first_by_attribute(
        self, facts: FactSelector, attribute: str, since_ms: int | None = None
    ) -> int:
        """The first time ever of each value of an attribute."""
        what = f"first by {attribute}"
        return self._slot(what, [facts], since_ms, lambda: FirstByAttribute(facts, attribute))

    def told(self, facts: FactSelector, attribute: str, since_ms: int | None = None) -> int:
        """What accounts told of the same."""
        what = f"told of {attribute}"
        return self._slot(what, [facts], since_ms, lambda: Told(facts, attribute))

    def told_names(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The latest names of a person, as users told them."""
        return self._slot("told names", [facts], since_ms, ToldNames)

    def first_whole_by_name(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first time ever of each name, with the attributes and the value that it had."""
        return self._slot(
            "first whole by name", [facts], since_ms, lambda: by_name(FirstWhole(facts))
        )

    def reaching_by_name(
        self, anchor: FactSelector, end: FactSelector, since_ms: int | None = None
    ) -> int:
        """The first end at or after an anchor, of each name."""
        return self._slot(
            "chain by name", [anchor, end], since_ms, lambda: by_name(Chain(anchor, end))
        )

    def names_reaching(
        self, anchor: FactSelector, end: FactSelector, since_ms: int | None = None
    ) -> int:
        return self._slot(
            "names", [anchor, end], since_ms, lambda: Chain(anchor, end, by_name=True)
        )

    def steps(
        self,
        anchor: FactSelector,
        names: FactSelector,
        within_ms: int,
        since_ms: int | None = None,
    ) -> int:
        """When names were met one after the other, from an anchor on."""
        what = f"steps within {within_ms}"
        return self._slot(what, [anchor, names], since_ms, lambda: Steps(anchor, names, within_ms))

    def is_ruled(self, facts: FactSelector) -> bool:
        """True of activation, where the plan's rule takes several facts to it."""
        rule = self._activation
        ruled = rule is not None and not isinstance(rule, ActivationOnce)
        return facts.kind == "activation" and ruled

    def _derived(self, facts: FactSelector, since_ms: int | None) -> int | None:
        rule = self._activation
        if facts.kind != "activation" or rule is None or isinstance(rule, ActivationOnce):
            return None
        if isinstance(rule, ActivationTimes):
            return self._slot("times", [], since_ms, lambda: NthTime(facts, rule.times))
        if isinstance(rule, ActivationDays):
            days = rule.distinct_days, rule.within_days
            return self._slot("days within", [], since_ms, lambda: DaysWithin(facts, *days))
        assert isinstance(rule, ActivationTasks)
        tasks = FactSelector(kind="key_task", name=rule.tasks)
        return self._slot("tasks", [], since_ms, lambda: AllNames(tasks, rule.tasks))

    def step(self, fact: FactOfEvent) -> Step:
        kind, name, attributes = fact
        told = self._told_apart(kind)
        # Nearly every fact of a thing is one of a kind; to selectors they are nearly all alike.
        asked = tuple(each for each in attributes if each[0] in told.attributes)
        alike = kind, name if name in told.names else None, asked
        place = alike, types_in((alike,))
        measures = self._reading.get(place)
        if measures is None:
            if len(self._reading) >= ALIKE_MAX:
                self._reading.clear()
            measures = self._reading[place] = tuple(
                (slot, measure)
                for slot, measure in enumerate(self.all)
                if any(reads(selector, *alike) for selector in measure.selectors)
            )
        return Step(kind, name, attributes, measures)

    def _told_apart(self, kind: str) -> _ToldApart:
        found = self._of_kind.get(kind)
        if found is None:
            found = self._of_kind[kind] = _told_apart(
                kind, (selector for measure in self.all for selector in measure.selectors)
            )
        return found

    def merged(
        self, subjects: Sequence[Sequence[Any]], slots: Container[int] | None = None
    ) -> list[Any]:
        """The values of several raw ids as those of one subject; of these measures only."""
        merged: list[Any] = [None] * len(self.all)
        for slot, of_slot in enumerate(zip(*subjects, strict=True)):
            if of_slot.count(None) == len(of_slot):
                continue  # as of most
            known = [value for value in of_slot if value is not None]
            if slots is None or slot in slots:
                # what only one of them has is the very same, and nobody looks at it as changed
                merged[slot] = known[0] if len(known) == 1 else self.all[slot].merge(known)
        return merged

    def packed(self, values: Sequence[Any]) -> list[Any]:
        return [
            None if value is None else measure.packed(value)
            for measure, value in zip(self.all, values, strict=True)
        ]

    def unpacked(self, data: Sequence[Any]) -> list[Any]:
        """Measures that are newer than the record are empty."""
        missing = [None] * (len(self.all) - len(data))
        return [
            None if of is None else measure.unpacked(of)
            for measure, of in zip(self.all, [*data, *missing], strict=True)
        ]

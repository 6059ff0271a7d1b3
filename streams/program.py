"""Rows compiled for one subject: which measures its facts feed, and what it contributes.

The same form serves a person over all accounts (company level) and a person inside one account
(account level, and what the account needs to know of its members).
"""

from collections.abc import Callable, Container, Iterable, Sequence
from operator import is_not
from typing import Any, NamedTuple

from schemas.batches import Attributes, FactOfEvent
from schemas.outputs import canonical_json
from schemas.plan.models import (
    ActivationDays,
    ActivationOnce,
    ActivationTasks,
    ActivationTimes,
    Plan,
)
from schemas.rows import (
    EVERY,
    ActiveOnDay,
    Addend,
    BalanceRow,
    Condition,
    ConversionRow,
    CountRow,
    DistinctRow,
    FactSelector,
    JointRow,
    LagRow,
    MeanRow,
    MembershipRow,
    MilestoneRow,
    MovementRow,
    ReachesFact,
    ReachesNames,
    Row,
    ShareRow,
    SumRow,
    of_facts,
)
from schemas.times import DAY_MS, HOUR_MS
from streams.active_days import ActiveDays
from streams.balances import Balance, Dimensions, Movement, after, state_segments
from streams.calendar import HOUR, Calendar
from streams.contributions import Cell, Moves, Shape, SpanGroup, tally_key
from streams.fact_cells import Numbers, added, averaged, tallies_of
from streams.joint import Joint
from streams.measures import (
    ALL,
    AllNames,
    ByName,
    Chain,
    DayEdges,
    Days,
    DaysByName,
    DaysWithin,
    Fact,
    First,
    FirstFact,
    FirstWhole,
    Measure,
    NthTime,
    Reaching,
    Timeline,
    WholeFact,
    reads,
)
from streams.memberships import Membership
from streams.operators import conversion, count, distinct, lag, share
from streams.operators.conditions import MaskFunction
from streams.tally import HOURLY

FIRST_ACTION = FactSelector(kind="first_action")
ACTIVATION = FactSelector(kind="activation")


def span_conditions(row: DistinctRow | ShareRow) -> tuple[Condition, ...]:
    """The conditions whose periods are counted, one for each part of the value."""
    return distinct.conditions(row) if isinstance(row, DistinctRow) else share.conditions(row)


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


class Step(NamedTuple):
    """A fact of an event, and what it may change in a subject."""

    kind: str
    name: str | None
    attributes: Attributes
    measures: tuple[tuple[int, Measure], ...]
    """(slot, measure) of those that read it."""


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
        if isinstance(self.all[slot], Dropped):
            self.all[slot] = make()
        return slot

    def days(self, facts: FactSelector, since_ms: int | None = None) -> int:
        return self._slot("days", [facts], since_ms, lambda: Days(facts, self._calendar))

    def days_by_name(self, facts: FactSelector, since_ms: int | None = None) -> int:
        return self._slot(
            "days by name", [facts], since_ms, lambda: DaysByName(facts, self._calendar)
        )

    def first(self, facts: FactSelector, since_ms: int | None = None) -> int:
        return self._slot("first", [facts], since_ms, lambda: First(facts))

    def edges(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first and the last instant of every active day."""
        return self._slot("edges", [facts], since_ms, lambda: DayEdges(facts))

    def timeline(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """All facts, in order."""
        return self._slot("timeline", [facts], since_ms, lambda: Timeline(facts))

    def first_whole(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first time ever, with the attributes and the value that it had."""
        return self._slot("first whole", [facts], since_ms, lambda: FirstWhole(facts))

    def first_reaching(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first time ever; of an activation by the plan's rule."""
        derived = self._derived(facts, since_ms)
        return self.first(facts, since_ms) if derived is None else derived

    def reaching(self, anchor: FactSelector, end: FactSelector, since_ms: int | None = None) -> int:
        """The first end at or after an anchor."""
        derived = self._derived(end, since_ms)
        if derived is not None:
            return derived
        return self._slot("chain", [anchor, end], since_ms, lambda: Chain(anchor, end))

    def first_by_name(self, facts: FactSelector, since_ms: int | None = None) -> int:
        """The first time ever of each name."""
        return self._slot("first by name", [facts], since_ms, lambda: ByName(First(facts)))

    def reaching_by_name(
        self, anchor: FactSelector, end: FactSelector, since_ms: int | None = None
    ) -> int:
        """The first end at or after an anchor, of each name."""
        return self._slot(
            "chain by name", [anchor, end], since_ms, lambda: ByName(Chain(anchor, end))
        )

    def names_reaching(
        self, anchor: FactSelector, end: FactSelector, since_ms: int | None = None
    ) -> int:
        return self._slot(
            "names", [anchor, end], since_ms, lambda: Chain(anchor, end, by_name=True)
        )

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
        return Step(
            *fact,
            tuple(
                (slot, measure)
                for slot, measure in enumerate(self.all)
                if any(reads(selector, *fact) for selector in measure.selectors)
            ),
        )

    def merged(
        self, subjects: Sequence[Sequence[Any]], slots: Container[int] | None = None
    ) -> list[Any]:
        """The values of several raw ids as those of one subject; of these measures only."""
        return [
            m.merge([s[slot] for s in subjects]) if slots is None or slot in slots else None
            for slot, m in enumerate(self.all)
        ]

    def packed(self, values: Sequence[Any]) -> list[Any]:
        return [m.packed(v) for m, v in zip(self.all, values, strict=True)]

    def unpacked(self, data: Sequence[Any]) -> list[Any]:
        """Measures that are newer than the record are empty."""
        missing = [None] * (len(self.all) - len(data))
        return [m.unpacked(d) for m, d in zip(self.all, [*data, *missing], strict=True)]


def rows_about(subject: str, rows: Iterable[Row]) -> list[Row]:
    """The rows about users, about things, or about accounts by what all their members did."""
    return [
        row
        for row in rows
        if getattr(row, "subject", None) == subject
        and not of_facts(row)
        and not (subject == "account" and isinstance(row, DistinctRow | ShareRow | MilestoneRow))
    ]


Values = Sequence[Any]
"""The values of a subject's measures."""
Cells = dict[Cell, int]
AddCells = Callable[[Values, int, Cells], None]
"""Adds the cells that follow from a subject's measures, times a sign."""
Reached = Callable[[Values, int, int], bool]
"""Whether a subject with these measures reached the goal from an anchor on, before an end (UTC ms).
"""


class Part(NamedTuple):
    """Some of what a person contributes, and the measures it follows from."""

    slots: frozenset[int]
    difference: Callable[[Values, Values, Moves, Cells], None]
    """Adds what a person contributes now minus what it contributed before."""


def _of_cells(slots: Iterable[int], add: AddCells) -> Part:
    def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        add(old, -1, cells)
        add(new, +1, cells)

    return Part(frozenset(slots), difference)


class SubjectProgram:
    """What the rows about one kind of subject say of one: a person, a thing, an account."""

    def __init__(
        self,
        rows: Iterable[Row],
        plan: Plan,
        calendar: Calendar,
        measures: Measures | None = None,
        *,
        level: str = "company",
        signals: bool = False,
        signal_since_ms: int | None = None,
        states: bool = False,
    ) -> None:
        """`measures`: where it adds those it needs; new ones by default. `level`: of its values.

        `signals`: activation is one. `signal_since_ms`: from when on, None: from the beginning.
        `states`: rows are split by the states of accounts, too.
        """
        self.measures = measures or Measures(plan, calendar)
        self._calendar, self._level = calendar, level
        self._dimensions: Dimensions = {
            dimension.name: (
                self.measures.timeline(FactSelector(kind=dimension.state.fact)),
                dimension.state.attribute,
            )
            for dimension in plan.segments
            if states and dimension.state is not None
        }
        self._dimension_slots = frozenset(slot for slot, _ in self._dimensions.values())
        self.memberships: list[Membership] = []
        """Rows whose entries and exits are signals."""
        parts: list[Part] = []
        groups: dict[tuple[int, bool], tuple[MaskFunction, list[tuple[str, str, str, int]]]] = {}
        for row in rows:
            if isinstance(row, DistinctRow | ShareRow):
                slot = self.measures.days(row.facts, row.since_ms(level))
                function, slots = groups.setdefault((slot, row.segments), (MaskFunction(), []))
                for period in row.periods:
                    for part, condition in enumerate(span_conditions(row)):
                        function.add(condition, period)
                        slots.append((row.id, "", period, part))
            elif isinstance(row, JointRow):
                parts.append(self._joint(row))
            elif isinstance(row, CountRow):
                parts.append(self._count(row))
            elif isinstance(row, SumRow):
                parts.extend(self._sum(row, term) for term in row.terms)
            elif isinstance(row, MeanRow):
                parts.append(self._mean(row))
            elif isinstance(row, ConversionRow):
                parts.extend(self._conversions(row))
            elif isinstance(row, LagRow):
                parts.extend(self._lags(row))
            elif isinstance(row, BalanceRow):
                parts.append(self._balance(row))
            elif isinstance(row, MovementRow):
                parts.append(self._movement(row))
            elif isinstance(row, MembershipRow):
                parts.append(self._membership(row))
        self.groups = tuple(SpanGroup(tuple(s), f.build()) for f, s in groups.values())
        for number, (slot, segments) in enumerate(groups):
            parts.append(_spans(number, slot, segments=segments))
        self._parts = tuple(parts)
        self._parts_of: dict[tuple[bool, ...], tuple[Part, ...]] = {}
        self.activation = self._activation(plan, signal_since_ms) if signals else None
        slots_read = [part.slots for part in parts] + [frozenset(self.activation or ())]
        self.slots = frozenset().union(*slots_read)
        """The measures that this program reads."""

    def _activation(self, plan: Plan, since_ms: int | None) -> tuple[int, int, int] | None:
        """Measures behind the signal: first activation, first action, activation after it."""
        if plan.activation is None:
            return None
        return (
            self.measures.first_reaching(ACTIVATION, since_ms),
            self.measures.first(FIRST_ACTION, since_ms),
            self.measures.reaching(FIRST_ACTION, ACTIVATION, since_ms),
        )

    def empty(self) -> list[Any]:
        return [None] * len(self.measures.all)

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        """Adds what a person with measures `new` contributes, minus one with measures `old`."""
        changed = tuple(map(is_not, old, new))
        parts = self._parts_of.get(changed)
        if parts is None:
            slots = {slot for slot, is_changed in enumerate(changed) if is_changed}
            parts = self._parts_of[changed] = tuple(p for p in self._parts if p.slots & slots)
        for part in parts:
            part.difference(old, new, moves, cells)

    # ---- cells of each operator

    def _count(self, row: CountRow) -> Part:
        if row.variant is not None:
            return self._of_first(row, row.of, lambda fact: ((count.COUNTED, 0, 1),))
        slot = self.measures.first_reaching(row.of, row.since_ms(self._level))
        measure: Reaching = self.measures.all[slot]  # type: ignore[assignment]
        day_of, hourly = self._calendar.day, HOUR in row.periods

        def add(values: Values, sign: int, into: Cells) -> None:
            moment = measure.first(values[slot])
            if moment is None:
                return
            first = isinstance(measure, First)
            for segment in self._segments(row, values, values[slot]) if first else (ALL,):
                tally = tally_key(row.id, "", segment)
                into[tally, count.COUNTED, day_of(moment[0]), 0] += sign
                if hourly:
                    into[tally, count.COUNTED + HOURLY, moment[0] // HOUR_MS, 0] += sign

        return _of_cells({slot, *self._dimension_slots}, add)

    def _sum(self, row: SumRow, term: Addend) -> Part:
        assert isinstance(term.times, int), "rows refuse others where subjects are added up"
        numbers = added(term.times, term.without_value)

        def of_fact(fact: WholeFact) -> Numbers:
            if term.naming is not None and term.naming not in dict(fact[4]):
                return ()
            return numbers(fact[5])

        return self._of_first(row, term.of, of_fact)

    def _mean(self, row: MeanRow) -> Part:
        def of_fact(fact: WholeFact) -> Numbers:
            numbers = averaged(row, fact[4])
            return () if numbers is None else numbers(fact[5])

        return self._of_first(row, row.of, of_fact)

    def _of_first(
        self,
        row: CountRow | SumRow | MeanRow,
        of: FactSelector,
        numbers: Callable[[WholeFact], Numbers],
    ) -> Part:
        """What the first such fact of each subject adds."""
        slot = self.measures.first_whole(of, row.since_ms(self._level))
        day_of, hourly = self._calendar.day, HOUR in row.periods

        def add(values: Values, sign: int, into: Cells) -> None:
            fact: WholeFact | None = values[slot]
            if fact is None:
                return
            time_ms, _, _, _, attributes, _ = fact
            segments = self._segments(row, values, fact)[1:]
            day, hour = day_of(time_ms), time_ms // HOUR_MS
            for tally in tallies_of(row, None, attributes, segments):
                for part, x, n in numbers(fact):
                    into[tally, part, day, x] += sign * n
                    if hourly:
                        into[tally, part + HOURLY, hour, x] += sign * n

        return _of_cells({slot, *self._dimension_slots}, add)

    def _conversions(self, row: ConversionRow) -> list[Part]:
        goal = row.goal
        if isinstance(goal, ActiveOnDay):
            assert isinstance(row.variant, tuple)
            return [self._on_day(row, goal, n) for n in row.variant]
        since_ms = row.since_ms(self._level)
        assert row.within_days is not None
        within_ms = row.within_days * DAY_MS
        if row.is_by_name:
            return [self._converting_names(row, within_ms)]
        if isinstance(goal, ReachesFact):
            slot = self.measures.reaching(row.anchor, goal.first, since_ms)
            reached = self._fact(slot)
        else:
            slot = self.measures.names_reaching(row.anchor, goal.names, since_ms)
            reached = self._names(slot, goal)
        tally = conversion.Tally(self._calendar, within_ms, None)
        return [self._converting(row, "", tally, slot, reached)]

    def _fact(self, slot: int) -> Reached:
        measure: Reaching = self.measures.all[slot]  # type: ignore[assignment]

        def reached(values: Values, anchor_ms: int, end_ms: int) -> bool:
            moment = measure.reached(values[slot], anchor_ms)
            return moment is not None and moment[0] < end_ms

        return reached

    def _names(self, slot: int, goal: ReachesNames) -> Reached:
        chain: Chain = self.measures.all[slot]  # type: ignore[assignment]
        names, at_least = goal.names.name, goal.at_least
        if at_least == EVERY:
            at_least = len(names) if isinstance(names, tuple) else 1
        assert isinstance(at_least, int)

        def reached(values: Values, anchor_ms: int, end_ms: int) -> bool:
            moments = chain.reached_by_name(values[slot], anchor_ms).values()
            return sum(m[0] < end_ms for m in moments) >= at_least

        return reached

    def _on_day(self, row: ConversionRow, goal: ActiveOnDay, n: int) -> Part:
        day_of, since_ms = self._calendar.day, row.since_ms(self._level, f"n={n}")
        slot = self.measures.days(goal.active_on, since_ms)

        def reached(values: Values, anchor_ms: int, end_ms: int) -> bool:
            if n == 0:
                return True  # day 0 is the cohort itself, whatever its first action was
            days = values[slot]
            return days is not None and days[ALL].has(day_of(anchor_ms) + n)

        tally = conversion.Tally(self._calendar, None, n)
        return self._converting(row, f"n={n}", tally, slot, reached)

    def _converting(
        self,
        row: ConversionRow,
        variant: str,
        tally: conversion.Tally,
        goal_slot: int,
        reached: Reached,
    ) -> Part:
        day_of, since_ms = self._calendar.day, row.since_ms(self._level, variant)
        anchor_slot = self.measures.first(row.anchor, since_ms)
        within_ms = (row.within_days or 0) * DAY_MS
        slots = {anchor_slot, goal_slot, *self._dimension_slots}
        before_slot = until_slot = None
        if row.not_before is not None:
            before_slot = self.measures.first(row.not_before, since_ms)
            slots.add(before_slot)
        if row.until is not None:
            until_slot = self.measures.reaching(row.anchor, row.until, since_ms)
            slots.add(until_slot)

        def outcome(values: Values) -> tuple[int, tuple[str, ...], bool] | None:
            """The anchor (UTC ms), where the subject counts, and whether the goal was reached; None
            if it takes no part.
            """
            anchor: FirstFact | None = values[anchor_slot]
            if anchor is None:
                return None
            anchor_ms = anchor[0]
            if before_slot is not None:
                before: FirstFact | None = values[before_slot]
                if before is not None and before[0] < anchor_ms:
                    return None
            end_ms = anchor_ms + within_ms
            if until_slot is not None:
                chain: Chain = self.measures.all[until_slot]  # type: ignore[assignment]
                until = chain.reached(values[until_slot], anchor_ms)
                end_ms = end_ms if until is None else min(end_ms, until[0])
            segments = self._segments(row, values, anchor)
            return anchor_ms, segments, reached(values, anchor_ms, end_ms)

        def add(found: tuple[int, tuple[str, ...], bool] | None, sign: int, into: Cells) -> None:
            if found is None:
                return
            anchor_ms, segments, success = found
            day, mature_ms = day_of(anchor_ms), tally.mature_ms(anchor_ms)
            for segment in segments:
                key = tally_key(row.id, variant, segment)
                into[key, conversion.ALL_SUBJECTS, day, mature_ms] += sign
                if success:
                    into[key, conversion.SUCCESSES, day, mature_ms] += sign

        def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
            was, now = outcome(old), outcome(new)
            if was != now:
                add(was, -1, cells)
                add(now, +1, cells)

        return Part(frozenset(slots), difference)

    def _joint(self, row: JointRow) -> Part:
        since_ms = row.since_ms(self._level)
        slot = self.measures.days(row.facts, since_ms)
        named = self.measures.days if row.variant is None else self.measures.days_by_name
        found = Joint(row, self._calendar, slot, named(row.also, since_ms))

        def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
            found.difference(old, new, moves)

        return Part(found.slots, difference)

    def _balance(self, row: BalanceRow) -> Part:
        slot = self.measures.timeline(row.of, row.since_ms(self._level))
        found = Balance(row, self._calendar, slot, self._dimensions)

        def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
            found.difference(old, new, moves)

        return Part(found.slots, difference)

    def _movement(self, row: MovementRow) -> Part:
        slot = self.measures.timeline(row.of, row.since_ms(self._level))
        found = Movement(row, self._calendar, slot, self._dimensions)
        return _of_cells(found.slots, found.add)

    def _membership(self, row: MembershipRow) -> Part:
        found = Membership(row, self.measures, self._calendar, row.since_ms(self._level))
        self.memberships.append(found)
        return _of_cells(found.slots, found.add)

    def _segments(self, row: Row, values: Values, fact: FirstFact | WholeFact) -> tuple[str, ...]:
        """Where a subject counts by a first fact: what that says, and the account's states then."""
        if not row.segments:
            return (ALL,)
        states = state_segments(self._dimensions, values, after(*fact[:2]))
        return (ALL, *fact[3], *states) if self._dimensions else (ALL, *fact[3])

    def _converting_names(self, row: ConversionRow, within_ms: int) -> Part:
        since_ms, day_of = row.since_ms(self._level), self._calendar.day
        assert isinstance(row.goal, ReachesFact)
        anchors = self.measures.first_by_name(row.anchor, since_ms)
        goals = self.measures.reaching_by_name(row.anchor, row.goal.first, since_ms)
        by_name: ByName = self.measures.all[goals]  # type: ignore[assignment]
        chain: Reaching = by_name.inner  # type: ignore[assignment]
        tally = conversion.Tally(self._calendar, within_ms, None)

        def add(values: Values, sign: int, into: Cells) -> None:
            reached = values[goals] or {}
            for name, anchor in (values[anchors] or {}).items():
                day, mature_ms = day_of(anchor[0]), tally.mature_ms(anchor[0])
                end = chain.reached(reached.get(name), anchor[0])
                for segment in self._segments(row, values, anchor):
                    key = tally_key(row.id, f"{row.each_name}={name}", segment)
                    into[key, conversion.ALL_SUBJECTS, day, mature_ms] += sign
                    if end is not None and end[0] < anchor[0] + within_ms:
                        into[key, conversion.SUCCESSES, day, mature_ms] += sign

        return _of_cells({anchors, goals, *self._dimension_slots}, add)

    def _lags(self, row: LagRow) -> list[Part]:
        ends = row.end if isinstance(row.end, dict) else {"": row.end}
        return [self._lag(row, variant, end) for variant, end in ends.items()]

    def _lag(self, row: LagRow, variant: str, end: FactSelector) -> Part:
        since_ms = row.since_ms(self._level, variant)
        anchor_slot = self.measures.first(row.anchor, since_ms)
        slot, ended = self._end(row, end, since_ms)
        day_of, by_end = self._calendar.day, row.cohort == "end"
        horizon_ms = None if row.within_days is None else row.within_days * DAY_MS

        def add(values: Values, sign: int, into: Cells) -> None:
            anchor: FirstFact | None = values[anchor_slot]
            if anchor is None:
                return
            anchor_ms = at_ms = anchor[0]
            end_ms = ended(values, anchor_ms)
            part, x = lag.OPEN, anchor_ms
            if end_ms is not None and (horizon_ms is None or end_ms - anchor_ms < horizon_ms):
                x = end_ms - anchor_ms
                part = (
                    lag.ENDED
                    if horizon_ms is None
                    else conversion.whole_hour_ms(anchor_ms + horizon_ms)
                )
            if by_end:
                if end_ms is None:
                    return
                at_ms = end_ms
            for segment in self._segments(row, values, anchor):
                into[tally_key(row.id, variant, segment), part, day_of(at_ms), x] += sign

        return _of_cells({anchor_slot, slot, *self._dimension_slots}, add)

    def _end(
        self, row: LagRow, end: FactSelector, since_ms: int | None
    ) -> tuple[int, Callable[[Values, int], int | None]]:
        """The measure of an end, and when it was reached from an anchor on (UTC ms)."""
        if row.names is None:
            slot = self.measures.reaching(row.anchor, end, since_ms)
            measure: Reaching = self.measures.all[slot]  # type: ignore[assignment]

            def reached_ms(values: Values, anchor_ms: int) -> int | None:
                moment = measure.reached(values[slot], anchor_ms)
                return moment and moment[0]

            return slot, reached_ms
        assert isinstance(row.names, tuple)
        names = end.model_copy(update={"name": row.names})
        slot, wanted = self.measures.names_reaching(row.anchor, names, since_ms), len(row.names)
        chain: Chain = self.measures.all[slot]  # type: ignore[assignment]

        def all_reached_ms(values: Values, anchor_ms: int) -> int | None:
            moments = chain.reached_by_name(values[slot], anchor_ms).values()
            return max(m[0] for m in moments) if len(moments) == wanted and wanted else None

        return slot, all_reached_ms


def _spans(number: int, slot: int, *, segments: bool) -> Part:
    """The spans of one group: its conditions over one measure of active days."""

    def difference(old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        before: dict[str, ActiveDays] = old[slot] or {}
        after: dict[str, ActiveDays] = new[slot] or {}
        for segment in before.keys() | after.keys() if segments else (ALL,):
            was, now = before.get(segment), after.get(segment)
            if was is not now:
                moves.add(number, segment, shape_of(was), shape_of(now))

    return Part(frozenset({slot}), difference)


def shape_of(days: ActiveDays | None) -> Shape | None:
    """The activity of one person."""
    return None if days is None else Shape(days.base, days.days, days.weeks, days.months)

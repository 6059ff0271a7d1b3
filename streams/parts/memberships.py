"""Rows about who is in, compiled: what follows from a subject's measures, for all times.

Facts and time alone move a subject in and out. What its measures say holds for the past and, if
nothing else happens, for the future: values count future edges from the start, as no period is
published before its time, and signals wait for theirs in the agenda.
"""

from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from operator import is_not
from types import MappingProxyType
from typing import Any

from schemas.conditions import AllHold, AnyHolds, Holds, HoldsNot, Member
from schemas.row_forms.people import MembershipRow
from schemas.times import iso
from streams.accounts.crowds import Crowds
from streams.contributions import Moves, tally_key
from streams.courses import (
    ALWAYS,
    AT_DAY_END,
    AT_INSTANT,
    Course,
    Edge,
    combined,
    sampled,
)
from streams.measures.kinds import ALL
from streams.measures.of_subjects import EntryValue, KeptEntry, Values, picked
from streams.parts.holding import Conditions, OnValue
from streams.parts.leaf import Leaf
from streams.parts.member_days import days_told
from streams.parts.part import Cells, Subject
from streams.parts.passages import OUT, Passage, Stand, Stands
from streams.parts.scores import Score
from streams.parts.standings import Standings

ENTERED = 0
STANDS_MAX = 1 << 15
"""So many stands of users are remembered of a membership: what one was, and is, is asked for
repeatedly. What they follow from stays in memory for so long.
"""
NOTHING_KEPT: KeptEntry = (-(1 << 62), None)


class Membership:
    """One row, for one kind of subject."""

    def __init__(
        self,
        row: MembershipRow,
        subject: Subject,
        crowds: Crowds | None,
        others: Mapping[str, "Membership"],
        scores: Mapping[str, Score],
    ) -> None:
        """`crowds`: what accounts know of their users; None for users. `others`, `scores`: the
        memberships, and the scores, that this may read.
        """
        self.row, self._calendar, self._measures = row, subject.calendar, subject.measures
        self.signals = f"{row.id}.enter", f"{row.id}.leave"
        """What is said of who enters, and of who leaves."""
        self._others = others
        self._conditions = Conditions(
            subject, subject.since_ms(row), crowds, scores, by_name=row.each_name is not None
        )
        self._standings = subject.standings(row)
        self._leaves: list[Leaf] = []
        self._needed: set[int] = set()
        """Numbers of the conditions without which nobody is in."""
        self._holds = self._compiled(row.when)
        self._one_condition = not isinstance(row.when, AllHold | AnyHolds | HoldsNot)
        self.slots = frozenset[int]().union(*(leaf.slots for leaf in self._leaves))
        """The measures it follows from."""
        self._measures_of = picked(self.slots)
        self._known: dict[tuple[int, ...], tuple[Stand, tuple[Any, ...]]] = {}
        """By the identities of the measures, which stand behind so that nothing else gets them."""
        self._place = self._entry = self._kept = self._days = None
        if crowds is not None:
            self._kept = self._measures.found(f"kept entry {row.id}", [], subject.since_ms(row))
            self._place = self._measures.found(f"stand {row.id}", [])
            self._entry = self._measures.entry(row.id)
            if subject.splits_by(row.id):
                self._days = self._measures.days_in(row.id)

    @property
    def read(self) -> frozenset[int]:
        """The measures that say how a subject stands."""
        return self.slots if self._place is None else frozenset({self._place})

    @property
    def counted_by(self) -> frozenset[int]:
        """The measures that its contributions follow from."""
        return self.read if self._standings is None else self.read | self._standings.slots

    @property
    def entry(self) -> int | None:
        """Where it puts the first entry of an account."""
        return self._entry

    @property
    def found(self) -> frozenset[int]:
        """Where it puts how an account stands, and finds what others put there."""
        places = (self._place, self._entry, self._kept, self._days)
        return frozenset(slot for slot in places if slot is not None).union(self.on_values)

    @property
    def on_values(self) -> Mapping[int, OnValue]:
        """Its conditions on values of an account, by where their courses are."""
        return self._conditions.on_values

    @property
    def kept(self) -> int | None:
        """Where it finds a first entry that was kept."""
        return self._kept

    def find(self, old: Values, values: list[Any], account: str, watermark_ms: int | None) -> None:
        """Puts how an account stands, its days and its first entry into their places.

        `old`: its measures before. An entry by time alone is one once the watermark shows it.
        """
        assert self._place is not None
        assert self._entry is not None
        if self.reads_other_things(old, values):
            stand = self._new(values, old, old[self._place] or OUT)
            if stand != values[self._place]:
                values[self._place] = stand
                self._put_days(values)
        entry = self._first_entry(values, account, watermark_ms)
        if entry != values[self._entry]:
            values[self._entry] = entry

    def _put_days(self, values: list[Any]) -> None:
        if self._days is not None:
            found = days_told(self.days_of_edges(values), self._calendar)
            if found != values[self._days]:
                values[self._days] = found

    def _first_entry(
        self, values: Values, account: str, watermark_ms: int | None
    ) -> EntryValue | None:
        assert self._kept is not None
        before_ms, entry = values[self._kept] or NOTHING_KEPT
        if entry is not None:
            return entry
        course, _, due = self.stand(values)
        entries = zip(course[::2], due[::2], strict=True)
        first = next((entry for entry in entries if entry[0][0] >= before_ms), None)
        if first is None:
            return None
        (ms, phase), due_ms = first
        if due_ms is not None and (watermark_ms is None or due_ms > watermark_ms):
            return None
        return ms, "", account, (), phase

    def keep_entry(self, values: list[Any], before_ms: int) -> None:
        """Keeps the first entry of an account, if it lies before a time; else that there is none,
        as what it would follow from may be forgotten.
        """
        assert self._entry is not None
        assert self._kept is not None
        entry: EntryValue | None = values[self._entry]
        values[self._kept] = before_ms, entry if entry and entry[0] < before_ms else None

    def stand(self, values: Values) -> Stand:
        if self._place is None:
            return self._found(values)
        return values[self._place] or OUT

    def _found(self, values: Values, old: Values = (), before: Stand = OUT) -> Stand:
        """How a user stands; how it stood `before`, by its `old` measures, says much of it."""
        measures = self._measures_of(values)
        place = tuple(map(id, measures))
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= STANDS_MAX:
                self._known.clear()
            known = self._known[place] = self._new(values, old, before), measures
        return known[0]

    def _new(self, values: Values, old: Values, before: Stand) -> Stand:
        courses: list[Course] = []
        for leaf, course in zip_longest(self._leaves, before.because):
            if course is None:
                course = self._course(leaf, values)
            else:
                course = self._again(leaf, course, old, values)
            courses.append(course)
            if not course and len(courses) - 1 in self._needed:
                return Stand((), courses, [])  # whatever else holds
        course = courses[0] if self._one_condition else combined(courses, self._holds)
        by_facts = any(phase == AT_INSTANT for _, phase in course)
        instants = self._instants(values) if by_facts else ()
        return Stand(course, courses, [_due_ms(edge, instants) for edge in course])

    def _again(self, leaf: Leaf, course: Course, old: Values, values: Values) -> Course:
        """The course of a condition, from what it was by the `old` measures."""
        if all(old[slot] is values[slot] for slot in leaf.slots):
            return course
        if leaf.again is None or all(old[slot] is None for slot in leaf.slots):
            return self._course(leaf, values)
        return leaf.again(course, old, values)

    def _course(self, leaf: Leaf, values: Values) -> Course:
        course = leaf.course(values)
        if not course or self.row.check == "instant":
            return course
        return sampled(course, partial(self._day_end, leaf, values))

    def _day_end(self, leaf: Leaf, values: Values, edge: Edge) -> Edge:
        """The day end at which an edge is seen. A fact at midnight belongs to the day it begins."""
        ms, phase = edge
        if phase == AT_DAY_END:
            return edge
        day = self._calendar.day(ms)
        if ms == self._calendar.day_start_ms(day) and ms not in leaf.instants(values):
            return ms, AT_DAY_END
        return self._calendar.day_start_ms(day + 1), AT_DAY_END

    def difference(self, old: Values, new: Values, moves: Moves, cells: Cells) -> None:
        """Adds what a subject contributes now minus what it contributed before."""
        if self.row.each_name is not None:
            for sign, values in ((-1, old), (+1, new)):
                for variant, of in self._variants(values):
                    self._add(variant, self.stand(of).course, values, sign, cells)
            return
        before = self.stand(old)
        now = self._found(new, old, before) if self._place is None else self.stand(new)
        if self._standings is None and before.course == now.course:
            return  # as for most: what has changed does not move them
        self._add("", before.course, old, -1, cells)
        self._add("", now.course, new, +1, cells)

    def _add(self, variant: str, course: Course, values: Values, sign: int, into: Cells) -> None:
        """Adds what a subject contributes that is in at these times, times a sign."""
        if not course:
            return
        entries = self.row.value == "entries"
        tally = tally_key(self.row.id, variant, ALL)
        for number, edge in enumerate(course):
            leaves = number % 2
            if not (leaves and entries):
                into[tally, ENTERED, self.day(edge), 0] += -sign if leaves else sign
        if self._standings is not None:
            moves = self._entries if entries else self._stays
            for segment, day, n in moves(course, values, self._standings):
                into[tally_key(self.row.id, variant, segment), ENTERED, day, 0] += sign * n

    def _entries(
        self, course: Course, values: Values, standings: Standings
    ) -> Iterator[tuple[str, int, int]]:
        """(segment that a subject has at an entry, day, 1)"""
        for edge in course[::2]:
            for segment in standings.at_entry(edge, values):
                yield segment, self.day(edge), 1

    def _stays(
        self, course: Course, values: Values, standings: Standings
    ) -> Iterator[tuple[str, int, int]]:
        """(segment, day, change): a subject that is in is so by what it stands at when a day ends,
        and moves from one segment to another when that is another one.
        """
        days = [self.day(edge) for edge in course]
        before: tuple[str, ...] = ()
        for day in sorted({*days, *standings.days_of_change(values)}) if days else ():
            now: tuple[str, ...] = ()
            if bisect_right(days, day) % 2:
                now = standings.at_end_of(day, values)
            if now != before:
                yield from ((segment, day, -1) for segment in before)
                yield from ((segment, day, +1) for segment in now)
            before = now

    def _variants(self, values: Values) -> Iterator[tuple[str, Values]]:
        """The variants that a subject may be in, each with the measures of its name."""
        each = self.row.each_name
        if each is None:
            yield "", values
            return
        for name in sorted({name for slot in self.slots for name in values[slot] or ()}):
            of = [*values]
            for slot in self.slots:
                of[slot] = (values[slot] or {}).get(name)
            yield f"{each}={name}", of

    def days_of_edges(self, values: Values) -> list[int]:
        """The days at whose ends a subject is in from then on, is out, and so on."""
        return [self.day(edge) for edge in self.stand(values).course]

    def stands(self, values: Values) -> Stands:
        if self.row.each_name is None:
            return [("", self.stand(values))]
        return [(variant, self.stand(of)) for variant, of in self._variants(values)]

    def passages(
        self, stands: Stands, without: Mapping[str, int] = MappingProxyType({})
    ) -> Iterator[Passage]:
        """Every entry and exit, past and, as far as can be told, to come; of a variant `without` so
        many first ones.
        """
        for variant, stand in stands:
            yield from self._passages_of(variant, stand, without.get(variant, 0))

    def reads_other_things(self, old: Values, new: Values) -> bool:
        """Whether some measure is another one."""
        return any(map(is_not, self._measures_of(old), self._measures_of(new)))

    def _passages_of(self, variant: str, stand: Stand, first: int) -> Iterator[Passage]:
        for number in range(first, len(stand.course)):
            enters = number % 2 == 0
            if enters or self.row.value == "members":
                edge, due_ms = stand.course[number], stand.due_ms[number]
                evidence = {"because": self.because(edge, stand)}
                yield Passage(self.signals[number % 2], variant, edge[0], due_ms, evidence)

    def because(self, edge: Edge, stand: Stand) -> list[dict[str, Any]]:
        """The conditions that hold from an edge of a stand on, and since when."""
        return [
            {"condition": leaf.words, "since": _shown(course[at - 1])}
            for leaf, course in zip(self._leaves, stand.because, strict=True)
            if (at := bisect_right(course, edge)) % 2
        ]

    def _instants(self, values: Values) -> set[int]:
        """Times of the facts that may begin or end a condition (UTC ms)."""
        return {ms for leaf in self._leaves for ms in leaf.instants(values)}

    def day(self, edge: Edge) -> int:
        """The day from whose end on an edge shows."""
        ms, phase = edge
        return self._calendar.day(ms - 1 if phase == AT_DAY_END else ms)

    # ---- conditions

    def _compiled(self, when: Holds, *, needed: bool = True) -> Callable[[Sequence[bool]], bool]:
        """`needed`: where it does not hold, nobody is in."""
        if isinstance(when, AllHold | AnyHolds):
            parts = when.all if isinstance(when, AllHold) else when.any
            each_needed = needed and isinstance(when, AllHold)
            tests = [self._compiled(part, needed=each_needed) for part in parts]
            fold = all if isinstance(when, AllHold) else any
            return lambda states: fold(test(states) for test in tests)
        if isinstance(when, HoldsNot):
            test = self._compiled(when.not_, needed=False)
            return lambda states: not test(states)
        number = len(self._leaves)
        leaf = self._member(when) if isinstance(when, Member) else self._conditions.leaf(when)
        self._leaves.append(leaf)
        if needed:
            self._needed.add(number)
        return lambda states: states[number]

    def _member(self, when: Member) -> Leaf:
        other = self._others[when.member]

        def instants(values: Values) -> Iterator[int]:
            return (ms for leaf in other._leaves for ms in leaf.instants(values))

        words = when.member.replace("_", " ")
        return Leaf(words, other.read | other.slots, lambda v: other.stand(v).course, instants)


def _due_ms(edge: Edge, instants: Container[int]) -> int | None:
    """The watermark that shows an edge: see Stand.

    A fact at the very instant may still prevent what time brings there.
    """
    ms, phase = edge
    if phase == AT_DAY_END:
        return ms
    return None if ms in instants else ms + 1


def _shown(edge: Edge) -> str | None:
    """When something began; None: it was never otherwise."""
    return None if edge == ALWAYS[0] else iso(edge[0])

"""What events of one meaning do to a membership: found once, and looked up for every event."""

from collections.abc import Container
from typing import NamedTuple

from schemas.batches import Attributes, FactOfEvent, Meaning, types_in
from schemas.fact_kinds import REPEATABLE, THING_KINDS, VALUED_KINDS
from schemas.keys import thing_key
from schemas.row_forms.people import LaunchRow
from schemas.rows import FactRow, adds_facts
from streams.compiled_plan import CompiledPlan
from streams.fact_batches import Code
from streams.fact_cells import Addition, additions, kinds_added
from streams.measures.by_days import COUNTED
from streams.measures.kinds import Counting, Measure, Open, reads
from streams.measures.of_subjects import Step, TakenBy

MARKS_MAX = 512
CODES_MAX = 100_000
Key = tuple[Meaning, tuple[str, ...]]
"""What an event means, and the segments it belongs to."""


class Taker(NamedTuple):
    """A measure of a membership that takes facts of an event, and who hears of its changes."""

    slot: int
    measure: Measure
    is_open: bool
    """True: any fact may be news to it."""
    is_heard: bool
    """True: values of the account follow from it in each person."""
    is_news: bool
    """True: users hears of it."""
    is_of_all: bool
    """True: it is kept of all members together, too."""


class MemberStep(NamedTuple):
    """A fact of an event, and what it may change in a membership."""

    kind: str
    name: str | None
    attributes: Attributes
    takers: tuple[Taker, ...]


class Coded(NamedTuple):
    """What events of one code do to a membership."""

    code: Code
    steps: tuple[MemberStep, ...]
    open_steps: tuple[MemberStep, ...]
    """The same with such measures only to which an event may be news that repeats others; empty
    if there are none.
    """
    thing_steps: tuple[Step, ...]
    """What its facts do to the things that they are about."""
    steps_in_account: tuple[Step, ...]
    """The same for what an account has to know of these; empty if that is nothing of any thing."""
    things: tuple[tuple[int, str], ...]
    """(number of the fact, key) of the things that an account has to know."""
    of_business: bool
    """True: the ids of such events are remembered for longer."""
    additions: tuple[Addition, ...]
    """What each such event adds to rows that are added up from facts."""
    counted: tuple[tuple[FactOfEvent, int], ...]
    """(what tells users a count, number of the facts of such an event that it counts)."""
    for_everybody: bool
    """True: it is a launch, of which all users hear."""
    counts: bool
    """True: it matters that such an event does not come twice."""
    mark: int
    """The bit that stands for the code in `Member.closed`; 0 for those that hardly come again, and
    if there are too many."""


class EventCodes:
    """The codes that were met."""

    def __init__(self, compiled: CompiledPlan) -> None:
        self._member, self._things = compiled.member, compiled.things
        rows = compiled.catalogue.rows.values()
        self._launches = [row.launch for row in rows if isinstance(row, LaunchRow)]
        self._rows_of_facts = [row for row in rows if adds_facts(row)]
        self._told = frozenset(row.id for row in compiled.split_by_traits)
        self._rows_of_kinds: dict[tuple[str, ...], list[FactRow]] = {}
        self._takers: dict[TakenBy, tuple[Taker, ...]] = {}
        """Most codes are one of a kind, and most of what they do is alike."""
        self._coded: dict[tuple[Key, tuple[type, ...]], Coded] = {}
        self._marks: dict[Key, int] = {}

    def of(self, key: Key) -> Coded:
        place = key, types_in(key[0])
        coded = self._coded.get(place)
        if coded is None:
            if len(self._coded) >= CODES_MAX:
                self._coded.clear()  # marks keep their meaning: beyond the first there are none
            coded = self._coded[place] = self._compiled(key)
        return coded

    def _compiled(self, key: Key) -> Coded:
        meaning, things = key[0], self._things
        steps = tuple(map(self._step, meaning))
        # An event whose facts carry something is nearly one of a kind, and not to be passed over
        # because another one of the day told nothing new.
        if len(self._marks) < MARKS_MAX and not any(
            attributes or kind in VALUED_KINDS or kind in THING_KINDS
            for kind, _, attributes in meaning
        ):
            self._marks.setdefault(key, 1 << len(self._marks))
        thing_steps = tuple(things.measures.step(fact) for fact in meaning)
        asked = things.account.slots
        in_account = _read_in(thing_steps, asked) if asked else ()
        added = additions(self._rows_of(meaning), *key, self._told)
        found = {
            id: sum(reads(facts, *fact) for fact in meaning)
            for id, facts in self._member.measures.counted.items()
        }
        counted = tuple(((COUNTED, id, ()), n) for id, n in found.items() if n)
        return Coded(
            Code(*key),
            steps,
            _open(steps),
            thing_steps,
            in_account,
            tuple(
                (number, thing_key(kind, name))
                for number, (kind, name, _, measures) in enumerate(in_account)
                if kind in THING_KINDS and name is not None and measures
            ),
            any(kind not in REPEATABLE for kind, _, _ in meaning),
            added,
            counted,
            any(reads(launch, *fact) for launch in self._launches for fact in meaning),
            bool(added or counted)
            or any(isinstance(each.measure, Counting) for step in steps for each in step.takers),
            self._marks.get(key, 0),
        )

    def _step(self, fact: FactOfEvent) -> MemberStep:
        kind, name, attributes, measures = self._member.measures.step(fact)
        takers = self._takers.get(measures)
        if takers is None:
            takers = self._takers[measures] = tuple(map(self._taker, measures))
        return MemberStep(kind, name, attributes, takers)

    def _taker(self, taken_by: tuple[int, Measure]) -> Taker:
        (slot, measure), of = taken_by, self._member
        is_of_all = slot in of.together_slots
        is_open = isinstance(measure, Open)
        return Taker(slot, measure, is_open, slot in of.heard, slot in of.news, is_of_all)

    def _rows_of(self, meaning: Meaning) -> list[FactRow]:
        """The rows that are added up from facts of such kinds."""
        kinds = tuple(kind for kind, _, _ in meaning)
        found = self._rows_of_kinds.get(kinds)
        if found is None:
            found = self._rows_of_kinds[kinds] = [
                row for row in self._rows_of_facts if kinds_added(row).intersection(kinds)
            ]
        return found


def _open(steps: tuple[MemberStep, ...]) -> tuple[MemberStep, ...]:
    found = tuple(
        step._replace(takers=tuple(each for each in step.takers if each.is_open)) for step in steps
    )
    return found if any(step.takers for step in found) else ()


def _read_in(steps: tuple[Step, ...], slots: Container[int]) -> tuple[Step, ...]:
    """The same with these measures only."""
    return tuple(
        step._replace(measures=tuple(each for each in step.measures if each[0] in slots))
        for step in steps
    )

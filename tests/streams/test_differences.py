"""What follows from a subject is told as differences: step by step they come to all of it at once.

One subject with many facts, for all rows: whatever is spared by telling what has changed only, it
may not tell anything else.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from schemas.fact_kinds import CARRIES
from schemas.times import DAY_MS, HOUR_MS, parse_iso
from streams.agenda import Coming
from streams.compiled_plan import CompiledPlan
from streams.contributions import Deltas, Moves
from streams.launches import Launches
from streams.measures.kinds import Fact
from streams.parts.passages import Passage, news
from streams.program import SubjectProgram
from streams.signals import Standing
from tests.laws import examples
from tests.test_catalogue_properties import (
    DAYS,
    FIRST_DAY_MS,
    NAMES,
    TASKS,
    USES,
    WORDS,
    everything,
)

ACCOUNT = "a:a1"
UNTIL_MS = parse_iso("2026-06-01T00:00:00Z")
SEGMENTS = ((), ("campaign=x",))
Event = tuple[str, dict[str, Any]]
"""Kind and properties."""
Steps = list[list[Any]]

SUBJECTS = examples(400)
"""So many are drawn."""


@cache
def compiled() -> CompiledPlan:
    return CompiledPlan(everything())


@cache
def programs() -> dict[str, SubjectProgram]:
    plan = compiled()
    return {
        "a person": plan.person,
        "a person in an account": plan.member.person,
        "an account": plan.member.together,
        "an account, for itself": plan.member.standing,
        "a thing": plan.things.company,
        "a thing, for its account": plan.things.account,
    }


def fact_of(number: int, event: Event, ms: int, segments: tuple[str, ...]) -> Fact:
    kind, properties = event
    attributes = {name: of for name, of in properties.items() if name not in ("name", "value")}
    return Fact(
        kind,
        properties.get("name"),
        (ms, f"m{number}", ACCOUNT),
        compiled().calendar.day(ms),
        segments,
        tuple(sorted(attributes.items())),
        properties.get("value"),
    )


def histories(program: SubjectProgram, facts: list[Fact]) -> Steps:
    """The measures of a subject at first, and after each fact."""
    found, launches = [program.empty()], Launches(program.launches)
    for fact in facts:
        values = [*found[-1]]
        step = program.measures.step((fact.kind, fact.name, fact.attributes))
        for slot, measure in step.measures:
            values[slot] = measure.add(values[slot], fact)
        launches = launches.with_fact(fact)
        values = [*launches.put(values)]
        if program.found:
            program.find(found[-1], values, ACCOUNT, UNTIL_MS)
        found.append(values)
    return found


def told(program: SubjectProgram, steps: Steps) -> Counter[Any]:
    """What is told from each to the next, added up: cells, and by where runs of periods change."""
    calendar, deltas = compiled().calendar, Deltas()
    for old, new in pairwise(steps):
        moves = Moves(program.groups, calendar)
        program.difference(old, new, moves, deltas.cells)
        moves.spell_out(deltas)
    found: Counter[Any] = Counter(deltas.cells)
    for (key, start, end), n in deltas.spans.items():
        found[key, start] += n
        if end is not None:
            found[key, end] -= n
    return Counter({place: n for place, n in found.items() if n})


def drawn_event(random: Random, kinds: Sequence[str]) -> Event:
    kind = random.choice(kinds)
    carries, properties = CARRIES[kind], dict[str, Any]()
    if carries.name is not None:
        names = TASKS if kind == "key_task" else NAMES.get(kind, ("x", "y"))
        properties["name"] = random.choice(names)
    if carries.value is not None and random.random() < 0.8:
        properties["value"] = random.choice((0, 3, 9, 1000, -200))
    for attribute in carries.attributes:
        if attribute in WORDS and random.random() < 0.8:
            properties[attribute] = random.choice(WORDS[attribute])
    return kind, properties


def drawn_facts(random: Random) -> list[Fact]:
    """A few kinds of facts, each many times: so what follows from them meets."""
    some = [random.choice(USES), "activity", *random.sample([*CARRIES], 3)]
    events = [drawn_event(random, some) for _ in range(random.randint(2, 8))]
    if random.random() < 0.3:
        events += [("delivery", {"status": "shipped", "name": name}) for name in ("x", "y")]
    days = random.randint(5, DAYS)
    facts = []
    for number in range(random.randint(10, 60)):
        ms = (
            FIRST_DAY_MS
            + random.randrange(days) * DAY_MS
            + random.choice((0, HOUR_MS, 9 * HOUR_MS))
        )
        facts.append(fact_of(number, random.choice(events), ms, random.choice(SEGMENTS)))
    if random.random() < 0.7:
        facts.sort(key=lambda fact: fact.moment)
    return facts


def some_steps(program: SubjectProgram, random: Random) -> Steps:
    """The measures of a subject at first, now and then, and in the end."""
    steps = histories(program, drawn_facts(random))
    between = random.sample(range(1, len(steps) - 1), random.randint(1, min(8, len(steps) - 2)))
    return [steps[0], *(steps[number] for number in sorted(between)), steps[-1]]


@pytest.mark.parametrize("subject", programs())
def test_contributions_told_step_by_step_add_up_to_all_of_them(subject: str):
    program = programs()[subject]
    for seed in range(SUBJECTS):
        steps = some_steps(program, Random(seed))
        assert told(program, steps) == told(program, [steps[0], steps[-1]]), seed


def standing(passage: Passage) -> Standing:
    signal, variant, at_ms, _, evidence = passage
    return Standing(signal, variant or None, "u1", None, "u1", at_ms, evidence)


def given_signals(
    program: SubjectProgram, steps: Steps, watermarks_ms: list[int]
) -> dict[Any, Standing]:
    """The signals that stand in the end, where each step is seen at a watermark."""
    stood: dict[Any, Standing] = {}
    coming: list[Coming] = []
    before_ms: int | None = None
    for (old, new), now_ms in zip(pairwise(steps), watermarks_ms, strict=True):
        touched = program.touched(old, new)
        was, now, coming = news(
            program.memberships, touched, old, new, before_ms, now_ms, standing, coming
        )
        for place in was.keys() | now.keys():
            if was.get(place) != now.get(place):
                assert stood.get(place) == was.get(place), "what is taken back has been told so"
                stood.pop(place, None)
            if place in now:
                stood[place] = now[place]
        before_ms = now_ms
    return stood


@pytest.mark.parametrize("subject", ["a person", "an account"])
def test_signals_given_step_by_step_are_all_that_stand_in_the_end(subject: str):
    program = programs()[subject]
    for seed in range(SUBJECTS):
        random = Random(seed)
        steps = some_steps(program, random)
        some_ms = sorted(
            FIRST_DAY_MS + random.randrange(DAYS + 20) * DAY_MS for _ in range(len(steps) - 2)
        )
        at_once = given_signals(program, [steps[0], steps[-1]], [UNTIL_MS])
        assert given_signals(program, steps, [*some_ms, UNTIL_MS]) == at_once, seed

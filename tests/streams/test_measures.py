"""Laws that every measure obeys, and what each of them finds, against the whole list of facts."""

from collections.abc import Callable, Sequence
from itertools import permutations
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plan.check import load_plan
from schemas.selectors import FactSelector
from schemas.times import DAY_MS, HOUR_MS
from streams.calendar import Calendar
from streams.measures.activation_rules import AllNames, DaysWithin, NthTime
from streams.measures.by_days import Days, FirstsOfDay, LatestOfDays
from streams.measures.kinds import (
    ALL,
    MOMENTS_BEFORE_ANCHOR_MAX,
    Chain,
    Fact,
    First,
    Measure,
    WholeTimeline,
    reads,
)
from streams.measures.of_subjects import Measures
from streams.measures.recent import Recent
from streams.measures.steps import Steps
from tests.laws import examples, law

CALENDAR = Calendar("Europe/Berlin")
FIRST_DAY_MS = 20_000 * DAY_MS
TASKS = ("one", "two", "three")

ACTIVITY = FactSelector(kind="activity")
FIRST_ACTION = FactSelector(kind="first_action")
ACTIVATION = FactSelector(kind="activation")
KEY_TASK = FactSelector(kind="key_task")
TWO_TASKS = FactSelector(kind="key_task", name=("one", "two"))

STEPS = FactSelector(kind="key_task", name=("two", "one", "three"))

MEASURES: dict[str, Measure] = {
    "days": Days(ACTIVITY, CALENDAR),
    "first": First(ACTIVITY),
    "first of some names": First(TWO_TASKS),
    "chain": Chain(FIRST_ACTION, ACTIVATION),
    "chain from its own kind": Chain(ACTIVITY, ACTIVITY),
    "chain by name": Chain(FIRST_ACTION, KEY_TASK, by_name=True),
    "second time": NthTime(ACTIVATION, 2),
    "third time": NthTime(ACTIVATION, 3),
    "two days of three": DaysWithin(ACTIVATION, 2, 3),
    "three days": DaysWithin(ACTIVATION, 3, None),
    "latest of days": LatestOfDays(TWO_TASKS, valued=False),
    "steps": Steps(FIRST_ACTION, STEPS, 2 * DAY_MS),
    "whole timeline": WholeTimeline(KEY_TASK),
    "all names": AllNames(TWO_TASKS, ("one", "two")),
    "last events": Recent(3),
}
PLAN = load_plan("{product: Desk, inputs: [{topic: events, format: segment}], activity: all}")
few = settings(law, max_examples=examples(30))
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())


def made(kind: str, name: str | None, day: int, hour: int, twin: bool) -> Fact:
    """Its id, account and segment follow from what it is and when; twins share their instant."""
    time_ms = FIRST_DAY_MS + day * DAY_MS + hour * HOUR_MS
    segment = ("country=se", "country=fr")[hour % 2]
    id = f"{kind[:5]}{name or ''}{day}{hour}{twin}"
    return fact_at(time_ms, id, "a:1" if twin else "", kind, name, (segment,))


def fact_at(
    time_ms: int,
    id: str,
    account: str,
    kind: str,
    name: str | None = None,
    segments: tuple[str, ...] = (),
) -> Fact:
    return Fact(kind, name, (time_ms, id, account), CALENDAR.day(time_ms), segments)


KINDS = [("activity", None), ("first_action", None), ("activation", None)]
FACTS = [
    made(kind, name, day, hour, twin)
    for kind, name in KINDS + [("key_task", task) for task in TASKS]
    for day in range(5)
    for hour in (0, 1, 8, 20, 22, 23)
    for twin in (False, True)
]
STEPS_OF_DAYS = [
    fact
    for fact in FACTS
    if fact.kind in ("first_action", "key_task") and fact.moment[0] < FIRST_DAY_MS + 3 * DAY_MS
]
facts = st.sampled_from(FACTS)
logs = st.lists(facts, max_size=14)


def read_by(measure: Measure, log: Sequence[Fact]) -> list[Fact]:
    return [f for f in log if any(reads(s, f.kind, f.name) for s in measure.selectors)]


def value_of(measure: Measure, log: Sequence[Fact]) -> Any:
    value = None
    for fact in read_by(measure, log):
        value = measure.add(value, fact)
    return value


def copied(measure: Measure, value: Any) -> Any:
    """The value as a restart would have it; None if it is empty."""
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(measure.packed(value)))
    return measure.unpacked(read) or None


# ---- laws


@each_measure
@few
@given(logs, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_value(
    measure: Measure, log: list[Fact], random: Random
):
    shuffled = log + log[:3]
    random.shuffle(shuffled)

    assert value_of(measure, shuffled) == value_of(measure, log)


@each_measure
@few
@given(logs, facts)
def test_values_never_change_and_what_is_no_news_gives_the_same_object(
    measure: Measure, log: list[Fact], fact: Fact
):
    if not read_by(measure, [fact]):
        return
    value = value_of(measure, log)
    before = copied(measure, value)
    found = measure.add(value, fact)

    assert copied(measure, value) == before
    assert (found is value) == (found == value)
    assert measure.add(found, fact) is found


@each_measure
@settings(law, max_examples=examples(150))
@given(st.data())
def test_what_a_measure_calls_closed_it_knows_for_the_rest_of_the_day(
    measure: Measure, data: st.DataObject
):
    of_two_days = [
        fact for fact in read_by(measure, FACTS) if fact.moment[0] < FIRST_DAY_MS + DAY_MS
    ]
    some = st.sampled_from(of_two_days)
    fact = data.draw(some)
    value = value_of(measure, [*data.draw(st.lists(some, max_size=5)), fact])
    if not measure.closed(value, fact):
        return
    for other in data.draw(st.lists(some, max_size=3)):
        value = measure.add(value, other)
    later_ms = fact.moment[0] + data.draw(st.integers(1, 20)) * HOUR_MS
    later = fact_at(later_ms, "later", fact.moment[2], fact.kind, fact.name, fact.segments)
    if later.day == fact.day:
        assert measure.add(value, later) is value


@each_measure
@few
@given(st.lists(logs, min_size=2, max_size=3))
def test_values_merge_to_the_value_of_all_facts_in_any_grouping(
    measure: Measure, parts: list[list[Fact]]
):
    values = [value_of(measure, part) for part in parts]
    before = [copied(measure, value) for value in values]
    whole = copied(measure, value_of(measure, [fact for part in parts for fact in part]))

    assert copied(measure, measure.merge(values)) == whole
    assert copied(measure, measure.merge(values[::-1])) == whole
    nested = measure.merge([values[0], measure.merge(values[1:])])
    assert copied(measure, nested) == whole
    assert copied(measure, measure.merge([nested, nested, values[0], None])) == whole
    assert [copied(measure, value) for value in values] == before, "a merge changed its parts"


@each_measure
@few
@given(logs)
def test_a_value_comes_back_through_msgpack(measure: Measure, log: list[Fact]):
    value = value_of(measure, log)

    assert copied(measure, value) == value


@each_measure
def test_nothing_merges_to_nothing(measure: Measure):
    assert not measure.merge([None, None])


# ---- what they find

Ends = Callable[[Sequence[Fact]], "int | None"]


def times(log: Sequence[Fact], selector: FactSelector) -> list[int]:
    return sorted({f.moment[0] for f in log if reads(selector, f.kind, f.name)})


def moments(log: Sequence[Fact], selector: FactSelector) -> list[tuple[int, str, str]]:
    return sorted({f.moment for f in log if reads(selector, f.kind, f.name)})


@law
@given(logs)
def test_days_are_the_local_days_with_activity_in_all_and_in_each_segment(log: list[Fact]):
    value = value_of(MEASURES["days"], log) or {}
    active = [f for f in log if f.kind == "activity"]

    for segment in (ALL, "country=se", "country=fr"):
        expected = {f.day for f in active if segment == ALL or segment in f.segments}
        found = value.get(segment)
        assert (found is not None) == bool(expected)
        if found is not None:
            window = range(min(expected) - 2, max(expected) + 3)
            assert {day for day in window if found.has(day)} == expected


@law
@given(logs)
def test_the_first_fact_is_the_earliest_by_time_and_then_by_id(log: list[Fact]):
    measure = First(ACTIVITY)
    value = value_of(measure, log)

    expected = min(
        (f for f in log if f.kind == "activity"),
        key=lambda f: f.moment[:2],
        default=None,
    )
    assert measure.first(value) == (None if expected is None else expected.moment)
    if expected is not None:
        assert value[3] == expected.segments


@law
@given(logs)
def test_a_chain_finds_the_first_end_at_or_after_the_anchor(log: list[Fact]):
    chain = Chain(FIRST_ACTION, ACTIVATION)
    value = value_of(chain, log)
    anchors, ends = times(log, FIRST_ACTION), moments(log, ACTIVATION)

    assert chain.first(value) == (ends[0] if ends else None)
    if anchors:
        after = [end for end in ends if end[0] >= anchors[0]]
        assert chain.reached(value, anchors[0]) == (after[0] if after else None)


@settings(law, max_examples=examples(200))
@given(st.lists(st.sampled_from(STEPS_OF_DAYS), max_size=14))
def test_steps_are_the_first_times_that_are_not_before_the_step_before(log: list[Fact]):
    measure = Steps(FIRST_ACTION, STEPS, 2 * DAY_MS)
    anchors = [fact.moment[0] for fact in log if fact.kind == "first_action"]
    if not anchors:
        return
    found, step_ms = list[int](), min(anchors)
    for name in ("two", "one", "three"):
        times = [fact.moment[0] for fact in log if fact.name == name and fact.moment[0] >= step_ms]
        if not times or min(times) >= min(anchors) + 2 * DAY_MS:
            break
        step_ms = min(times)
        found.append(step_ms)

    assert measure.reached(value_of(measure, log), min(anchors)) == found


@law
@given(logs)
def test_a_chain_by_name_finds_the_first_end_of_each_name(log: list[Fact]):
    chain = Chain(FIRST_ACTION, KEY_TASK, by_name=True)
    anchors = times(log, FIRST_ACTION)
    if not anchors:
        return
    expected = {}
    for name in TASKS:
        ends = moments(log, FactSelector(kind="key_task", name=name))
        after = [end for end in ends if end[0] >= anchors[0]]
        if after:
            expected[name] = after[0]

    assert chain.reached_by_name(value_of(chain, log), anchors[0]) == expected


def test_a_chain_keeps_no_more_than_it_may_need():
    chain = Chain(FIRST_ACTION, ACTIVATION)
    ends = [fact_at(ms, f"e{ms}", "", "activation") for ms in range(1, 201)]
    without = value_of(chain, ends)
    anchored = value_of(chain, [fact_at(50, "s", "", "first_action"), *ends])

    assert [m[0] for m in without[1][""]] == list(range(1, MOMENTS_BEFORE_ANCHOR_MAX + 1))
    assert [m[0] for m in anchored[1][""]] == list(range(1, 51))


@law
@given(st.permutations([*enumerate("abcde")]), st.integers(1, 6))
def test_the_last_events_are_kept_whole(order: list[tuple[int, str]], n: int):
    """Each means two things, which come one after the other."""
    measure, value = Recent(n), None
    for hour, id in order:
        for kind, name in (("key_task", "one"), ("activity", None)):
            value = measure.add(value, fact_at(FIRST_DAY_MS + hour * HOUR_MS, id, "", kind, name))
    meaning = (("activity", None), ("key_task", "one"))
    every = [(FIRST_DAY_MS + hour * HOUR_MS, id, meaning) for hour, id in enumerate("abcde")]
    assert [*(value or ())] == every[-n:]


@given(logs, st.sampled_from((2, 3)))
def test_the_nth_time_is_the_nth_of_all(log: list[Fact], n: int):
    measure = NthTime(ACTIVATION, n)
    ends = moments(log, ACTIVATION)

    assert measure.first(value_of(measure, log)) == (ends[n - 1] if len(ends) >= n else None)


@law
@given(logs, st.sampled_from((2, 3)), st.sampled_from((None, 2, 3, 4)))
def test_days_within_happen_on_the_first_day_that_completes_a_span(
    log: list[Fact], distinct: int, within: int | None
):
    measure = DaysWithin(ACTIVATION, distinct, within)
    by_day: dict[int, tuple[int, str, str]] = {}
    for moment in reversed(moments(log, ACTIVATION)):
        by_day[CALENDAR.day(moment[0])] = moment
    expected = None
    for day in sorted(by_day):
        span = [d for d in by_day if d <= day and (within is None or d > day - within)]
        if len(span) >= distinct:
            expected = by_day[day]
            break

    assert measure.first(value_of(measure, log)) == expected


@law
@given(logs)
def test_all_names_are_done_with_the_last_of_their_firsts(log: list[Fact]):
    measure = AllNames(TWO_TASKS, ("one", "two"))
    firsts = [moments(log, FactSelector(kind="key_task", name=name)) for name in ("one", "two")]

    expected = max(ends[0] for ends in firsts) if all(firsts) else None
    assert measure.first(value_of(measure, log)) == expected


@pytest.mark.parametrize("anchor_ms", [5, 10, 11])
def test_a_derived_activation_before_the_anchor_is_no_end(anchor_ms: int):
    measure = NthTime(ACTIVATION, 2)
    value = [(3, "m1", ""), (10, "m2", "a:1")]

    assert measure.reached(value, anchor_ms) == ((10, "m2", "a:1") if anchor_ms <= 10 else None)


@pytest.mark.parametrize(
    ("selector", "kind", "name", "read"),
    [
        (KEY_TASK, "key_task", "one", True),
        (KEY_TASK, "activity", None, False),
        (FactSelector(kind="key_task", name="one"), "key_task", "one", True),
        (FactSelector(kind="key_task", name="one"), "key_task", "on", False),
        (TWO_TASKS, "key_task", "two", True),
        (TWO_TASKS, "key_task", "three", False),
    ],
)
def test_a_selector_reads_a_kind_or_some_names_of_it(
    selector: FactSelector, kind: str, name: str | None, read: bool
):
    assert reads(selector, kind, name) is read


ONE_SELECTOR = st.builds(
    FactSelector,
    kind=st.sampled_from(["ticket", ("ticket", "lead")]),
    name=st.sampled_from([None, "a", ("a", "b")]),
    where=st.dictionaries(
        st.just("status"), st.sampled_from(["open", 1, True, ("open", 1)]), max_size=1
    ),
)
SELECTORS = st.one_of(
    ONE_SELECTOR,
    st.builds(lambda one, two: one.model_copy(update={"or_": two}), ONE_SELECTOR, ONE_SELECTOR),
)
TOLD = st.tuples(
    st.sampled_from(["ticket", "lead"]),
    st.sampled_from([None, "a", "b", "t-17"]),
    st.dictionaries(
        st.sampled_from(["amount", "status"]), st.sampled_from(["open", "x", 1, True])
    ).map(lambda of: tuple(sorted(of.items()))),
)


@settings(law, max_examples=examples(200))
@given(SELECTORS, st.lists(TOLD, min_size=1, max_size=20))
def test_a_fact_goes_to_a_measure_if_its_selector_reads_it(
    selector: FactSelector, facts: list[tuple[str, str | None, Any]]
):
    measures = Measures(PLAN, CALENDAR)
    slot = measures.first(selector)
    for fact in facts:
        step = measures.step(fact)
        assert step[:3] == fact
        assert any(slot == each for each, _ in step.measures) is reads(selector, *fact)


def test_the_first_facts_of_a_day_are_the_same_in_any_order():
    measure, hours = FirstsOfDay(ACTIVITY, 3), (1, 8, 19, 20)
    facts = [made("activity", None, 0, hour, False) for hour in hours]

    for told in permutations(facts):
        value = value_of(measure, told)
        assert value.days == {facts[0].day: tuple(fact.moment[:2] for fact in facts[:3])}

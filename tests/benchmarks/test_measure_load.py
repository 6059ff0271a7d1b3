"""What is sent while latency is measured: when, and what it has to bring about."""

from __future__ import annotations

from itertools import islice

import orjson
import pytest

from benchmarks.measure import pacing
from benchmarks.measure.pacing import Schedule, paced
from benchmarks.measure.truth import truth
from benchmarks.measure.workload import Planned, Workload, line, message_number
from schemas.events import Event
from schemas.formats import format_named
from schemas.times import parse_iso


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(995.0)
    monkeypatch.setattr(pacing, "time", clock)
    return clock


def test_events_are_due_at_even_distances():
    schedule = Schedule.lasting(1000.0, 4, 2)

    assert [schedule.due_s(n) for n in range(3)] == [1000.0, 1000.25, 1000.5]
    assert (schedule.events, schedule.end_s) == (8, 1002.0)


def test_nothing_is_due_before_the_start_and_no_more_than_all():
    schedule = Schedule(1000.0, 10, 5)

    assert [schedule.due_by(at) for at in (999.9, 1000.0, 1000.25, 2000.0)] == [0, 1, 3, 5]


def test_no_event_is_sent_before_it_is_due_and_none_much_later(clock: Clock):
    schedule = Schedule(1000.0, 1000, 300)

    late_s = [clock.now_s - schedule.due_s(n) for n in paced(schedule)]

    assert len(late_s) == 300
    assert min(late_s) >= 0
    assert max(late_s) < 2 * pacing.TICK_S


def test_a_sender_that_was_held_up_sends_what_is_overdue_at_once(clock: Clock):
    schedule = Schedule(1000.0, 1000, 300)
    sent = []
    for n in paced(schedule):
        if n == 100:
            clock.sleep(0.15)
        sent.append(clock.now_s)

    assert sent[249] - sent[100] < pacing.TICK_S + 1e-6
    assert sent[299] == pytest.approx(schedule.due_s(299), abs=2 * pacing.TICK_S)


def test_every_process_sees_the_same_workload():
    assert list(islice(Workload().events(), 500)) == list(islice(Workload().events(), 500))


def test_newcomers_come_at_their_rate_three_to_an_account():
    events = list(islice(Workload(newcomer_every=10).events(), 100))
    newcomers = [each for each in events if each.user.startswith("new-")]

    assert len(newcomers) == 10
    assert [each.account for each in newcomers[:4]] == ["new-acct-0"] * 3 + ["new-acct-1"]


def test_a_fixed_population_has_no_newcomers():
    events = islice(Workload(newcomer_every=0).events(), 1000)

    assert not any(each.user.startswith("new-") for each in events)


def test_whoever_was_introduced_is_no_news_any_more():
    workload = Workload(newcomer_every=10)
    population = list(workload.introduction())
    first = -len(population)
    found = truth([*population, *islice(workload.events(), 1000)], (1, 3), first)

    later = [n for n in found.activations.values() if n >= 0]
    assert len(later) == 100  # newcomers
    assert [n for n in found.active if n >= 0] == later
    assert sum(n >= 0 for n in found.milestones.values()) == 67  # 34 accounts, of which 33 have 3


def test_a_record_is_a_segment_call_of_the_usual_size():
    time_ms = parse_iso("2026-03-01T09:15:30.123Z")
    record = line(12, Planned("acct-7", "user-2007", "Report Created"), time_ms)

    (event,) = format_named("segment", {}).read(record)
    assert isinstance(event, Event)
    assert (event.account, event.user, event.name) == ("acct-7", "user-2007", "Report Created")
    assert event.time_ms == time_ms
    assert int(orjson.loads(record)["messageId"], 16) == message_number(12)
    assert 270 < len(record) < 310


def test_the_truth_names_the_event_that_brings_a_signal_about():
    events = [
        Planned("a", "u1", "Report Created"),
        Planned("a", "u1", "Report Created"),
        Planned("b", "u2", "Page Viewed"),
        Planned("a", "u3", "Page Viewed"),
        Planned("b", "u2", "Report Created"),
    ]

    found = truth(events, (1, 2))

    assert found.milestones == {("a", 1): 0, ("b", 1): 2, ("a", 2): 3}
    assert found.activations == {"u1": 0, "u2": 4}
    assert found.active == [0, 2, 3]


def test_every_event_has_another_message_id():
    assert len({message_number(n) for n in range(10_000)}) == 10_000

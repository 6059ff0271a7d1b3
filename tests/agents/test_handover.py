"""What goes from stage to stage in memory, and what by its topic, so that nothing overtakes."""

from __future__ import annotations

from faust.types import TP

from agents.handover import HandOver
from streams.stage import Outgoing

ACTIVITY = TP("t.activity", 0)
STATES = TP("t.user-state", 0)


def to(tp: TP, value: bytes = b"v") -> Outgoing:
    return Outgoing(tp.topic.removeprefix("t."), tp.partition, None, value)


def test_a_partition_that_has_read_its_topic_is_handed_the_records_for_it_in_their_order():
    hand_over = HandOver("t", {ACTIVITY: 7, STATES: 0})
    records = [to(ACTIVITY, b"1"), to(STATES, b"2"), to(ACTIVITY, b"3")]
    handed, others = hand_over.part(records, {ACTIVITY: 7, STATES: 0})
    assert handed == {ACTIVITY: [b"1", b"3"], STATES: [b"2"]}
    assert others == []
    assert hand_over.written() == set()


def test_what_is_for_others_goes_to_topics():
    hand_over = HandOver("t", {ACTIVITY: 0})
    elsewhere = [
        Outgoing("kpis", None, b"key", b"value"),  # for readers
        to(TP("t.activity", 1)),  # of another worker
        to(STATES),  # of a stage that this worker does not run
    ]
    assert hand_over.part(elsewhere, {ACTIVITY: 0}) == ({}, elsewhere)
    assert hand_over.written() == set()


def test_what_flows_back_goes_by_its_topic_and_holds_up_nothing():
    hand_over = HandOver("t", {ACTIVITY: 0, STATES: 0})
    assert hand_over.part([to(STATES)], {ACTIVITY: 0}) == ({}, [to(STATES)])
    assert hand_over.written() == set()


def test_an_input_topic_named_like_one_between_stages_gets_nothing():
    hand_over = HandOver("t", {TP("activity", 0): 0})
    assert hand_over.part([to(ACTIVITY)], {TP("activity", 0): 0}) == ({}, [to(ACTIVITY)])


def test_a_partition_goes_by_its_topic_until_it_has_read_what_was_there():
    hand_over = HandOver("t", {ACTIVITY: 7})
    assert by_topic(hand_over, read=6)
    assert not by_topic(HandOver("t", {ACTIVITY: 7}), read=7)


def test_and_then_until_it_has_read_what_was_written_meanwhile():
    hand_over = HandOver("t", {ACTIVITY: 7})
    assert by_topic(hand_over, read=6)
    assert by_topic(hand_over, read=7)  # the same checkpoint will write it
    assert hand_over.written() == {ACTIVITY}
    assert by_topic(hand_over, read=7)  # while that is under way
    hand_over.must_read({ACTIVITY: 9})
    assert by_topic(hand_over, read=9)  # for the one before waits for the next checkpoint
    assert hand_over.written() == {ACTIVITY}
    hand_over.must_read({ACTIVITY: 11})
    assert by_topic(hand_over, read=10)
    assert hand_over.written() == {ACTIVITY}
    hand_over.must_read({ACTIVITY: 13})
    assert not by_topic(hand_over, read=13)
    assert hand_over.written() == set()


def by_topic(hand_over: HandOver, read: int) -> bool:
    """True if a record goes by its topic to a partition that has read so far."""
    handed, others = hand_over.part([to(ACTIVITY)], {ACTIVITY: read})
    assert (handed, others) in [({ACTIVITY: [b"v"]}, []), ({}, [to(ACTIVITY)])]
    return bool(others)

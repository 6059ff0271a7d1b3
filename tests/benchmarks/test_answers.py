"""What the job has to find, and reading what was found."""

from __future__ import annotations

import json
from collections import Counter

from confluent_kafka import Producer

from benchmarks.answers import (
    AccountDay,
    Activation,
    Answer,
    Truth,
    differences,
    from_headwater,
    from_peer,
    read_committed,
)
from benchmarks.generate import START_MS, create_topics
from schemas.times import DAY_MS

U1 = Activation("u1", "a1", 5000)
U2 = Activation("u2", "a1", 0)
DAY = AccountDay("a1", "2025-09-01")
RIGHT = Answer(Counter([U1, U2]), {DAY: 2})


def encoded(*records: dict) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


def signal(id: str, revision: int, *, retracted: bool = False, name: str = "activated") -> dict:
    return {
        "id": id,
        "revision": revision,
        "retracted": retracted,
        "signal": name,
        "user": id,
        "account": "a1",
        "evidence": {"lag_seconds": 0.0},
    }


def test_the_truth_is_worked_out_from_the_events():
    truth = Truth()
    truth.add("a1", "u1", START_MS, False)
    truth.add("a1", "u2", START_MS + 1, True)
    truth.add("a1", "u1", START_MS + 5000, True)
    truth.add("a1", "u1", START_MS + DAY_MS, True)  # activated already, but a new day

    assert truth.answer() == Answer(Counter([U1, U2]), {DAY: 2, AccountDay("a1", "2025-09-02"): 1})


def test_a_peers_numbers_of_users_may_come_as_they_grow():
    activations = encoded(U1._asdict(), U2._asdict())
    counts = encoded({**DAY._asdict(), "users": 1}, {**DAY._asdict(), "users": 2})
    assert from_peer(activations, counts) == RIGHT


def test_a_peer_may_take_back_what_it_wrote():
    wrong = {**U1._asdict(), "lag_ms": 7}
    activations = encoded({**wrong, "diff": 1}, {**wrong, "diff": -1}, {**U1._asdict(), "diff": 1})
    assert from_peer(activations, []).activations == Counter([U1])


def test_of_our_signals_those_count_whose_highest_revision_stands():
    signals = encoded(
        signal("once", 1),
        signal("revised", 1),
        signal("revised", 2),
        signal("gone", 2, retracted=True),
        signal("gone", 1),
        signal("back again", 2, retracted=True),
        signal("back again", 3),
        signal("a milestone", 1, name="account_user_milestones.enter"),
    )
    found = from_headwater(signals, []).activations
    assert {each.user for each in found} == {"once", "revised", "back again"}


def test_of_our_values_the_last_revision_of_an_accounts_day_counts():
    value = {
        "kpi": "dau",
        "level": "account",
        "subject": "a1",
        "segment": "all",
        "start": "2025-09-01T00:00:00.000Z",
    }
    kpis = encoded(
        {**value, "revision": 2, "value": 2},
        {**value, "revision": 1, "value": 1},
        {**value, "start": "2025-09-02T00:00:00.000Z", "revision": 1, "value": 0},
        {**value, "level": "company", "subject": None, "revision": 3, "value": 9},
    )
    assert from_headwater([], kpis).active_users == {DAY: 2}


def test_the_same_answer_has_no_differences():
    assert differences(RIGHT, Answer(Counter([U2, U1]), {DAY: 2})) == []


def test_what_is_missing_repeated_or_miscounted_is_told():
    found = Answer(Counter([U2, U2]), {DAY: 1})
    missing, repeated, counted = differences(RIGHT, found)

    assert missing.startswith("activations not found: 1 of 2")
    assert "u1" in missing
    assert repeated.startswith("activations found too much: 1 of 2")
    assert "u2" in repeated
    assert counted.endswith("a1 on 2025-09-01: 1 instead of 2")


def test_what_was_taken_back_is_not_read(kafka: str, prefix: str):
    create_topics(kafka, [prefix], partitions=2)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": prefix})
    producer.init_transactions(30)
    for value, end in (
        ("kept", producer.commit_transaction),
        ("taken back", producer.abort_transaction),
    ):
        producer.begin_transaction()
        producer.produce(prefix, value)
        producer.flush()
        end(30)

    assert list(read_committed(kafka, prefix)) == [b"kept"]

"""What the small job has to find, and what a system found: read back from its output topics.

Everybody writes two topics of JSON: one record for each activation, `{user, account, lag_ms}`, and
one for each number of active users, `{account, day, users}` with the day as `2025-09-01`. Numbers
may come as they grow, or once at the end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.times import iso

READ_TIMEOUT_S = 60.0


class Activation(NamedTuple):
    """A user's first report."""

    user: str
    account: str
    lag_ms: int
    """Since the user's first event."""


class AccountDay(NamedTuple):
    account: str
    day: str


class Answer(NamedTuple):
    """What somebody found among the same events."""

    activations: Counter[Activation]
    """How often each was written; once, where nothing failed."""
    active_users: dict[AccountDay, int]
    """Nobody active is the same as no entry."""


class Truth:
    """The answer, computed while the events are generated, which come in order of time."""

    def __init__(self) -> None:
        self._active: dict[AccountDay, set[str]] = {}
        self._first_ms: dict[str, int] = {}
        self._activations: dict[str, Activation] = {}

    def add(self, account: str, user: str, time_ms: int, activates: bool) -> None:
        day = AccountDay(account, iso(time_ms)[:10])
        self._active.setdefault(day, set()).add(user)
        first_ms = self._first_ms.setdefault(user, time_ms)
        if activates and user not in self._activations:
            self._activations[user] = Activation(user, account, time_ms - first_ms)

    def answer(self) -> Answer:
        return Answer(
            Counter(self._activations.values()),
            {day: len(users) for day, users in self._active.items()},
        )


def from_peer(activations: Iterable[bytes], active_users: Iterable[bytes]) -> Answer:
    """The answer in the two output topics of a peer."""
    found: Counter[Activation] = Counter()
    for record in activations:
        each = json.loads(record)
        # A peer that writes changes says which way: `diff` is -1 for what no longer holds.
        activation = Activation(each["user"], each["account"], each["lag_ms"])
        found[activation] += each.get("diff", 1)
    counts: dict[AccountDay, int] = {}
    for record in active_users:
        each = json.loads(record)
        # A set of users only grows, so that the largest number is the last.
        day = AccountDay(each["account"], each["day"])
        counts[day] = max(each["users"], counts.get(day, 0))
    return Answer(+found, counts)


def from_headwater(signals: Iterable[bytes], kpis: Iterable[bytes]) -> Answer:
    """The answer in Headwater's signals and KPI values."""
    standing: dict[str, tuple[int, bool, Activation]] = {}
    for record in signals:
        signal = json.loads(record)
        if signal["signal"] != "activated":
            continue
        lag_ms = round(signal["evidence"]["lag_seconds"] * 1000)
        activation = Activation(signal["user"], signal["account"], lag_ms)
        said = (signal["revision"], not signal["retracted"], activation)
        standing[signal["id"]] = max(standing.get(signal["id"], said), said)
    values: dict[AccountDay, tuple[int, int]] = {}
    for record in kpis:
        kpi = json.loads(record)
        if kpi["kpi"] == "dau" and kpi["level"] == "account" and kpi["segment"] == "all":
            day = AccountDay(kpi["subject"], kpi["start"][:10])
            said_of_day = (kpi["revision"], kpi["value"])
            values[day] = max(values.get(day, said_of_day), said_of_day)
    return Answer(
        Counter(activation for _, stands, activation in standing.values() if stands),
        {day: users for day, (_, users) in values.items() if users},
    )


def differences(expected: Answer, found: Answer) -> list[str]:
    """What is wrong with `found`, in words; nothing if it is right."""
    return [
        f"{what}: {number:,} of {of:,}, such as {example}"
        for what, number, of, example in (
            _counted("activations not found", expected.activations - found.activations, expected),
            _counted("activations found too much", found.activations - expected.activations, found),
        )
        if number
    ] + _different_days(expected.active_users, found.active_users)


def _counted(
    what: str, wrong: Counter[Activation], of: Answer
) -> tuple[str, int, int, Activation | None]:
    return what, wrong.total(), of.activations.total(), min(wrong, default=None)


def _different_days(expected: dict[AccountDay, int], found: dict[AccountDay, int]) -> list[str]:
    wrong = [
        day for day in expected.keys() | found.keys() if expected.get(day, 0) != found.get(day, 0)
    ]
    if not wrong:
        return []
    day = min(wrong)
    return [
        f"daily active users: {len(wrong):,} of {len(expected):,} account days differ, such as "
        f"{day.account} on {day.day}: {found.get(day, 0)} instead of {expected.get(day, 0)}"
    ]


def read_committed(bootstrap: str, topic: str) -> Iterator[bytes]:
    """The values of a topic's committed records, up to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "benchmark-answers",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=READ_TIMEOUT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, each, 0) for each in partitions])
        unfinished = set(partitions)
        while unfinished:
            # One by one: consume() of many waits until it has as many.
            if (record := consumer.poll(READ_TIMEOUT_S)) is None:
                raise TimeoutError(f"{topic}: no end within {READ_TIMEOUT_S:.0f} s")
            if (error := record.error()) is None:
                if (value := record.value()) is not None:
                    yield value
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(record.partition())
            else:
                raise KafkaException(error)
    finally:
        consumer.close()

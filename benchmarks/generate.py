"""Events to measure with: Segment's track calls of about 295 bytes, the same for the same seed.

20,000 users in 2,000 accounts do one of seven things about three times a second; nearly one call in
six is a Report Created, which activates its user. Events are in order of time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import orjson
from confluent_kafka import Producer
from kafka import KafkaAdminClient

from benchmarks.answers import Answer, Truth
from schemas.times import iso

USERS = 20_000
ACCOUNTS = 2_000
START_MS = int(datetime(2025, 9, 1, tzinfo=UTC).timestamp() * 1000)
STEP_MS = 600
"""Events are up to this far apart, half of it on average."""

ACTIVATION = "Report Created"
EVENT_NAMES = (
    ACTIVATION,
    "Page Viewed",
    "Invite Sent",
    "Project Created",
    "Comment Added",
    "Dashboard Shared",
)
SIGNED_UP_SHARE = 0.02


class Generated(NamedTuple):
    """One event: `account` is the record's key, `line` its value (JSON without a line feed)."""

    account: str
    user: str
    name: str
    time_ms: int
    line: bytes


class Filled(NamedTuple):
    """What was written, and what everybody who does the job has to find."""

    events: int
    bytes: int
    last_ms: int
    answer: Answer


def generate(count: int, seed: int = 7) -> Iterator[Generated]:
    """The first `count` events; a smaller count is the beginning of a larger one."""
    rng = Random(seed)
    now = START_MS
    for _ in range(count):
        now += rng.randrange(STEP_MS)
        number = rng.randrange(USERS)
        user, account = f"user-{number}", f"acct-{number % ACCOUNTS}"
        name = "Signed Up" if rng.random() < SIGNED_UP_SHARE else rng.choice(EVENT_NAMES)
        event = {
            "messageId": f"{rng.getrandbits(128):032x}",
            "type": "track",
            "event": name,
            "userId": user,
            "context": {
                "groupId": account,
                "library": {"name": "analytics.js", "version": "5.2.0"},
            },
            "timestamp": iso(now),
            "properties": {
                "plan": "trial",
                "path": f"/projects/{rng.randrange(1000)}",
                "seats": rng.randrange(30),
            },
        }
        yield Generated(account, user, name, now, orjson.dumps(event))


def create_topics(bootstrap: str, names: list[str], partitions: int = 4) -> None:
    """Create empty topics; one that exists is an error."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    settings = {"num_partitions": partitions, "replication_factor": 1}
    admin.create_topics(dict.fromkeys(names, settings), wait_for_metadata=True)
    admin.close()


def fill_topic(
    bootstrap: str, topic: str, count: int, partitions: int = 4, seed: int = 7
) -> Filled:
    """Create the topic (an existing one is an error) and produce the events, keyed by account."""
    create_topics(bootstrap, [topic], partitions)

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            # A retry must neither repeat an event nor put it behind a later one: each peer's answer
            # rests on the order.
            "enable.idempotence": True,
            "log_level": 3,  # errors; a broker that has just started is waited for without a word
            "linger.ms": 50,
            "batch.size": 256 * 1024,
            "queue.buffering.max.messages": 500_000,
        }
    )
    tally = _Tally()
    for event in generate(count, seed):
        while True:
            try:
                producer.produce(topic, event.line, key=event.account)
                break
            except BufferError:  # the broker is slower than we are
                producer.poll(0.1)
        tally.add(event)
    if unsent := producer.flush(60):
        raise RuntimeError(f"{unsent} events could not be produced to {topic} within a minute")
    return tally.filled()


def write_file(path: Path | str, count: int, seed: int = 7) -> Filled:
    """Write the events to a file, one a line."""
    tally = _Tally()
    with Path(path).open("wb") as file:
        for event in generate(count, seed):
            file.write(event.line + b"\n")
            tally.add(event)
    return tally.filled()


class _Tally:
    def __init__(self) -> None:
        self._events = 0
        self._bytes = 0
        self._last_ms = START_MS
        self._truth = Truth()

    def add(self, event: Generated) -> None:
        self._events += 1
        self._bytes += len(event.line)
        self._last_ms = event.time_ms
        self._truth.add(event.account, event.user, event.time_ms, event.name == ACTIVATION)

    def filled(self) -> Filled:
        return Filled(self._events, self._bytes, self._last_ms, self._truth.answer())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generate",
        description="Write generated events to a file or to a new Kafka topic.",
    )
    parser.add_argument("count", type=int, help="number of events")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--file", type=Path, help="JSON lines file to write")
    target.add_argument("--topic", help="topic to create and fill")
    parser.add_argument("--bootstrap-servers", default="127.0.0.1:9092", help="(127.0.0.1:9092)")
    parser.add_argument("--partitions", type=int, default=4, help="partitions of the topic (4)")
    parser.add_argument("--seed", type=int, default=7, help="another seed, other events (7)")
    options = parser.parse_args(arguments)
    if options.file:
        filled = write_file(options.file, options.count, options.seed)
    else:
        filled = fill_topic(
            options.bootstrap_servers,
            options.topic,
            options.count,
            options.partitions,
            options.seed,
        )
    print(
        f"{filled.events:,} events, {filled.bytes / max(1, filled.events):.0f} bytes each, "
        f"{filled.answer.activations.total():,} users activated, until {iso(filled.last_ms)}"
    )


if __name__ == "__main__":
    main()

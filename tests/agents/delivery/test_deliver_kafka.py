"""`headwater alerts deliver` on a real broker, with a real web server behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import MemberToRemove

from agents.delivery.deliverer import ORDINARY, group_of
from agents.topics import create, topic_name
from schemas.outputs import ALERTS, UNDELIVERED
from tests.agents.delivery.alerts import alert
from tests.agents.delivery.receiver import Answer, Got, Receiver, receiving

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def write(kafka: str, prefix: str) -> Iterator[Callable[..., None]]:
    """Writes alerts to the topic, all with the same key: to one partition."""
    create(kafka, prefix)
    producer = KafkaProducer(bootstrap_servers=kafka)

    def write(*values: bytes) -> None:
        for value in values:
            producer.send(topic_name(prefix, ALERTS), key=b"one", value=value)
        producer.flush()

    yield write
    producer.close()


@pytest.fixture
def start(kafka: str, prefix: str, receiver: Receiver, tmp_path: Path) -> Iterator[Start]:
    """Starts a deliverer to the receiver."""
    plan, sinks = tmp_path / "plan.yaml", tmp_path / "sinks.yaml"
    plan.write_text(f"product: Deliver\nprefix: {prefix}\n")
    started = []

    def start(also: str = "") -> subprocess.Popen[bytes]:
        sinks.write_text(
            f"sinks:\n  crm: {{webhook: {{url: '{receiver.url}', secret: {{env: KEY}}}}}}\n{also}"
        )
        command = ["-m", "agents.cli", "alerts", "deliver", str(sinks), "--plan", str(plan)]
        process = subprocess.Popen(
            [sys.executable, *command, "--bootstrap-servers", kafka, "--from", "earliest"],
            env=os.environ | {"KEY": "secret"},
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def committed(kafka: str, prefix: str) -> int | None:
    """Where the group of the sink stands, in the partition that is written to."""
    consumer = KafkaConsumer(bootstrap_servers=kafka, group_id=group_of(prefix, "crm", ORDINARY))
    topic = topic_name(prefix, ALERTS)
    numbers = consumer.partitions_for_topic(topic)
    stands = [consumer.committed(TopicPartition(topic, number)) for number in numbers]
    consumer.close()
    return max(each or 0 for each in stands)


def miss_the_dead(kafka: str, prefix: str) -> None:
    """Spares the six seconds in which the group waits for a member that was killed."""
    group = group_of(prefix, "crm", ORDINARY)
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    members = admin.describe_groups([group])[group]["members"]
    assert members
    admin.remove_group_members(group, [MemberToRemove(each["member_id"]) for each in members])
    admin.close()


def undelivered(kafka: str, prefix: str) -> dict[str, Any]:
    """The first record of the topic of undelivered alerts."""
    consumer = KafkaConsumer(
        topic_name(prefix, UNDELIVERED),
        bootstrap_servers=kafka,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5_000,
    )
    found: dict[str, Any] = orjson.loads(next(consumer).value)
    consumer.close()
    return found


def test_a_deliverer_killed_between_delivery_and_commit_delivers_a_copy_with_the_same_key(
    kafka: str, prefix: str, write: Callable[..., None], start: Start, receiver: Receiver
) -> None:
    write(alert("1" * 32), alert("2" * 32))
    deliverer = start()

    def answer(got: Got) -> Answer:
        if got.headers["Idempotency-Key"].startswith("2") and deliverer.poll() is None:
            os.kill(deliverer.pid, signal.SIGKILL)
            deliverer.wait()
        return Answer()

    receiver.answer = answer
    receiver.wait_for(2)
    assert committed(kafka, prefix) == 1
    miss_the_dead(kafka, prefix)

    again = start()
    receiver.wait_for(3)
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0, again.stderr.read()
    assert [got.headers["Idempotency-Key"][0] for got in receiver.got] == ["1", "2", "2"]
    assert receiver.got[1].body == receiver.got[2].body == alert("2" * 32)
    assert committed(kafka, prefix) == 2


def test_a_sink_that_hangs_holds_up_no_other_and_what_one_refuses_is_kept_with_the_reason(
    kafka: str, prefix: str, write: Callable[..., None], start: Start, receiver: Receiver
) -> None:
    released = threading.Event()

    def answer(got: Got) -> Answer:
        if got.path.endswith("/slow"):
            released.wait(60)
        return Answer(400 if got.body == alert("1" * 32) else 200, body=b"no such account")

    receiver.answer = answer
    write(alert("1" * 32), b"nonsense", alert("2" * 32))
    slow = f"  slow: {{webhook: {{url: '{receiver.url}/slow', secret: {{env: KEY}}}}, timeout: 1s}}"
    deliverer = start(slow)
    assert [got.path for got in receiver.wait_for(2)] == ["/hook", "/hook"]
    deliverer.send_signal(signal.SIGTERM)
    assert deliverer.wait(30) == 0, deliverer.stderr.read()
    released.set()

    refused = undelivered(kafka, prefix)
    assert b64decode(refused["original"]) == alert("1" * 32)
    assert (refused["sink"], refused["code"], refused["attempts"]) == ("crm", "refused", 1)
    assert refused["reason"] == "HTTP 400: no such account"
    assert refused["topic"] == topic_name(prefix, ALERTS)
    assert committed(kafka, prefix) == 3

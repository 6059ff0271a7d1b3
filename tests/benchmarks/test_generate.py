"""The events to measure with."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from benchmarks.generate import ACTIVATION, fill_topic, generate, write_file


def test_a_smaller_count_is_the_beginning_of_a_larger_one():
    assert list(generate(100)) == list(islice(generate(1000), 100))


def test_an_event_has_about_295_bytes():
    sizes = [len(event.line) for event in generate(2000)]
    assert 290 < sum(sizes) / len(sizes) < 300


def test_a_file_has_one_event_a_line(tmp_path: Path):
    filled = write_file(tmp_path / "events.jsonl", 500)

    events = list(generate(500))
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert lines == [event.line for event in events]
    assert filled.answer.activations.total() == len(
        {each.user for each in events if each.name == ACTIVATION}
    )
    assert filled.last_ms == events[-1].time_ms


def test_a_topic_gets_the_same_events_keyed_by_account(kafka: str, prefix: str):
    filled = fill_topic(kafka, prefix, 300, partitions=2)

    consumer = KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(prefix, 0), TopicPartition(prefix, 1)])
    read = []
    while len(read) < 300:
        for records in consumer.poll(timeout_ms=5000).values():
            read += [(record.key.decode(), record.value) for record in records]
    consumer.close()
    assert filled.events == 300
    assert sorted(read) == sorted((event.account, event.line) for event in generate(300))

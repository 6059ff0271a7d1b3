"""Asks a running installation for a sign of life: a record it cannot read becomes a dead letter."""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode

from confluent_kafka import Producer

from benchmarks.measure.installation import INPUT_PARTITIONS, Installation
from benchmarks.measure.reader import Reader, Seen
from benchmarks.measure.shared import TIMEOUT_S, BenchmarkError
from benchmarks.measure.worker import Worker

CHECK_S = 0.5


def until_working(on: Installation, worker: Worker) -> float:
    """Waits until every input partition is processed; monotonic seconds of when that was seen."""
    question = os.urandom(8).hex().encode()
    answer = b64encode(question)
    with Reader(on.bootstrap, [on.dead_letters], lambda letter: answer in letter) as letters:
        producer = Producer({"bootstrap.servers": on.bootstrap, "linger.ms": 0})
        for partition in range(INPUT_PARTITIONS):
            producer.produce(on.input, question, partition=partition)
        producer.flush(30)
        deadline = time.monotonic() + TIMEOUT_S
        while not letters.wait_for(_from_all_partitions, CHECK_S):
            worker.check()
            if time.monotonic() > deadline:
                raise BenchmarkError(f"no sign of life from {on.prefix} in {TIMEOUT_S} s")
    # the reader noted the wall time; how long ago that is holds on any clock
    last_s = max(each.at_s for each in letters.seen)
    return time.monotonic() - (time.time() - last_s)


def _from_all_partitions(seen: list[Seen]) -> bool:
    return len({json.loads(each.value)["partition"] for each in seen}) == INPUT_PARTITIONS

"""Sends a workload at a steady rate, whatever happens: an open loop, in a process of its own.

The n-th event is due at `start + n / rate`, and that is its event time, unless event time is told
to run faster. When the broker or this process falls behind, later events are sent late, but their
due times stay: whoever counts latency from there omits no waiting. Prints how late it was as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from confluent_kafka import Producer

from benchmarks.measure.figures import distribution
from benchmarks.measure.workload import Planned, Workload, line

TICK_S = 0.005
"""Events are handed over in groups: waking for each would take a core at 10,000/s."""

HOUR_S, DAY_S = 3600, 86_400
NOTES = 100_000
"""How often lateness is noted at most: a long soak must not fill memory with it."""


class Schedule(NamedTuple):
    """When each event is due. `start_s` is wall time in seconds since 1970."""

    start_s: float
    rate_per_s: float
    events: int
    speed: int = 1
    """Above 1, event time runs so many times as fast as the clock, and ends at the last hour of the
    day (UTC) before the one on which the sending begins.
    """

    @classmethod
    def lasting(cls, start_s: float, rate_per_s: float, seconds: float, speed: int = 1) -> Schedule:
        return cls(start_s, rate_per_s, int(rate_per_s * seconds), speed)

    def event_ms(self, n: int) -> int:
        """The event time of the n-th event."""
        if self.speed == 1:
            return int(self.due_s(n) * 1000)
        ended_s = self.start_s // DAY_S * DAY_S - HOUR_S
        return int((ended_s - (self.events - n) * self.speed / self.rate_per_s) * 1000)

    def due_s(self, n: int) -> float:
        return self.start_s + n / self.rate_per_s

    def due_by(self, now_s: float) -> int:
        """How many events are due at this time."""
        if now_s < self.start_s:
            return 0
        return min(self.events, int((now_s - self.start_s) * self.rate_per_s) + 1)

    @property
    def end_s(self) -> float:
        return self.due_s(self.events)


def paced(schedule: Schedule) -> Iterator[int]:
    """The numbers of events, each as soon as it is due and never before."""
    sent = 0
    while sent < schedule.events:
        due = schedule.due_by(time.time())
        yield from range(sent, due)
        sent = max(sent, due)
        time.sleep(max(TICK_S, schedule.start_s - time.time()))


def send(bootstrap: str, topic: str, workload: Workload, schedule: Schedule) -> dict[str, float]:
    """Sends the workload, keyed by account; how late events were handed over, in seconds."""
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 1_000_000})
    late_s = []
    noted_every = max(1, schedule.events // NOTES)
    events = islice(workload.events(), schedule.events)
    for n, event in zip(paced(schedule), events, strict=True):
        due_s = schedule.due_s(n)
        _produce(producer, topic, event.account, line(n, event, schedule.event_ms(n)))
        if n % noted_every == 0:
            late_s.append(time.time() - due_s)
    if unsent := producer.flush(60):
        raise RuntimeError(f"{unsent} events could not be produced to {topic} within a minute")
    return distribution(late_s)


def fill(
    bootstrap: str, topic: str, events: Iterable[Planned], schedule: Schedule, first: int = 0
) -> None:
    """Sends events at once, dated by a schedule by which all are due; `first`: the first's number.

    A negative number is that of an event before the schedule begins.
    """
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "batch.size": 256 * 1024})
    for n, event in enumerate(events, first):
        _produce(producer, topic, event.account, line(n, event, schedule.event_ms(n)))
    if unsent := producer.flush(60):
        raise RuntimeError(f"{unsent} events could not be produced to {topic} within a minute")


def _produce(producer: Producer, topic: str, key: str, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value, key)
        except BufferError:  # the broker is slower than we are
            producer.poll(0.01)
        else:
            producer.poll(0)
            return


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure.pacing")
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--newcomer-every", type=int, required=True)
    parser.add_argument("--start", type=float, required=True, help="seconds since 1970")
    parser.add_argument("--rate", type=float, required=True, help="events per second")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--newcomers-in-turns-of", type=int, default=0)
    parser.add_argument("--speed", type=int, default=1, help="of event time")
    options = parser.parse_args()
    schedule = Schedule(options.start, options.rate, options.events, options.speed)
    workload = Workload(options.newcomer_every, options.newcomers_in_turns_of)
    print(json.dumps(send(options.bootstrap_servers, options.topic, workload, schedule)))


if __name__ == "__main__":
    main()

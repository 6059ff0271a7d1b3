"""Random lives of stage partitions: each reads, takes checkpoints and crashes when it likes.

On Kafka only one thing is sure: the records of a partition of a topic come in their order. So here
every stage partition is a worker of its own. It reads some records of any of its topics, or takes
a checkpoint (state, records and positions in one step), or crashes and goes on where its last
checkpoint ended, at any moment and without regard to the others. The numbers in the end are those
of the oracle, and every revision of a value or a signal was written once.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import NamedTuple

from schemas.outputs import ROLES
from schemas.times import DAY_MS, HOUR_MS
from streams.engine import READS
from streams.stage import Outgoing, RecordBatch, StagePartition
from streams.topology import Partitions, Topology
from tests.oracle import Happening, Oracle
from tests.records import disagreements, repetitions, result_of
from tests.test_properties import (
    ACCOUNTS,
    ANONYMOUS,
    BOTH_TASKS,
    EVERYTHING_IS_USE,
    FIRST_DAY_MS,
    HOURS,
    NAMES,
    NOW_MS,
    SECOND_TIME,
    SIGN_UP_FIRST,
    TRAITS,
    TWO_DAYS_OF_THREE,
    USERS,
    WITHOUT_STAFF,
    Company,
    raw,
)

COMPANIES = (
    EVERYTHING_IS_USE,
    SIGN_UP_FIRST,
    WITHOUT_STAFF,
    SECOND_TIME,
    TWO_DAYS_OF_THREE,
    BOTH_TASKS,
)
DAYS = (range(3), range(3), (0, 1, 6, 7, 8, 9), (0, 2, 6, 7, 14, 29, 30, 31, 32))
"""Days of events, from the first: few of them make many trials."""
PAUSES_MS = (50, 500, 2_000, 70_000)
"""Between two checkpoints: shorter and longer than what stages hold back."""
LONG_MS = 120_000

Source = tuple[str, int]
"""Role of a topic, and a partition of it."""
INPUT = "input"


class Place:
    """A stage partition with its state and positions, those in memory and those that are safe."""

    def __init__(self, make: Callable[[], StagePartition], sources: list[Source]) -> None:
        self._make = make
        self.sources = sources
        self.logic = make()
        self.state: dict[bytes, bytes] = {}
        self.at = dict.fromkeys(sources, 0)
        self.committed = dict(self.at)

    def checkpoint(self, now_ms: int) -> list[Outgoing]:
        entities, records = self.logic.flush(now_ms)
        for key, value in entities:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.committed = dict(self.at)
        return records

    def crash(self, rng: Random) -> None:
        """Starts anew; state records come back in no particular order."""
        self.logic = self._make()
        for key, value in rng.sample(list(self.state.items()), len(self.state)):
            self.logic.restore(key, value)
        self.logic.restored()
        self.at = dict(self.committed)


class World:
    """All stage partitions of a company, and the topics between them."""

    def __init__(self, company: Company, rng: Random) -> None:
        plan = company.loaded()
        inputs, counts = rng.randint(1, 3), Partitions(*(rng.randint(1, 4) for _ in range(3)))
        self._rng = rng
        self._inputs = inputs
        self._now_ms = NOW_MS
        self._topics: dict[Source, list[bytes]] = defaultdict(list)
        self.until_ms: int | None = None
        self.outputs: dict[str, list[bytes]] = {role: [] for role in ROLES}
        topology = Topology(
            plan,
            {plan.inputs[0].topic: inputs},
            partitions=counts,
            until=lambda: self.until_ms,
            warm=1,
        )
        made: dict[str, tuple[int, Callable[[int], StagePartition]]] = {
            "accounts": (counts.accounts, topology.accounts),
            "users": (counts.users, topology.users),
            "tallies": (counts.tallies, topology.tallies),
            "company": (1, lambda _: topology.company()),
        }
        self._ingests = [
            Place(lambda p=p: topology.ingest(plan.inputs[0], p), [(INPUT, p)])
            for p in range(inputs)
        ]
        self.places = self._ingests + [
            Place(lambda make=make, p=p: make(p), [(role, p) for role in READS[stage]])
            for stage, (count, make) in made.items()
            for p in range(count)
        ]

    def feed(self, record: bytes) -> None:
        self._topics[INPUT, self._rng.randrange(self._inputs)].append(record)

    def read(self, place: Place, records: int) -> None:
        """Gives a place the next records of one of its sources; an ingest may come to the end."""
        source = self._rng.choice(place.sources)
        topic, at = self._topics[source], place.at[source]
        values = topic[at : at + records]
        end = at + len(values)
        at_end = source[0] == INPUT and self.until_ms is not None and end == len(topic)
        if values or at_end:
            times_ms = [self._now_ms] * len(values)
            place.logic.process(RecordBatch(*source, range(at, end), times_ms, values, at_end))
            place.at[source] = end

    def checkpoint(self, place: Place, pause_ms: int) -> None:
        self._now_ms += pause_ms
        for record in place.checkpoint(self._now_ms):
            if record.role in self.outputs:
                assert record.value is not None
                self.outputs[record.role].append(record.value)
            else:
                assert record.value is not None
                assert record.partition is not None
                self._topics[record.role, record.partition].append(record.value)

    def finish(self, watermark_ms: int) -> None:
        """Lets everybody read everything, until nobody writes anything any more."""
        self.until_ms = watermark_ms
        written = -1
        while written != (written := sum(map(len, self._topics.values()))):
            for place in self._rng.sample(self.places, len(self.places)):
                while any(place.at[each] < len(self._topics[each]) for each in place.sources):
                    self.read(place, self._rng.randint(1, 4))
                if place in self._ingests:
                    self.read(place, 1)
            for place in self.places:
                self.checkpoint(place, LONG_MS)


class Trial(NamedTuple):
    """What follows from a seed."""

    company: Company
    log: list[Happening]
    watermark_ms: int


def trial_of(seed: int) -> Trial:
    rng = Random(seed)
    company = rng.choice(COMPANIES)
    much_identity = rng.random() < 0.6
    days = rng.choice(DAYS)
    log = [happening(rng, number, days, much_identity) for number in range(rng.randint(2, 16))]
    age = rng.choice((1, 2, 5, days[-1]))
    return Trial(company, log, FIRST_DAY_MS + (days[-1] + age) * DAY_MS)


def happening(rng: Random, number: int, days: Sequence[int], much_identity: bool) -> Happening:
    """An event; its country follows from its time, so that a tie never decides a segment."""
    hour = FIRST_DAY_MS // HOUR_MS + 24 * rng.choice(days) + rng.choice(HOURS)
    time_ms, id = hour * HOUR_MS + rng.choice((0, 0, 1, -1)), f"m{number:04}"
    country = ("se", "fr", None)[time_ms // HOUR_MS % 3]
    user, anonymous = rng.choice(USERS), rng.choice(ANONYMOUS)
    account = rng.choice(ACCOUNTS)
    call = rng.randrange(8 if much_identity else 20)
    if call == 0:
        previous = rng.choice(USERS + ANONYMOUS)
        return Happening(time_ms, id, user=user, type="alias", previous=previous)
    if call == 1:
        return Happening(
            time_ms, id, user=user, anonymous=anonymous, account=account, type="identify"
        )
    who = rng.random()
    known, visitor = (user, None) if who < 0.6 else (None, anonymous)
    if call == 2:
        traits = rng.choice(TRAITS)
        return Happening(time_ms, id, user=known, anonymous=visitor, type="identify", traits=traits)
    if who > 0.95:
        known, visitor, account = None, None, account or "a1"
    properties = {} if country is None else {"country": country}
    return Happening(time_ms, id, rng.choice(NAMES), known, visitor, account, properties=properties)


def complaints_about(seed: int) -> list[str]:
    """Where one random life of one random log is wrong."""
    trial, rng = trial_of(seed), Random(seed)
    world = World(trial.company, rng)
    live(world, trial, rng)
    world.finish(trial.watermark_ms)
    oracle = Oracle(trial.log, trial.company.settings, trial.watermark_ms)
    return repetitions(world.outputs) + disagreements(result_of(world.outputs), oracle)


def live(world: World, trial: Trial, rng: Random) -> None:
    """Feeds the log in any order, some of it twice, while anything may happen to anybody."""
    records = [raw(each) for each in trial.log]
    waiting = records + [rng.choice(records) for _ in range(rng.randint(0, 3))]
    rng.shuffle(waiting)
    crashes, checkpoints = rng.choice((0.0, 0.02, 0.1)), rng.choice((0.2, 0.5, 0.8))
    feeding = rng.choice((0.02, 0.1, 0.4))
    while waiting:
        if rng.random() < feeding:
            world.feed(waiting.pop())
        if rng.random() < 0.01:
            world.until_ms = rng.randrange(FIRST_DAY_MS, trial.watermark_ms, DAY_MS)
        place, lot = rng.choice(world.places), rng.random()
        if lot < crashes:
            place.crash(rng)
        elif lot < checkpoints:
            world.checkpoint(place, rng.choice(PAUSES_MS))
        else:
            world.read(place, rng.randint(1, 4))
    for place in world.places:
        if rng.random() < 0.3:
            place.crash(rng)


def complaints_within(first_seed: int, seconds: float) -> list[str]:
    """Trials of one seed after the other until time is over, or until one goes wrong."""
    over = time.monotonic() + seconds
    for seed in count(first_seed):
        if complaints := complaints_about(seed):
            return [f"seed {seed}: {each}" for each in complaints]
        if time.monotonic() >= over:
            print(f"seeds {first_seed} to {seed}", flush=True)
            return []
    raise AssertionError("there is always another number")

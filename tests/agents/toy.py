"""Two small stages for tests of the data plane: split events by user, then count them.

An event is `user:number`, with numbers that count up from 1 for each user. Every event reaches the
count of its user once if and only if every count is right and each output comes once.
"""

from __future__ import annotations

import time
import zlib
from collections import defaultdict
from collections.abc import Sequence

from agents.topics import topic_name
from agents.worker import StageSpec
from streams.stage import Flushed, Outgoing, RecordBatch

PARTITIONS = 4
EVERY = 10
"""An output for each tenth event of a user."""


class Split:
    """Stateless: forwards each event to the partition of its user, many in one record."""

    watermark_ms = None
    members_changed = 0

    def __init__(self, partition: int, delay_s: float = 0.0) -> None:
        self.partition = partition
        self.ends = 0
        self._delay_s = delay_s
        self._records: list[Outgoing] = []

    def restore(self, key: bytes, value: bytes) -> None:
        raise AssertionError("a stateless stage has nothing to restore")

    def restored(self) -> None: ...

    def process(self, batch: RecordBatch) -> None:
        time.sleep(self._delay_s * len(batch.values))
        self.ends += batch.at_end
        by_partition: dict[int, list[bytes]] = defaultdict(list)
        for value in batch.values:
            assert value is not None
            by_partition[zlib.crc32(value.split(b":")[0]) % PARTITIONS].append(value)
        for partition, values in by_partition.items():
            self._records.append(Outgoing("activity", partition, None, b" ".join(values)))

    def flush(self, now_ms: int) -> Flushed:
        records, self._records = self._records, []
        return Flushed([], records)


class Count:
    """Counts the events of each user; every tenth goes round the back edge and to the outputs.

    State of a user: `count,echoes`. Outputs: `user:count` with role `kpis`, and with role
    `dead-letters` whatever is out of order within a user.
    """

    watermark_ms = None
    members_changed = 0

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self._users: dict[bytes, list[int]] = {}
        self._changed: set[bytes] = set()
        self._records: list[Outgoing] = []
        self._ready = False

    def restore(self, key: bytes, value: bytes) -> None:
        assert key not in self._users
        self._users[key] = [int(each) for each in value.split(b",")]

    def restored(self) -> None:
        self._ready = True

    def process(self, batch: RecordBatch) -> None:
        assert self._ready
        for value in batch.values:
            assert value is not None
            for event in value.split(b" "):
                self._count(*event.split(b":"))

    def _count(self, user: bytes, number: bytes) -> None:
        state = self._users.setdefault(user, [0, 0])
        self._changed.add(user)
        if number == b"echo":
            state[1] += 1
            return
        state[0] += 1
        if int(number) != state[0]:
            self._records.append(Outgoing("dead-letters", None, user, user + b":" + number))
        if state[0] % EVERY == 0:
            self._records.append(Outgoing("kpis", None, user, b"%s:%d" % (user, state[0])))
            self._records.append(Outgoing("user-state", self.partition, None, user + b":echo"))

    def flush(self, now_ms: int) -> Flushed:
        entities = [(u, b"%d,%d" % tuple(self._users[u])) for u in sorted(self._changed)]
        flushed = Flushed(entities, self._records)
        self._changed, self._records = set(), []
        return flushed


def stages(
    prefix: str, inputs: Sequence[str] = ("events",), *, delay_s: float = 0.0
) -> list[StageSpec]:
    """Both stages. `delay_s` is what an event costs in addition, to make a run take its time."""
    activity, user_state = topic_name(prefix, "activity"), topic_name(prefix, "user-state")
    return [
        *(
            StageSpec(
                f"split-{topic}",
                [topic],
                PARTITIONS,
                lambda partition: Split(partition, delay_s),
                stateful=False,
                first=True,
                agent="ingest",
            )
            for topic in inputs
        ),
        StageSpec("accounts", [activity, user_state], PARTITIONS, Count),
    ]


def events(users: int, each: int) -> list[bytes]:
    """`each` events of every user, in an order in which users take turns."""
    return [b"u%d:%d" % (user, n) for n in range(1, each + 1) for user in range(users)]


def expected_outputs(users: int, each: int) -> list[bytes]:
    """The `kpis` records that `events` leads to, sorted."""
    return sorted(b"u%d:%d" % (u, n) for u in range(users) for n in range(EVERY, each + 1, EVERY))

"""Checkpoints of `memory://`: a commit is a few dictionary updates on the event loop."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import groupby
from operator import attrgetter

from faust.types import TP

from agents.checkpoints import Checkpoint, Home, Start
from agents.topics import topic_name
from agents.transport.memory import MemoryBroker
from streams.stage import Outgoing

OnRecords = Callable[[list[Outgoing]], None]


class MemoryCheckpoints:
    """Commits to `broker`.

    Records for topics of the broker go there, all others to `on_records`. With `keep_state` the
    state survives the worker as long as this object does; a replay never asks for it again.
    """

    def __init__(
        self, broker: MemoryBroker, on_records: OnRecords, *, prefix: str, keep_state: bool = True
    ) -> None:
        self._broker = broker
        self._on_records = on_records
        self._prefix = prefix
        self._keep_state = keep_state
        self._states: dict[Home, dict[bytes, bytes]] = defaultdict(dict)
        self._count = 0
        self._marks: dict[TP, str] = {}

    def starts(self, tps: Iterable[TP]) -> dict[TP, Start]:
        committed = self._broker.committed
        return {tp: Start(committed.get(tp, 0), self._marks.get(tp)) for tp in tps}

    def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self._broker.logs[tp].end for tp in tps}

    def restore(self, homes: Iterable[Home]) -> dict[Home, dict[bytes, bytes]]:
        return {home: dict(self._states[home]) for home in homes}

    async def commit(self, checkpoint: Checkpoint) -> str:
        if self._keep_state:
            self._update_states(checkpoint)
        self._write(checkpoint)
        self._broker.commit(checkpoint.positions)
        self._count += 1
        mark = str(self._count)
        self._marks.update(dict.fromkeys(checkpoint.positions, mark))
        return mark

    def _update_states(self, checkpoint: Checkpoint) -> None:
        for home, entities in checkpoint.states:
            state = self._states[home]
            for key, value in entities:
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value

    def _write(self, checkpoint: Checkpoint) -> None:
        internal, outputs = by_destination(checkpoint.records, self._broker, self._prefix)
        for tp, values in internal.items():
            self._broker.append_values(tp, values, checkpoint.taken_at_ms)
        if outputs:
            self._on_records(outputs)


def by_destination(
    records: Iterable[Outgoing], broker: MemoryBroker, prefix: str
) -> tuple[dict[TP, list[bytes | None]], list[Outgoing]]:
    """What goes to partitions of `broker`, and what goes to topics that it does not have."""
    internal: dict[TP, list[bytes | None]] = defaultdict(list)
    outputs: list[Outgoing] = []
    topics: dict[str, str | None] = {}
    """By role; None: the broker does not have it."""
    for role, of_role in groupby(records, key=attrgetter("role")):
        if role not in topics:
            named = topic_name(prefix, role)
            topics[role] = named if named in broker.partitions else None
        topic = topics[role]
        if topic is None:
            outputs.extend(of_role)
            continue
        for record in of_role:
            if record.partition is None:
                raise ValueError(f"a record for {topic} names no partition: stages must choose one")
            internal[TP(topic, record.partition)].append(record.value)
    return internal, outputs

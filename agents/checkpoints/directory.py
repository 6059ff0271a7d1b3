"""Checkpoints of `memory://` in a directory: what they hold survives the process.

A checkpoint is durable in one step. Output files are written and synced first, then a transaction
of the journal commits everything else along with their lengths. What a crash leaves behind those
lengths is cut off when the run continues.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable

from faust.types import TP

from agents.checkpoints import Checkpoint, Home, Start, StopWorker
from agents.checkpoints.journal import Batch, Journal
from agents.checkpoints.memory import OnRecords, by_destination
from agents.results import OutputError
from agents.transport.memory import MemoryBroker
from schemas.outputs import RECEIPTS

SyncOutputs = Callable[[], dict[str, int]]
"""Makes all outputs durable; returns how long each file is."""


class DirectoryCheckpoints:
    """Commits to `journal` and `broker`, which continues where the journal stands.

    Records for topics of the broker go there, all others to `on_records`; `sync_outputs` makes
    these durable, too.
    """

    def __init__(
        self,
        journal: Journal,
        broker: MemoryBroker,
        on_records: OnRecords,
        sync_outputs: SyncOutputs,
        *,
        prefix: str,
    ) -> None:
        self._journal, self._broker, self._prefix = journal, broker, prefix
        self._on_records, self._sync_outputs = on_records, sync_outputs
        self._committed = journal.positions()
        broker.begin_at({tp: position for tp, (position, _) in self._committed.items()})
        for tp, _, at_ms, values in journal.waiting():
            broker.append_values(tp, values, at_ms)

    def starts(self, tps: Iterable[TP]) -> dict[TP, Start]:
        return {tp: self._start(tp) for tp in tps}

    def _start(self, tp: TP) -> Start:
        if tp not in self._committed:
            return Start(0, None)
        position, number = self._committed[tp]
        return Start(position, str(number))

    def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self._broker.logs[tp].end for tp in tps}

    def restore(self, homes: Iterable[Home]) -> dict[Home, dict[bytes, bytes]]:
        return {home: self._journal.state(home) for home in homes}

    async def commit(self, checkpoint: Checkpoint) -> str:
        """Raises StopWorker: a disk that is full, or broken, does not heal by itself."""
        journal, broker = self._journal, self._broker
        internal, outputs = by_destination(checkpoint.records, broker, self._prefix)
        at_ms = checkpoint.taken_at_ms
        batches = [Batch(tp, broker.logs[tp].end, at_ms, v) for tp, v in internal.items()]
        try:
            self._on_records(outputs)
            journal.write(checkpoint.states, batches, checkpoint.positions)
            await asyncio.to_thread(lambda: journal.commit(self._sync_outputs()))
            if any(record.role == RECEIPTS for record in outputs):  # somebody was erased
                await asyncio.to_thread(journal.forget)
        except (OutputError, OSError, sqlite3.Error) as error:
            problem = error.strerror if isinstance(error, OSError) else str(error)
            raise StopWorker(
                f"the checkpoint in {journal.folder} cannot be written: {problem}. What was "
                "written before is safe: put that right, then run the same command to continue"
            ) from error
        for tp, _, at_ms, values in batches:
            broker.append_values(tp, values, at_ms)
        broker.commit(checkpoint.positions)
        number = journal.number
        self._committed.update({tp: (at, number) for tp, at in checkpoint.positions.items()})
        return str(number)

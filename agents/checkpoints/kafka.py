"""Checkpoints on Kafka: one transaction holds state, records and input offsets.

State goes to the compacted topic of its stage, records to the topics of their roles, and offsets to
the consumer group with its metadata, so that a transaction of a member that was removed from the
group is refused. A transaction is open only while it is written.
"""

import asyncio
import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from faust.types import TP

from agents.checkpoints import (
    Checkpoint,
    Home,
    RetryCheckpoint,
    Start,
    StopWorker,
    WaitForAssignment,
)
from agents.checkpoints.stuck import StuckTransactions
from agents.topics import RECORD_BYTES_MAX, state_role, topic_name
from agents.transport.kafka import READING, KafkaSettings, Membership
from agents.transport.offsets import EARLIEST, LATEST, list_offsets

log = logging.getLogger(__name__)


REQUEST_S = 15.0
PATIENCE_S = 1.0
"""After this long without an answer it is time to look for stuck transactions."""
OFFSETS_S = 60.0
RESTORE_S = 300.0
NO_BROKER_S = 60.0
"""A broker may be away for so long; whoever waited longer starts over."""
COMMIT_DEADLINE_S = 90.0
RESTORE_RECORDS = 10_000
RESTORE_POLL_S = 0.05
PRODUCER_QUEUE_RECORDS = 1_000_000
BY_KEY = -1
"""As a partition: the producer chooses one by key."""

MEMBERSHIP_OVER = {
    ck.KafkaError.UNKNOWN_MEMBER_ID,
    ck.KafkaError.ILLEGAL_GENERATION,
    ck.KafkaError.FENCED_INSTANCE_ID,
    ck.KafkaError.FENCED_MEMBER_EPOCH,
}
FENCED = {
    ck.KafkaError._FENCED,
    ck.KafkaError.INVALID_PRODUCER_EPOCH,
    ck.KafkaError.PRODUCER_FENCED,
}


class KafkaCheckpoints:
    """Commits with the transactional id of the worker's slot; constructing it fences a predecessor.

    With `accept_loss` reading goes on behind records that are gone. Without a committed position
    an input topic is read from `from_ms` on (record time), or from its beginning. `admit` is asked
    before anything is restored and raises StopWorker where nothing must be.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        membership: Membership,
        *,
        prefix: str,
        accept_loss: bool = False,
        from_ms: int | None = None,
        admit: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._admit = admit
        self._membership = membership
        self._prefix = prefix
        self._accept_loss = accept_loss
        self._from_ms = from_ms
        self._process = os.urandom(4).hex()
        self._commits = 0
        self._admin = AdminClient(settings.client())
        self._producer = self._new_producer(settings.transactional_id)

    @property
    def waiting_ratio(self) -> float:
        """How full the producer's queue is, 0 to 1."""
        return len(self._producer) / PRODUCER_QUEUE_RECORDS

    # ---- restoring

    def starts(self, tps: Iterable[TP]) -> dict[TP, Start]:
        if self._admit is not None:
            self._admit()
        wanted = list(tps)
        committed = self._committed(wanted)
        lows = list_offsets(self._admin, wanted, EARLIEST)
        highs = list_offsets(self._admin, wanted, LATEST)
        return {
            tp: self._start(committed[tp], tp, lows[tp], highs[tp]) for tp in wanted
        } | self._first_starts([tp for tp in wanted if committed[tp] is None], highs)

    def _first_starts(self, tps: Iterable[TP], highs: dict[TP, int]) -> dict[TP, Start]:
        """Where to begin with input topics that have no committed position, if it was said."""
        inputs = [tp for tp in tps if not tp.topic.startswith(f"{self._prefix}.")]
        if self._from_ms is None or not inputs:
            return {}
        moment = OffsetSpec.for_timestamp(self._from_ms)
        found = list_offsets(self._admin, inputs, moment)
        # No record is that young yet: those that come are.
        return {tp: Start(highs[tp] if at < 0 else at, None) for tp, at in found.items()}

    def _start(self, committed: Start | None, tp: TP, low: int, high: int) -> Start:
        if committed is None:
            return Start(low, None)
        if low <= committed.position <= high:
            return committed
        if committed.position < low:
            lost = f"offsets {committed.position} to {low - 1} are lost (retention)"
        else:
            lost = (
                f"the committed offset {committed.position} lies behind the end {high} "
                "(was the topic created anew?)"
            )
        problem = f"{tp.topic} partition {tp.partition}: {lost}"
        if not self._accept_loss:
            raise StopWorker(
                f"{problem}; numbers would be wrong from here on. To go on at offset {low} all the "
                "same, start once with --accept-loss"
            )
        log.warning("%s; going on at offset %d", problem, low)
        return Start(low, committed.mark)

    def _committed(self, tps: list[TP]) -> dict[TP, Start | None]:
        """Committed offsets, once no open transaction holds one of them any more."""
        asked = [ck.TopicPartition(tp.topic, tp.partition) for tp in tps]
        stuck = StuckTransactions(self._settings)
        deadline = time.monotonic() + RESTORE_S
        client = ck.Consumer(
            {**READING, **self._settings.client(), "group.id": self._settings.group}
        )
        try:
            while True:
                try:
                    answers = client.committed(asked, timeout=PATIENCE_S)
                    errors = [str(each.error) for each in answers if each.error is not None]
                except ck.KafkaException as error:
                    errors = [str(error)]
                if not errors:
                    break
                if time.monotonic() > deadline:
                    raise StopWorker(f"committed offsets cannot be read: {errors[0]}")
                log.info("waiting for committed offsets: %s", errors[0])
                stuck.look()
        finally:
            client.close()
        return {
            TP(each.topic, each.partition): (
                None if each.offset < 0 else Start(each.offset, each.metadata or "")
            )
            for each in answers
        }

    def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        # `starts` waited for the transactions of former owners: their records are in the log, and
        # counted here even where the marker that ends them is still to come.
        return list_offsets(self._admin, tps, LATEST)

    def restore(self, homes: Iterable[Home]) -> dict[Home, dict[bytes, bytes]]:
        by_tp = {TP(topic_name(self._prefix, state_role(h.stage)), h.partition): h for h in homes}
        if not by_tp:
            return {}
        states: dict[TP, dict[bytes, bytes]] = {tp: {} for tp in by_tp}
        lows = list_offsets(self._admin, list(by_tp), EARLIEST)
        # The ends count open transactions in: these may yet be committed, and so are awaited.
        ends = list_offsets(self._admin, list(by_tp), LATEST)
        started = time.monotonic()
        unread = {tp: low for tp, low in lows.items() if low < ends[tp]}
        if unread:
            self._read_states(states, unread, ends)
        log.info(
            "restored %d records of %d partitions in %.1f s",
            sum(map(len, states.values())),
            len(states),
            time.monotonic() - started,
        )
        return {by_tp[tp]: state for tp, state in states.items()}

    def _read_states(
        self, states: dict[TP, dict[bytes, bytes]], at: dict[TP, int], ends: dict[TP, int]
    ) -> None:
        """Reads committed records into `states` until every partition of `at` is at its end."""
        client = ck.Consumer(
            {**READING, **self._settings.client(), "group.id": self._settings.group}
        )
        stuck = StuckTransactions(self._settings)
        moved_at = time.monotonic()
        try:
            # Knowing the leaders spares the first fetch half a second.
            client.list_topics(timeout=REQUEST_S)
            client.assign([ck.TopicPartition(*tp, offset) for tp, offset in at.items()])
            while any(at[tp] < ends[tp] for tp in at):
                before = sum(at.values())
                for message in client.consume(RESTORE_RECORDS, RESTORE_POLL_S):
                    _take(message, states, at)
                if sum(at.values()) > before:
                    moved_at = time.monotonic()
                elif time.monotonic() - moved_at > RESTORE_S:
                    raise StopWorker(f"state cannot be read: stuck at {at} before {ends}")
                elif time.monotonic() - moved_at > PATIENCE_S:
                    stuck.look()
        finally:
            client.close()

    # ---- committing

    async def commit(self, checkpoint: Checkpoint) -> str:
        metadata = self._membership.metadata()
        self._commits += 1
        mark = f"{self._settings.transactional_id} {self._process}.{self._commits}"
        await asyncio.to_thread(self._commit_by_deadline, checkpoint, metadata, mark)
        return mark

    def _commit_by_deadline(self, checkpoint: Checkpoint, metadata: object, mark: str) -> None:
        """A call into the client that never returns would leave a worker that does nothing."""
        deadline_s = max(COMMIT_DEADLINE_S, self._settings.transaction_timeout_ms / 1000)
        watchdog = threading.Timer(deadline_s, _exit_because_stuck, [deadline_s])
        watchdog.daemon = True
        watchdog.start()
        try:
            self._commit(checkpoint, metadata, mark)
        finally:
            watchdog.cancel()

    def _commit(self, checkpoint: Checkpoint, metadata: object, mark: str) -> None:
        committing = False
        try:
            self._producer.begin_transaction()
            self._write(checkpoint)
            offsets = [
                ck.TopicPartition(tp.topic, tp.partition, position, mark)
                for tp, position in checkpoint.positions.items()
            ]
            self._producer.send_offsets_to_transaction(offsets, metadata, REQUEST_S)
            committing = True
            self._end_transaction(self._producer.commit_transaction)
        except ck.KafkaException as error:
            self._give_up(error.args[0], committing=committing)

    def _write(self, checkpoint: Checkpoint) -> None:
        for home, entities in checkpoint.states:
            topic = topic_name(self._prefix, state_role(home.stage))
            for key, value in entities:
                self._produce(topic, home.partition, key, value)
        for record in checkpoint.records:
            topic = topic_name(self._prefix, record.role)
            partition = BY_KEY if record.partition is None else record.partition
            self._produce(topic, partition, record.key, record.value)

    def _produce(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def _end_transaction(self, end: Callable[[float], None]) -> None:
        """Commits or aborts; the client asks to call again when it was not answered in time."""
        deadline = time.monotonic() + NO_BROKER_S
        while True:
            try:
                end(REQUEST_S)
            except ck.KafkaException as error:
                if error.args[0].txn_requires_abort() or not error.args[0].retriable():
                    raise
                if time.monotonic() > deadline:
                    raise StopWorker(
                        f"{self._settings.bootstrap} did not end a transaction within "
                        f"{NO_BROKER_S:.0f} s: {error}; restarting settles it"
                    ) from error
                log.warning("transaction not ended yet: %s", error)
            else:
                return

    def _give_up(self, error: ck.KafkaError, *, committing: bool) -> NoReturn:
        """Ends the failed transaction and raises what the worker has to do."""
        log.warning("transaction failed: %s", error)
        try:
            # After a time-out the next call into the same producer was seen never to return.
            if error.fatal() or error.code() in {ck.KafkaError._TIMED_OUT, *FENCED}:
                raise ck.KafkaException(error)
            self._end_transaction(self._producer.abort_transaction)
        except ck.KafkaException as worse:
            code = worse.args[0].code()
            if committing or code in FENCED:
                raise StopWorker(
                    f"the outcome of a transaction is unknown, or another worker runs as "
                    f"{self._settings.transactional_id}: {worse}; restarting settles it"
                ) from worse
            # Nothing was committed: a producer that takes the id over aborts what is open.
            self._producer = self._new_producer(self._settings.transactional_id)
        if error.code() in MEMBERSHIP_OVER:
            raise WaitForAssignment(error.str())
        if error.fatal() or error.retriable() or error.txn_requires_abort():
            raise RetryCheckpoint(error.str())
        raise StopWorker(f"a checkpoint cannot be written: {error.str()}")

    def _new_producer(self, transactional_id: str) -> ck.Producer:
        producer = ck.Producer(
            {
                **self._settings.client(),
                "transactional.id": transactional_id,
                "transaction.timeout.ms": self._settings.transaction_timeout_ms,
                "compression.type": "lz4",
                "linger.ms": 2,
                # Java clients choose the same partition for a key.
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": PRODUCER_QUEUE_RECORDS,
                "message.max.bytes": RECORD_BYTES_MAX,
            }
        )
        deadline = time.monotonic() + NO_BROKER_S
        while True:
            try:
                producer.init_transactions(REQUEST_S)
            except ck.KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise StopWorker(
                        f"no transactions with {self._settings.bootstrap}: {error}"
                    ) from error
            else:
                return producer


def _take(message: Any, states: dict[TP, dict[bytes, bytes]], at: dict[TP, int]) -> None:
    """Takes a state record, or the news that a partition's end was reached.

    Control records and aborted ones give no message; only the event's offset tells that they were
    passed. (The client's position is one too far after it, while a transaction is open.)
    """
    tp, error = TP(message.topic(), message.partition()), message.error()
    if error is None:
        at[tp] = message.offset() + 1
        if message.value() is None:
            states[tp].pop(message.key(), None)
        else:
            states[tp][message.key()] = message.value()
    elif error.code() == ck.KafkaError._PARTITION_EOF:
        at[tp] = message.offset()
    elif error.fatal() or not error.retriable():
        raise StopWorker(f"state of {tp.topic} partition {tp.partition}: {error.str()}")


def _exit_because_stuck(deadline_s: float) -> None:
    log.critical("a checkpoint did not end within %.0f s; exiting from here:", deadline_s)
    faulthandler.dump_traceback()
    os._exit(os.EX_SOFTWARE)

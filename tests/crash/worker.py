"""Processes that run the command, `headwater`, some with a twist in how they make checkpoints.

The command itself knows of no twist: in such a process the class it uses for checkpoints is
exchanged for another one.
"""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import confluent_kafka as ck
from faust.types import TP

from agents import running
from agents.checkpoints import Checkpoint
from agents.checkpoints.kafka import KafkaCheckpoints
from agents.cli import main
from streams.roles import TALLIES_ROLE, VALUES_ROLE

# Workers are many: each is forked from one process that has loaded the code.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["agents.cli.run", "agents.cli.topics", "agents.service"])

STEPS = ("begin", "produce", "send offsets", "commit", "settle")
"""After each of them a worker can die; the last one is over before anything is settled."""
DOWNSTREAM = {TALLIES_ROLE, VALUES_ROLE}
"""Whoever reads nothing but these makes no deltas of its own."""
STUCK = "a checkpoint did not end within"
FLUSH_S = 30.0
END_S = 120.0


class Worker:
    """A process that runs the command in a slot, and what it has said."""

    def __init__(
        self, slot: str, arguments: Sequence[str], log: Path, twist: dict[str, Any]
    ) -> None:
        self.slot = slot
        self._is_to_die = "die" in twist
        self._log = log
        self._process = FORKS.Process(target=work, args=(arguments, log, twist), daemon=True)
        self._process.start()

    @property
    def code(self) -> int | None:
        """Exit code, negative if a signal ended it; None while it runs."""
        return self._process.exitcode

    def send(self, signal_: signal.Signals) -> None:
        if self.code is None and self._process.pid is not None:
            os.kill(self._process.pid, signal_)

    def end(self, how: signal.Signals = signal.SIGKILL) -> int | None:
        """Sends a signal that ends it, and returns its exit code once it has ended."""
        self.send(how)
        return self.wait()

    def wait(self, timeout_s: float = END_S) -> int | None:
        self._process.join(timeout_s)
        return self.code

    @property
    def died_as_told(self) -> bool:
        """Whether it ended within a checkpoint as it was to, which may be its very last one."""
        return self._is_to_die and self.code == -signal.SIGKILL

    @property
    def ended_a_stuck_commit(self) -> bool:
        """Whether it ended because a call into the client did not return: its restart goes on."""
        return self.code == os.EX_SOFTWARE and STUCK in self._said()

    def _said(self) -> str:
        return self._log.read_text(errors="replace")

    def __str__(self) -> str:
        return f"worker {self.slot} ended with {self.code}: {self._said()[-2000:]}"


def work(arguments: Sequence[str], log: Path, twist: dict[str, Any]) -> None:
    """Runs the command in this process; all it says goes to a file."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if twist:
        running.KafkaCheckpoints = twisted(Twist(**twist))  # type: ignore[misc]
    main(arguments)


DELTAS_OF_OTHERS = "deltas of others"
"""For `Twist.holding`: tallies changed by what was read of their topic, and by nothing else."""


class Twist:
    """Takes part in checkpoints, and may do them harm.

    `die`: the process kills itself after this step of the first checkpoint that holds `holding`: a
    record of that role, or `DELTAS_OF_OTHERS`. Without `transactions`, records are written before
    the transaction, which then has nothing but the offsets. That is what is left of exactly once
    where transactions are forgotten: at least once.
    """

    def __init__(
        self, die: str | None = None, holding: str = "", transactions: bool = True
    ) -> None:
        assert die is None or die in STEPS
        self.transactions = transactions
        self._die = die
        self._holding = holding
        self._armed = False
        self._positions: dict[TP, int] = {}

    def look_at(self, checkpoint: Checkpoint) -> None:
        held = {record.role for record in checkpoint.records}
        if self._has_deltas_of_others(checkpoint):
            held.add(DELTAS_OF_OTHERS)
        self._armed = self._holding in held

    def _has_deltas_of_others(self, checkpoint: Checkpoint) -> bool:
        """To have read their topic is not enough: some records only tell how late it is."""
        read = {
            tp.topic.rpartition(".")[2]
            for tp, position in checkpoint.positions.items()
            if position > self._positions.get(tp, position)
        }
        self._positions.update(checkpoint.positions)
        changed = {state.home.stage for state in checkpoint.states if state.entities}
        return TALLIES_ROLE in read and not read - DOWNSTREAM and TALLIES_ROLE in changed

    def done(self, step: str) -> None:
        if self._armed and step == self._die:
            os.kill(os.getpid(), signal.SIGKILL)


class TwistedProducer:
    """A transactional producer, watched step by step; it may write outside of its transactions."""

    def __init__(self, producer: ck.Producer, writer: ck.Producer, twist: Twist) -> None:
        self._producer = producer
        self._writer = writer
        self._twist = twist

    def begin_transaction(self) -> None:
        self._producer.begin_transaction()
        self._twist.done("begin")

    def produce(self, *record: Any) -> None:
        self._writer.produce(*record)

    def poll(self, timeout_s: float) -> int:
        return self._writer.poll(timeout_s)

    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        # The broker has every record now, so that a death at this step leaves them there.
        if self._writer.flush(FLUSH_S):
            raise ck.KafkaException(ck.KafkaError(ck.KafkaError._TIMED_OUT, retriable=True))
        self._twist.done("produce")
        self._producer.send_offsets_to_transaction(*arguments)
        self._twist.done("send offsets")

    def commit_transaction(self, timeout_s: float) -> None:
        self._producer.commit_transaction(timeout_s)
        self._twist.done("commit")

    def abort_transaction(self, timeout_s: float) -> None:
        self._producer.abort_transaction(timeout_s)


def twisted(twist: Twist) -> type[KafkaCheckpoints]:
    """Checkpoints as the product makes them, but for the twist."""

    class TwistedCheckpoints(KafkaCheckpoints):
        async def commit(self, checkpoint: Checkpoint) -> str:
            twist.look_at(checkpoint)
            mark = await super().commit(checkpoint)
            twist.done("settle")
            return mark

        def _new_producer(self, transactional_id: str) -> Any:
            producer = super()._new_producer(transactional_id)
            writer = producer if twist.transactions else ck.Producer(self._settings.client())
            return TwistedProducer(producer, writer, twist)

    return TwistedCheckpoints

"""Worker processes on a real broker: every event counts once, whatever happens to its worker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import confluent_kafka as ck
import pytest

from agents.transport.kafka import transactional_id
from tests.agents.kafka_topics import (
    committed_offsets,
    committed_records,
    create_topics,
    delete_records,
    ends,
    send_events,
)
from tests.agents.toy import EVERY, PARTITIONS, events, expected_outputs

USERS, EACH = 100, 400
SLOW_S = 0.0002
"""Cost of an event that makes 40,000 of them last some seconds, so that there is a middle."""


class Workers:
    """Worker processes on the topics of one prefix."""

    def __init__(self, bootstrap: str, prefix: str, log_dir: Path) -> None:
        self.bootstrap, self.prefix = bootstrap, prefix
        self.events = f"{prefix}.events"
        self._log_dir = log_dir
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, slot: str, **settings: object) -> subprocess.Popen[bytes]:
        told = {"bootstrap": self.bootstrap, "prefix": self.prefix, "slot": slot, **settings}
        log = self._log_dir / f"{slot}-{len(self._running)}.log"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.agents.toy_worker", json.dumps(told)],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        process.log = log  # type: ignore[attr-defined]
        self._running.append(process)
        return process

    def stop_all(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.wait()

    def done(self) -> int:
        """How many input events lie before the committed offsets."""
        return sum(self.read_up_to(self.events).values())

    def read_up_to(self, topic: str) -> dict[int, int]:
        return committed_offsets(self.bootstrap, self.prefix, topic)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                logs = [path.read_text()[-3000:] for path in sorted(self._log_dir.iterdir())]
                pytest.fail(f"not within {timeout_s} s; the workers said:\n" + "\n\n".join(logs))
            time.sleep(0.2)

    def wait_for_the_end(self, timeout_s: float = 60) -> None:
        """Waits until every topic that is read has been read to its end."""
        self.wait_until(self.has_read_everything, timeout_s)

    def has_read_everything(self) -> bool:
        read = [f"{self.prefix}.{role}" for role in ("events", "activity", "user-state")]
        return all(self._read_to_the_end(topic) for topic in read)

    def _read_to_the_end(self, topic: str) -> bool:
        committed = self.read_up_to(topic)
        return all(committed.get(p, 0) >= end for p, end in ends(self.bootstrap, topic).items())

    def check_every_event_counted_once(self, users: int = USERS, each: int = EACH) -> None:
        outputs = committed_records(self.bootstrap, f"{self.prefix}.kpis")
        assert sorted(value or b"" for _, value in outputs) == expected_outputs(users, each)
        assert committed_records(self.bootstrap, f"{self.prefix}.dead-letters") == []
        states = dict(committed_records(self.bootstrap, f"{self.prefix}.accounts.state"))
        assert states == {b"u%d" % user: b"%d,%d" % (each, each // EVERY) for user in range(users)}


@pytest.fixture
def workers(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Workers]:
    create_topics(kafka, prefix)
    started = Workers(kafka, prefix, tmp_path)
    yield started
    started.stop_all()


def output(process: subprocess.Popen[bytes]) -> str:
    return process.log.read_text()  # type: ignore[attr-defined,no-any-return]


def test_a_worker_reads_everything_and_stops_cleanly_when_told(workers: Workers):
    send_events(workers.bootstrap, workers.events, events(USERS, EACH))
    worker = workers.start("a")
    workers.wait_for_the_end()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    workers.check_every_event_counted_once()


def test_two_workers_share_the_partitions_and_one_is_stopped_and_restarted_half_way(
    workers: Workers,
):
    # Longer than a restart takes on a slow machine.
    patient = {"kafka": {"session_timeout_ms": 60_000}}
    first, second = (workers.start(slot, **patient) for slot in "ab")
    both = [f"split-{workers.events} [0, 1]", f"split-{workers.events} [2, 3]"]
    workers.wait_until(lambda: all(any(x in output(w) for x in both) for w in (first, second)))
    values = events(USERS, 100)
    half = len(values) // 2
    send_events(workers.bootstrap, workers.events, values[:half])
    workers.wait_until(lambda: workers.done() > 500)
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    moves = output(second).count(" assigned ")
    send_events(workers.bootstrap, workers.events, values[half:])
    workers.start("a", **patient)
    workers.wait_for_the_end()
    assert output(second).count(" assigned ") == moves
    workers.check_every_event_counted_once(each=100)


def test_a_killed_worker_is_replaced_by_its_own_slot(workers: Workers):
    send_events(workers.bootstrap, workers.events, events(USERS, EACH))
    worker = workers.start("a", delay_s=SLOW_S)
    workers.wait_until(lambda: workers.done() > 1000)
    worker.kill()
    worker.wait()
    assert workers.done() < USERS * EACH
    workers.start("a")
    workers.wait_for_the_end()
    workers.check_every_event_counted_once()


def test_a_killed_worker_is_replaced_by_the_others(workers: Workers):
    send_events(workers.bootstrap, workers.events, events(USERS, EACH))
    victim = workers.start("a", delay_s=SLOW_S)
    workers.wait_until(lambda: workers.done() > 1000)
    workers.start("b", delay_s=SLOW_S)
    victim.kill()
    victim.wait()
    workers.wait_for_the_end()
    workers.check_every_event_counted_once()


def frozen(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has stopped itself (SIGSTOP)."""
    state = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")")[1].split()[0]
    return state == "T"


def test_a_worker_that_wakes_within_a_commit_after_its_twin_took_over_changes_nothing(
    workers: Workers,
):
    """Guards: one transactional id for a slot; else who waits for the transaction ends it, or the
    broker at its time-out.
    """
    send_events(workers.bootstrap, workers.events, events(USERS, 100))
    zombie = workers.start("a", delay_s=SLOW_S, freeze_before="commit_transaction")
    workers.wait_until(lambda: frozen(zombie))
    assert workers.done() < USERS * 100
    workers.start("a")
    workers.wait_for_the_end()
    zombie.send_signal(signal.SIGCONT)
    assert zombie.wait(30) == 1
    assert "another worker runs as" in output(zombie)  # told by its producer, or by its group
    workers.check_every_event_counted_once(each=100)


def test_a_worker_that_wakes_with_a_checkpoint_after_the_others_took_over_commits_none_of_it(
    workers: Workers,
):
    """Guard: offsets are committed in the name of the member that partitions were assigned to.

    It is frozen before its transaction begins: nothing of it is open that others could end.
    """
    send_events(workers.bootstrap, workers.events, events(USERS, 100))
    zombie = workers.start("a", delay_s=SLOW_S, freeze_before="begin_transaction")
    workers.wait_until(lambda: frozen(zombie))
    assert workers.done() < USERS * 100
    workers.start("b")
    workers.wait_for_the_end()
    zombie.send_signal(signal.SIGCONT)
    workers.wait_until(lambda: "waiting for a new assignment" in output(zombie))
    workers.wait_for_the_end()
    workers.check_every_event_counted_once(each=100)
    assert zombie.poll() is None


def test_records_that_a_rebalance_cut_off_are_read_again(workers: Workers):
    """Guards: `_read_again`, and the epoch of deliveries."""
    send_events(workers.bootstrap, workers.events, events(USERS, 100))
    holding = workers.start("a", cut_off=True)
    workers.wait_until(lambda: "holds records back" in output(holding))
    workers.start("b")
    workers.wait_for_the_end()
    workers.check_every_event_counted_once(each=100)
    assert holding.poll() is None


def test_a_running_worker_ends_the_transaction_of_a_slot_that_is_gone(workers: Workers):
    """Guards: `Ends.stand_still`. The time-out of this transaction is a minute."""
    worker = workers.start("a")
    workers.wait_until(lambda: " assigned accounts" in output(worker))
    gone = ck.Producer(
        {
            "bootstrap.servers": workers.bootstrap,
            "transactional.id": transactional_id(workers.prefix, "gone"),
            "transaction.timeout.ms": 60_000,
        }
    )
    gone.init_transactions(20)
    gone.begin_transaction()
    for partition in range(PARTITIONS):
        gone.produce(f"{workers.prefix}.activity", b"u0:1", partition=partition)
    gone.flush(10)
    send_events(workers.bootstrap, workers.events, events(USERS, 20))
    workers.wait_for_the_end(timeout_s=30)
    workers.check_every_event_counted_once(each=20)
    with pytest.raises(ck.KafkaException):
        gone.commit_transaction(10)


class Held:
    """A record in every partition of a topic that nobody can read past until `release`."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = ck.Producer(
            {"bootstrap.servers": bootstrap, "transactional.id": f"{topic} {time.monotonic_ns()}"}
        )
        self._producer.init_transactions(20)
        self._producer.begin_transaction()
        for partition in range(PARTITIONS):
            self._producer.produce(topic, b"u0:1", partition=partition)
        self._producer.flush(10)

    def release(self) -> None:
        self._producer.abort_transaction(20)


def test_what_is_handed_over_in_memory_overtakes_nothing_that_a_topic_still_holds(
    workers: Workers,
):
    """Guards: `HandOver` waits for what was there at the assignment, and for what it wrote since.

    The count of a user notices if events come in another order.
    """
    activity = f"{workers.prefix}.activity"
    values = events(USERS, 40)
    parts = iter([values[n : n + USERS * 10] for n in range(0, len(values), USERS * 10)])

    def send_more() -> None:
        send_events(workers.bootstrap, workers.events, next(parts))

    sent = [USERS * 10 * n for n in range(5)]
    send_more()
    of_a_former_owner = Held(workers.bootstrap, activity)
    former = workers.start("a", only="ingest")
    workers.wait_until(lambda: workers.done() == sent[1])
    former.send_signal(signal.SIGTERM)
    assert former.wait(20) == 0

    at_assignment = ends(workers.bootstrap, activity)
    latter = workers.start("a")
    workers.wait_until(lambda: " assigned accounts" in output(latter))
    of_its_own = Held(workers.bootstrap, activity)
    send_more()
    workers.wait_until(lambda: workers.done() == sent[2])
    of_a_former_owner.release()
    workers.wait_until(lambda: workers.read_up_to(activity) == at_assignment)
    send_more()
    workers.wait_until(lambda: workers.done() == sent[3])
    of_its_own.release()
    workers.wait_for_the_end()

    by_topic = ends(workers.bootstrap, activity)
    send_more()
    workers.wait_until(lambda: workers.done() == sent[4])
    workers.wait_for_the_end()
    assert ends(workers.bootstrap, activity) == by_topic
    workers.check_every_event_counted_once(each=40)


def test_a_worker_that_cannot_restore_its_state_stops_before_it_has_read_anything(
    workers: Workers,
):
    """Guard: `_ending_on_error`; the client would go on without any state."""
    send_events(workers.bootstrap, workers.events, events(USERS, 20))
    producer = ck.Producer({"bootstrap.servers": workers.bootstrap})
    producer.produce(f"{workers.prefix}.accounts.state", b"no number", b"u0", 0)
    producer.flush(10)
    worker = workers.start("a")
    assert worker.wait(30) == 1
    assert "has state but the group has no committed offset" in output(worker)
    assert workers.done() == 0


def test_a_worker_from_under_which_retention_takes_records_stops(workers: Workers):
    """Guard: `auto.offset.reset` is `error`; reading would go on behind what is lost."""
    worker = workers.start("a")
    send_events(workers.bootstrap, workers.events, events(USERS, 10))
    workers.wait_for_the_end()
    at = committed_offsets(workers.bootstrap, workers.prefix, workers.events)[1]
    worker.send_signal(signal.SIGSTOP)
    send_events(workers.bootstrap, workers.events, events(USERS, 20)[USERS * 10 :])
    delete_records(workers.bootstrap, workers.events, 1, before=at + 3)
    worker.send_signal(signal.SIGCONT)
    assert worker.wait(30) == 1
    assert "retention was faster than this worker" in output(worker)
    assert committed_offsets(workers.bootstrap, workers.prefix, workers.events)[1] == at


def test_a_worker_whose_slot_runs_twice_is_the_one_that_stops(workers: Workers):
    send_events(workers.bootstrap, workers.events, events(USERS, EACH))
    old = workers.start("a", delay_s=SLOW_S)
    workers.wait_until(lambda: workers.done() > 1000)
    workers.start("a")
    assert old.wait(30) == 1
    workers.wait_for_the_end()
    workers.check_every_event_counted_once()


def test_an_idle_worker_whose_slot_runs_twice_stops_too(workers: Workers):
    old = workers.start("a")
    workers.wait_until(lambda: "assigned accounts [0, 1, 2, 3]" in output(old))
    workers.start("a")
    assert old.wait(30) == 1
    assert "another worker runs as this one's slot" in output(old)


def test_a_worker_behind_retention_stops_and_names_what_is_lost(workers: Workers):
    values = events(USERS, 20)
    send_events(workers.bootstrap, workers.events, values)
    worker = workers.start("a")
    workers.wait_for_the_end()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    at = committed_offsets(workers.bootstrap, workers.prefix, workers.events)[1]
    send_events(workers.bootstrap, workers.events, events(USERS, 40)[len(values) :])
    delete_records(workers.bootstrap, workers.events, 1, before=at + 3)

    stopped = workers.start("a")
    assert stopped.wait(30) == 1
    assert f"{workers.events} partition 1: offsets {at} to {at + 2} are lost" in output(stopped)

    workers.start("a", accept_loss=True)
    workers.wait_for_the_end()
    assert len(committed_records(workers.bootstrap, f"{workers.prefix}.dead-letters")) > 0


def test_without_committed_offsets_a_worker_starts_at_the_low_watermark(workers: Workers):
    send_events(workers.bootstrap, workers.events, events(USERS, 3))
    for partition in range(PARTITIONS):
        delete_records(workers.bootstrap, workers.events, partition, before=1)
    workers.start("a")
    workers.wait_for_the_end()
    states = dict(committed_records(workers.bootstrap, f"{workers.prefix}.accounts.state"))
    counted = sum(int((value or b"0,0").split(b",")[0]) for value in states.values())
    assert counted == USERS * 3 - PARTITIONS


def test_topics_that_are_missing_are_named_at_start(workers: Workers):
    worker = workers.start("a", inputs=["nowhere"])
    assert worker.wait(30) == 1
    assert "nowhere has none instead of 4" in output(worker)

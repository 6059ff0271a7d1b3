"""A broker that goes away and returns, with a worker at rest and one at work."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.errors import KafkaError

from deploy.kafka.local_broker import LocalBroker, free_ports
from tests.agents.kafka_topics import create_topics, send_events
from tests.agents.test_worker_kafka import Workers, output
from tests.agents.test_worker_watched import page
from tests.agents.toy import events
from tests.kafka_broker import own_broker

USERS, EACH = 100, 200
AWAY_S = 7.0
"""Longer than the group waits for a member; with its start, than Kafka for a transaction's end."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    with own_broker(tmp_path / "kafka") as broker:
        yield broker


def workers_of(broker: LocalBroker, prefix: str, tmp_path: Path) -> Workers:
    create_topics(broker.bootstrap_servers, prefix)
    logs = tmp_path / prefix
    logs.mkdir()
    return Workers(broker.bootstrap_servers, prefix, logs)


def answered(question: Callable[[], bool]) -> Callable[[], bool]:
    """Asks again for as long as the broker is not quite back."""

    def ask() -> bool:
        try:
            return question()
        except KafkaError:
            return False

    return ask


HEALED_BY_A_RESTART = (
    "restarting settles it",
    # it joined anew while the broker still answered what it had asked as the earlier member
    "Static consumer fenced",
)


class Supervised:
    """A worker that is started again when it exits, as it may if a transaction was open."""

    def __init__(self, workers: Workers, process: subprocess.Popen[bytes]) -> None:
        self._workers, self._process = workers, process

    def has_read_everything(self) -> bool:
        if self._process.poll() is not None:
            assert self._process.returncode == 1, output(self._process)
            assert any(reason in output(self._process) for reason in HEALED_BY_A_RESTART)
            self._process = self._workers.start("a")
        return self._workers.has_read_everything()


def test_a_worker_waits_for_its_broker_and_whatever_was_open_counts_once(
    broker: LocalBroker, tmp_path: Path
):
    resting, working = (workers_of(broker, name, tmp_path) for name in ("resting", "working"))
    try:
        (port,) = free_ports(1)
        at_rest = resting.start("a", port=port)
        send_events(working.bootstrap, working.events, events(USERS, EACH))
        at_work = working.start("a", delay_s=0.0003)
        resting.wait_until(lambda: page(port, "/readyz")[0] == 200)
        working.wait_until(answered(lambda: working.done() > 1000))

        broker.stop()
        gone_s = time.monotonic()
        resting.wait_until(lambda: page(port, "/readyz")[0] == 503)
        assert page(port, "/healthz")[0] == 200
        time.sleep(max(0.0, gone_s + AWAY_S - time.monotonic()))
        broker.start(200)

        send_events(resting.bootstrap, resting.events, events(USERS, 20))
        supervised = Supervised(working, at_work)
        resting.wait_until(answered(resting.has_read_everything), 120)
        working.wait_until(answered(supervised.has_read_everything), 120)
        assert at_rest.poll() is None
        resting.wait_until(lambda: page(port, "/readyz")[0] == 200)
        resting.check_every_event_counted_once(USERS, 20)
        working.check_every_event_counted_once(USERS, EACH)
        said = output(at_rest).splitlines()
        assert sum("no broker answers" in line for line in said) == 1
        assert sum("a broker answers again" in line for line in said) == 1
        assert len(said) < 40
    finally:
        resting.stop_all()
        working.stop_all()

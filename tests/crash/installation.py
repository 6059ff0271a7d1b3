"""One installation on a broker: its plan, its input, its workers by slot, and what it has written.

A worker that ends without having been asked is started again, as a supervisor would.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.service import create_topics
from agents.settings import read_settings
from agents.topics import BROKER_DEFAULT, topic_name
from schemas.outputs import ALERTS, DEAD_LETTERS, KPIS, SIGNALS
from schemas.plan.check import load_plan
from streams.roles import VALUES_ROLE
from tests.crash.company import write_plan
from tests.crash.worker import Worker
from tests.kafka_runs import committed_records, create_input, has_offsets

INPUT_PARTITIONS = 4
STOPPED = (0, -signal.SIGTERM)
"""What a worker that is told to stop ends with; the latter before it has got to work."""
FINISH_S = 180.0
POLL_S = 0.1
FOR_A_PERSON = (0, 2)
"""Time or a restart heals every other end that comes unasked."""


class Installation:
    """Workers share the installation's partitions; each slot has one of them at a time."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, **twist: object) -> None:
        """`twist`: of every worker, see tests/crash/worker.py."""
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.input = f"{prefix}-in"
        self.plan = write_plan(prefix, folder)
        self.running: dict[str, Worker] = {}
        self._slots: set[str] = set()
        self._ended_unasked: list[Worker] = []
        self._folder = folder
        self._twist = twist
        self._all: list[Worker] = []
        create_input(bootstrap, self.input, INPUT_PARTITIONS)
        create_topics(load_plan(self.plan), read_settings(bootstrap), BROKER_DEFAULT, None)

    def start(self, slot: str, *options: str, **twist: object) -> Worker:
        """Starts `headwater run` in a slot, with a twist of its own if need be."""
        arguments = ["run", "--verbose", "--slot", slot, "--plan", str(self.plan)]
        arguments += ["--bootstrap-servers", self.bootstrap, *options]
        log = self._folder / f"{self.prefix}-{len(self._all):03}-{slot}.log"
        worker = Worker(slot, arguments, log, self._twist | twist)
        self._all.append(worker)
        self.running[slot] = worker
        self._slots.add(slot)
        return worker

    def run_until_every_stage_has_offsets(self, slot: str) -> None:
        """Lets a worker run up to there: one that finds state without offsets would not start.

        (Where transactions are switched off, it could find it.)
        """
        worker = self.start(slot)
        last = topic_name(self.prefix, VALUES_ROLE)
        give_up_at = time.monotonic() + FINISH_S
        while not has_offsets(self.bootstrap, self.prefix, last):
            assert worker.code is None, worker
            assert time.monotonic() < give_up_at, worker
            time.sleep(POLL_S)
        assert worker.end(signal.SIGTERM) == 0, worker
        del self.running[slot]

    def supervise(self) -> list[Worker]:
        """Starts those anew that have ended by themselves, and returns them as they ended."""
        return self._restart([each for each in self.running.values() if each.code is not None])

    def _restart(self, ended: list[Worker], *options: str) -> list[Worker]:
        self._ended_unasked += ended
        for worker in ended:
            self.start(worker.slot, *options)
        return ended

    def finish(self, until: str) -> list[str]:
        """Lets all slots read to the end and stand at a moment; complaints about how it went."""
        for worker in self.running.values():
            worker.send(signal.SIGTERM)
        others = [each for each in self.running.values() if each.wait() not in STOPPED]
        wrong = [each for each in others if not (each.died_as_told or each.ended_a_stuck_commit)]
        for slot in sorted(self._slots):
            self.start(slot, "--until", until)
        give_up_at = time.monotonic() + FINISH_S
        while unfinished := [each for each in self.running.values() if each.code != 0]:
            if time.monotonic() > give_up_at:
                wrong += unfinished
                break
            self._restart([each for each in unfinished if each.code is not None], "--until", until)
            time.sleep(POLL_S)
        wrong += [each for each in self._ended_unasked if each.code in FOR_A_PERSON]
        return [str(each) for each in wrong]

    def outputs(self) -> dict[str, list[bytes]]:
        """What a reader of committed records sees, by role."""
        return {
            role: committed_records(self.bootstrap, topic_name(self.prefix, role))
            for role in (KPIS, SIGNALS, ALERTS, DEAD_LETTERS)
        }

    def end(self) -> None:
        for worker in self._all:
            if worker.code is None:
                worker.end()


@contextmanager
def installed(bootstrap: str, prefix: str, folder: Path, **twist: object) -> Iterator[Installation]:
    """An installation whose processes are all ended on the way out."""
    installation = Installation(bootstrap, prefix, folder, **twist)
    try:
        yield installation
    finally:
        installation.end()

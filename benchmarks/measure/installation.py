"""One installation of Headwater on the broker: topics and a plan of its own, and its workers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from agents import topics
from agents.service import create_topics
from agents.settings import read_settings
from benchmarks.generate import fill_topic
from benchmarks.measure.shared import WORK, headwater
from benchmarks.measure.worker import Worker
from schemas.outputs import ALERTS, DEAD_LETTERS, KPIS, SIGNALS
from schemas.plan.check import load_plan
from schemas.plan.models import Plan
from schemas.times import iso
from streams.catalogue import catalogue_ids

PLAN = Path(__file__).with_name("plan.yaml")
INPUT_PARTITIONS = 4
EMPTY: Mapping[str, Any] = MappingProxyType({})


class Installation:
    """Made on a broker, with empty topics. Its workers end with the `with` block."""

    def __init__(
        self, bootstrap: str, *, input_topic: str | None = None, also: Mapping[str, Any] = EMPTY
    ) -> None:
        """`input_topic`: one that exists already; None: a new one of its own. `also`: what the plan
        has beside the default, by its keys.
        """
        self.bootstrap = bootstrap
        self.prefix = f"measure-{time.time_ns():x}"
        self.input = input_topic or f"{self.prefix}-events"
        if input_topic is None:
            fill_topic(bootstrap, self.input, 0, INPUT_PARTITIONS)
        self.plan_file = _plan_file(self.input, self.prefix, also)
        create_topics(self.plan, read_settings(bootstrap), 1, None)
        self._workers: list[Worker] = []

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()

    @property
    def plan(self) -> Plan:
        return load_plan(self.plan_file, known_kpis=catalogue_ids())

    @property
    def signals(self) -> str:
        return topics.topic_name(self.prefix, SIGNALS)

    @property
    def kpis(self) -> str:
        return topics.topic_name(self.prefix, KPIS)

    @property
    def alerts(self) -> str:
        return topics.topic_name(self.prefix, ALERTS)

    @property
    def dead_letters(self) -> str:
        return topics.topic_name(self.prefix, DEAD_LETTERS)

    def start(
        self, slot: str = "one", *, until_ms: int | None = None, command: Sequence[str] = ()
    ) -> Worker:
        """Starts a worker; `command` instead of `headwater run`."""
        until = [] if until_ms is None else ["--until", iso(until_ms)]
        options = ["--plan", str(self.plan_file), "--bootstrap-servers", self.bootstrap]
        worker = Worker(
            [*(command or (headwater(), "run")), *options, "--slot", slot, *until],
            WORK / f"{self.prefix}.log",
        )
        self._workers.append(worker)
        return worker


def _plan_file(topic: str, prefix: str, also: Mapping[str, Any]) -> Path:
    plan = {**yaml.safe_load(PLAN.read_text()), **also}
    plan["inputs"][0]["topic"] = topic
    plan["prefix"] = prefix
    path = WORK / f"{prefix}.plan.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path

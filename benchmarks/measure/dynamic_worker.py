"""`headwater run` without static membership, which the command itself does not offer."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from agents.service import work
from agents.settings import Settings
from agents.transport.kafka import KafkaSettings
from schemas.plan.check import load_plan
from streams.catalogue import catalogue_ids


class Dynamic(Settings):
    """A new member of the group at every start."""

    def of_worker(self, group: str) -> KafkaSettings:
        return replace(super().of_worker(group), static=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure.dynamic_worker")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--slot", required=True)
    options = parser.parse_args()
    plan = load_plan(options.plan, known_kpis=catalogue_ids())
    work(plan, Dynamic(bootstrap_servers=options.bootstrap_servers, slot=options.slot, kafka={}))


if __name__ == "__main__":
    main()

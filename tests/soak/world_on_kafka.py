"""The simulated company, late and disordered, through a real broker and two workers."""

import gzip
import tempfile
from pathlib import Path

from agents.topics import topic_name
from schemas.outputs import DEAD_LETTERS, KPIS, SIGNALS
from schemas.times import iso
from tests.acceptance.shared_data import SHARED, TALLIES
from tests.acceptance.test_real_logs_on_kafka import end_of_the_last_day, run_on_two_workers
from tests.acceptance.test_world import LOGS, PLAN, WORLD, wrong_signals, wrong_values
from tests.kafka_broker import own_broker
from tests.kafka_runs import committed_records
from tests.records import result_of

RUN = "Kafka"


def complaints(seed: int, seconds: float) -> list[str]:
    """What differs from the truth. It takes as long as it takes, and is the same every time."""
    if not SHARED.is_dir():
        return ["acceptance data (../shared) is not there"]
    with gzip.open(WORLD / LOGS["disordered"], "rb") as file:
        lines = [line.strip() for line in file]
    folder, prefix = Path(tempfile.mkdtemp(prefix="headwater-world-")), "world"
    with own_broker(folder / "broker") as broker:
        servers = broker.bootstrap_servers
        until = iso(end_of_the_last_day(lines))
        run_on_two_workers(lines, PLAN, until, servers, prefix, folder)
        result = result_of(
            {
                role: committed_records(servers, topic_name(prefix, role))
                for role in (KPIS, SIGNALS, DEAD_LETTERS)
            }
        )
    values = wrong_values(result.kpis.values(), RUN)
    signals = wrong_signals(result.signals.values(), RUN)
    for (what, _), tally in TALLIES.items():
        print(f"{what}: {tally}", flush=True)
    return [*map(str, values), *map(str, signals), *map(str, result.dead_letters)]

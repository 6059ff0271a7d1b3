"""The real logs through a real broker: two workers, one of them stopped half-way and started again.

The input has four partitions. What the output topics hold in the end, read by an independent
client that sees committed records only, equals the published numbers.
"""

import gzip
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import orjson
import pytest
import yaml
from kafka.errors import KafkaError

from agents.topics import topic_name
from schemas.outputs import ALERTS, DEAD_LETTERS, KPIS, SIGNALS
from schemas.times import DAY_MS, iso, parse_iso
from tests.acceptance.shared_data import needs_shared_data
from tests.acceptance.test_real_logs import LOGS, PLANS, SEED, compare, log_of
from tests.kafka_broker import bootstrap_servers
from tests.kafka_runs import (
    Headwater,
    admin_of,
    committed_offsets,
    committed_records,
    create_input,
    ended,
    send,
)
from tests.records import Result, result_of

PARTITIONS = 4
HURRY_S = 120

pytestmark = [needs_shared_data, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One for these tests alone, so that they need not wait for all others of Kafka."""
    with bootstrap_servers(tmp_path_factory.mktemp("broker")) as addresses:
        yield addresses


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("volvo_bpic2013", "in order"),
        ("moodle_edify", "shuffled"),
        ("wikiticker_20150912", "in order"),
    ],
)
def test_two_workers_give_the_published_numbers(
    name: str, order: str, broker: str, prefix: str, tmp_path: Path
) -> None:
    with gzip.open(log_of(name), "rb") as file:
        lines = [line.strip() for line in file]
    until = iso(end_of_the_last_day(lines))
    if order == "shuffled":
        random.Random(SEED).shuffle(lines)
    run_on_two_workers(lines, PLANS / f"{LOGS[name]}.yaml", until, broker, prefix, tmp_path)
    write_as_a_replay_does(broker, prefix, tmp_path)
    assert compare(tmp_path, name, f"Kafka, {order}") == []


def run_on_two_workers(
    lines: list[bytes], plan: Path, until: str, broker: str, prefix: str, folder: Path
) -> None:
    """Feeds a log to two workers, of which one is stopped half-way and started again."""
    headwater = Headwater(broker, plan_with_prefix(plan, prefix, folder))
    create_input(broker, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    quarter = len(lines) // 4
    send(broker, f"{prefix}-in", lines[: 2 * quarter], PARTITIONS)
    try:
        first, second = (headwater.start("run", "--slot", slot) for slot in "ab")
        wait(lambda: owners(broker, prefix) == 2, first)
        wait(lambda: committed_offsets(broker, prefix, f"{prefix}-in") > 0, first)
        stop([second])
        send(broker, f"{prefix}-in", lines[2 * quarter : 3 * quarter], PARTITIONS)
        second = headwater.start("run", "--slot", "b")
        send(broker, f"{prefix}-in", lines[3 * quarter :], PARTITIONS)
        wait(lambda: committed_offsets(broker, prefix, f"{prefix}-in") == len(lines), second)
        wait(lambda: owners(broker, prefix) == 2, second)  # so that it is there to be told to end
        stop([first, second])
        finish = [headwater.start("run", "--slot", slot, "--until", until) for slot in "ab"]
        for worker in finish:
            code, _, errors = ended(worker)
            assert code == 0, errors
    finally:
        headwater.end_all()


def stop(workers: list[Popen[str]]) -> None:
    """Asks workers to end; each takes a last checkpoint and says that all is well."""
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        code, _, errors = ended(worker)
        assert code == 0, errors


def end_of_the_last_day(lines: list[bytes]) -> int:
    newest_ms = max(parse_iso(orjson.loads(line)["timestamp"]) for line in lines)
    return (newest_ms // DAY_MS + 1) * DAY_MS


def plan_with_prefix(plan: Path, prefix: str, folder: Path) -> Path:
    written = yaml.safe_load(plan.read_text())
    written |= {
        "prefix": prefix,
        "inputs": [{"topic": f"{prefix}-in", "format": "segment"}],
        "watermark": {"idle_after": "1h"},  # a log of old events: time must not jump to today
    }
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


def wait(condition: Callable[[], bool], worker: Popen[str]) -> None:
    """Waits until something holds of the group; it may not exist yet."""

    def holds() -> bool:
        try:
            return condition()
        except KafkaError:
            return False

    give_up_at = time.monotonic() + HURRY_S
    while not holds():
        assert worker.poll() is None, f"the worker ended: {worker.communicate()[1]}"
        assert time.monotonic() < give_up_at, "the workers do not get on"
        time.sleep(0.2)  # to ask costs more than to wait


def owners(bootstrap: str, group: str) -> int:
    """How many members of the group own partitions of the input."""
    with admin_of(bootstrap) as admin:
        members = admin.describe_groups([group])[group]["members"]
    return sum(f"{group}-in" in str(member.get("member_assignment")) for member in members)


def write_as_a_replay_does(bootstrap: str, prefix: str, folder: Path) -> None:
    """Dumps the output topics into the files that other programs compare."""
    dump = {
        role: committed_records(bootstrap, topic_name(prefix, role))
        for role in (KPIS, SIGNALS, ALERTS, DEAD_LETTERS)
    }
    for role, records in dump.items():
        file = folder / f"{role.replace('-', '_')}.jsonl"
        file.write_bytes(b"".join(record + b"\n" for record in records))
    summary = {"activation_lag_seconds": lags_of(result_of(dump))}
    (folder / "summary.json").write_bytes(orjson.dumps(summary))


def lags_of(result: Result) -> dict[str, float]:
    """Quantiles of the lags that the standing signals tell, by linear interpolation."""
    lags = sorted(
        signal["evidence"]["lag_seconds"]
        for signal in result.signals.values()
        if signal["signal"] == "activated"
    )

    def quantile(q: float) -> float:
        low, rest = divmod((len(lags) - 1) * q, 1)
        high = lags[min(int(low) + 1, len(lags) - 1)]
        return lags[int(low)] + rest * (high - lags[int(low)])

    return {"n": len(lags), "median": quantile(0.5), "p90": quantile(0.9)}

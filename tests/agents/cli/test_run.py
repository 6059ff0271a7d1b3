"""`headwater topics` and `headwater run` as processes on a real broker, beside a replay."""

import signal
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import yaml
from kafka import KafkaAdminClient, TopicPartition

from agents.topics import TOPICS, topic_name
from schemas.outputs import DEAD_LETTERS, KPIS, SIGNALS
from schemas.times import HOUR_MS, MINUTE_MS, iso, parse_iso
from tests.kafka_runs import TIMEOUT_S, Headwater, committed_records, create_input, ended, send
from tests.records import Result, result_of, settled
from tests.replays import headwater as run
from tests.replays import read_replay, replay, write_lines

PARTITIONS = 3
FIRST_MS = parse_iso("2015-09-11T22:00:00Z")
UNTIL = "2015-09-13T00:00:00Z"

pytestmark = pytest.mark.timeout(240)


def edits(count: int, seed: int = 1) -> list[bytes]:
    """Edits of an encyclopaedia over a day, a few of them late or twice, one that is broken."""
    rng = Random(seed)
    lines = []
    for number in range(count):
        at_ms = FIRST_MS + number * 24 * HOUR_MS // count + rng.randrange(MINUTE_MS)
        if rng.random() < 0.02:
            at_ms -= rng.randrange(3 * HOUR_MS)
        user = int(rng.expovariate(1 / 40))
        event = {
            "messageId": f"m{number}",
            "type": "track",
            "event": "Page Created" if rng.random() < 0.2 else "Page Edited",
            "timestamp": iso(at_ms),
            "context": {"groupId": f"#{rng.choice(['en', 'de', 'fr', 'vi'])}"},
            "properties": {"page": f"p{rng.randrange(50)}", "isRobot": rng.random() < 0.1},
            **({"anonymousId": f"ip{user}"} if user % 5 == 0 else {"userId": f"user{user}"}),
        }
        lines += [orjson.dumps(event)] * (2 if rng.random() < 0.01 else 1)
    return [*lines[: count // 2], b'{"type": "track"', *lines[count // 2 :]]


def plan_for(prefix: str) -> dict[str, Any]:
    return {
        "product": "Encyclopaedia",
        "inputs": [{"topic": f"{prefix}-in", "format": "segment"}],
        "activity": "all",
        "first_action": "first activity",
        "activation": {"event": "Page Created"},
        "key_tasks": {"edit": "Page Edited", "create": "Page Created"},
        "segments": {"robot": {"property": "isRobot"}},
        "milestones": {"distinct_users": [1, 3, 10], "activated_users": [3]},
        "horizon": "all",
        "prefix": prefix,
    }


@pytest.fixture
def plan(prefix: str, tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan_for(prefix), sort_keys=False))
    return path


@pytest.fixture
def headwater(kafka: str, plan: Path) -> Iterator[Headwater]:
    command = Headwater(kafka, plan)
    yield command
    command.end_all()


def result_on(bootstrap: str, prefix: str) -> Result:
    return result_of(
        {
            role: committed_records(bootstrap, topic_name(prefix, role))
            for role in (KPIS, SIGNALS, DEAD_LETTERS)
        }
    )


def replayed(lines: Sequence[bytes], plan: Path, folder: Path) -> Result:
    file = folder / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    kpis, signals, dead_letters, *_ = replay(file, plan, folder, UNTIL)
    return Result(kpis, signals, dead_letters)


def test_until_gives_what_a_replay_of_the_same_events_gives(
    kafka: str, prefix: str, plan: Path, headwater: Headwater, tmp_path: Path
) -> None:
    lines = edits(3000)
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    code, out, errors = headwater.run("topics", "create")
    assert code == 0, errors
    assert sorted(out.splitlines()) == sorted(f"created {topic.name(prefix)}" for topic in TOPICS)
    send(kafka, f"{prefix}-in", lines, PARTITIONS)

    code, _, errors = headwater.run("run", "--until", UNTIL)
    assert code == 0, errors

    ours, wanted = settled(result_on(kafka, prefix)), settled(replayed(lines, plan, tmp_path))
    assert ours - wanted == set()
    assert wanted - ours == set()
    assert len(wanted) > 100


def test_two_topics_come_to_what_their_files_come_to(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    lines = edits(1500)
    dues = [b"id,wiki,at,total"]
    for number in [*range(50), *range(10)]:  # some are told twice
        at = iso(FIRST_MS + (number % 24) * HOUR_MS)
        dues.append(f"m{number},#en,{at},{number}.50".encode())
    dues.append(b"m1,#en")
    plan = tmp_path / "two.yaml"
    billing = {
        "name": "billing",
        "topic": f"{prefix}-billing",
        "format": "csv",
        "columns": ["id", "wiki", "at", "total"],
        "fields": {"message_id": "id", "account": "wiki", "time": "at"},
        "drives_watermark": False,
        "events": [
            {"event": "billing", "is": "payment", "value": {"property": "total", "scale": 100}}
        ],
    }
    wanted = plan_for(prefix)
    wanted["inputs"].append(billing)
    plan.write_text(yaml.safe_dump(wanted, sort_keys=False))
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    create_input(kafka, f"{prefix}-billing", 2)
    command = Headwater(kafka, plan)
    try:
        command.create_topics()
        send(kafka, f"{prefix}-in", lines, PARTITIONS)
        send(kafka, f"{prefix}-billing", dues, 2)
        code, _, errors = command.run("run", "--until", UNTIL)
        assert code == 0, errors
    finally:
        command.end_all()

    events = write_lines(tmp_path / "events.jsonl", lines)
    rows = write_lines(tmp_path / "dues.csv", dues)
    files = [f"{prefix}-in={events}", f"billing={rows}"]
    run("replay", *files, "--plan", plan, "--out", tmp_path / "out", "--until", UNTIL)
    kpis, signals, dead_letters, *_ = read_replay(tmp_path / "out")
    ours = settled(result_on(kafka, prefix))
    replayed_ones = settled(Result(kpis, signals, dead_letters))
    assert ours == replayed_ones
    days = [
        each["value"]
        for key, each in kpis.items()
        if (key.kpi, key.period, key.segment) == ("revenue", "day", "all")
    ]
    assert sum(days) == sum(number * 100 + 50 for number in range(50))
    assert {letter["input"] for letter in dead_letters} == {f"{prefix}-in", "billing"}


def test_workers_that_join_and_leave_give_the_same_numbers_together(
    kafka: str, prefix: str, plan: Path, headwater: Headwater, tmp_path: Path
) -> None:
    lines = edits(3000)
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    send(kafka, f"{prefix}-in", lines[:1000], PARTITIONS)
    first = headwater.start("run", "--slot", "first", "--until", UNTIL)
    wait_for_records(kafka, topic_name(prefix, KPIS))
    send(kafka, f"{prefix}-in", lines[1000:2000], PARTITIONS)

    frugal = ("--unpacked-members", "1")  # which changes no number
    second = headwater.start("run", "--slot", "second", "--until", UNTIL, *frugal)
    send(kafka, f"{prefix}-in", lines[2000:], PARTITIONS)
    first.send_signal(signal.SIGTERM)
    code, _, errors = ended(first)
    assert code == 0, errors
    third = headwater.start("run", "--slot", "third", "--until", UNTIL)
    for worker in (second, third):
        code, _, errors = ended(worker)
        assert code == 0, errors

    ours, wanted = settled(result_on(kafka, prefix)), settled(replayed(lines, plan, tmp_path))
    assert ours - wanted == set()
    assert wanted - ours == set()


def wait_for_records(bootstrap: str, topic: str) -> None:
    give_up_at = time.monotonic() + TIMEOUT_S
    while not committed_records(bootstrap, topic):
        assert time.monotonic() < give_up_at, f"nothing came to {topic}"
        time.sleep(0.2)  # to ask costs more than to wait


def test_a_worker_that_is_asked_to_end_takes_a_last_checkpoint(
    kafka: str, prefix: str, headwater: Headwater
) -> None:
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    send(kafka, f"{prefix}-in", [b"{"] * 7, PARTITIONS)
    worker = headwater.start("run")
    letters = topic_name(prefix, DEAD_LETTERS)
    wait_for_records(kafka, letters)
    send(kafka, f"{prefix}-in", [b"["] * 7, PARTITIONS)

    worker.send_signal(signal.SIGTERM)

    assert ended(worker)[0] == 0
    assert headwater.run("run", "--until", UNTIL)[0] == 0
    assert len(committed_records(kafka, letters)) == 14


def test_the_largest_record_that_a_topic_takes_is_kept_as_a_dead_letter(
    kafka: str, prefix: str, headwater: Headwater
) -> None:
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    send(kafka, f"{prefix}-in", [b"{" * 1_000_000], PARTITIONS)

    code, _, errors = headwater.run("run", "--until", UNTIL)

    assert code == 0, errors
    (letter,) = map(orjson.loads, committed_records(kafka, topic_name(prefix, DEAD_LETTERS)))
    assert len(b64decode(letter["original"])) == 1_000_000


def test_a_run_until_a_moment_that_was_reached_ends_and_writes_nothing_more(
    kafka: str, prefix: str, headwater: Headwater
) -> None:
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    send(kafka, f"{prefix}-in", edits(200), PARTITIONS)
    assert headwater.run("run", "--until", UNTIL)[0] == 0
    before = [committed_records(kafka, topic_name(prefix, role)) for role in (KPIS, SIGNALS)]

    # Another slot: the first one's place is still kept for it, as it is for one that restarts.
    assert headwater.run("run", "--until", UNTIL, "--slot", "another")[0] == 0

    after = [committed_records(kafka, topic_name(prefix, role)) for role in (KPIS, SIGNALS)]
    assert after == before


def test_the_first_run_begins_where_it_is_told(
    kafka: str, prefix: str, headwater: Headwater
) -> None:
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    send(kafka, f"{prefix}-in", [b"{"] * 5, PARTITIONS)
    time.sleep(1.1)
    now = iso(time.time_ns() // 1_000_000)
    time.sleep(1.1)
    send(kafka, f"{prefix}-in", [b"["] * 4, PARTITIONS)

    assert headwater.run("run", "--until", UNTIL, "--from", now)[0] == 0

    letters = map(orjson.loads, committed_records(kafka, topic_name(prefix, DEAD_LETTERS)))
    assert [letter["original"] for letter in letters] == ["Ww=="] * 4


def test_lost_records_stop_a_worker_until_somebody_accepts_it(
    kafka: str, prefix: str, headwater: Headwater
) -> None:
    create_input(kafka, f"{prefix}-in", PARTITIONS)
    headwater.create_topics()
    send(kafka, f"{prefix}-in", edits(30), PARTITIONS)
    assert headwater.run("run", "--until", UNTIL)[0] == 0
    send(kafka, f"{prefix}-in", edits(30), PARTITIONS)
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.delete_records({TopicPartition(f"{prefix}-in", 1): -1})
    admin.close()

    code, _, errors = headwater.run("run", "--until", UNTIL)
    assert code == 1
    assert errors.startswith(f"Error: {prefix}-in partition 1: offsets ")
    assert "--accept-loss" in errors
    assert "Traceback" not in errors

    assert headwater.run("run", "--until", UNTIL, "--accept-loss")[0] == 0


def test_a_missing_topic_is_told_with_what_to_do(
    kafka: str, prefix: str, headwater: Headwater
) -> None:
    for command in (["run"], ["topics", "check"]):
        code, _, errors = headwater.run(*command)
        assert code == 1
        assert f"Input topic {prefix}-in does not exist" in errors
        assert "`headwater topics create`" in errors
        assert "Traceback" not in errors

    create_input(kafka, f"{prefix}-in", PARTITIONS)
    assert headwater.run("topics", "create")[0] == 0
    code, out, _ = headwater.run("topics", "check")
    assert code == 0
    assert "are as they must be" in out

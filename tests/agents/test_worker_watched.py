"""Worker processes on a real broker, as an operator watches them: pages, stalls, overload."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.local_broker import free_ports
from tests.agents.kafka_topics import create_topics, send_events
from tests.agents.test_worker_kafka import Workers, output
from tests.agents.toy import events

USERS = 100


@pytest.fixture
def workers(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Workers]:
    create_topics(kafka, prefix)
    started = Workers(kafka, prefix, tmp_path)
    yield started
    started.stop_all()


def page(port: int, path: str) -> tuple[int, str]:
    """Status and text; status 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def sample(text: str, name: str) -> float:
    """The sum of a metric over its labels; not a number before there is any."""
    starts = (f"{name} ", f"{name}{{")
    values = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(starts)]
    return sum(map(float, values)) if values else float("nan")


def test_a_worker_tells_that_it_lives_then_that_it_is_ready_and_how_it_does(workers: Workers):
    send_events(workers.bootstrap, workers.events, events(USERS, 20))
    (port,) = free_ports(1)
    worker = workers.start("a", port=port)
    workers.wait_until(lambda: page(port, "/healthz") == (200, "alive\n"))
    workers.wait_until(lambda: page(port, "/readyz") == (200, "ready\n"))
    workers.wait_for_the_end()
    workers.wait_until(
        lambda: sample(page(port, "/metrics")[1], "headwater_consumer_lag_records") == 0
    )
    text = page(port, "/metrics")[1]
    assert sample(text, "headwater_ready") == 1
    assert sample(text, "headwater_partitions") == 8
    assert sample(text, "headwater_checkpoint_age_seconds") < 10
    assert sample(text, "headwater_checkpoint_entities_total") >= USERS
    assert sample(text, "process_resident_memory_bytes") > 0
    assert page(port, "/elsewhere")[0] == 404
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0


def test_a_worker_whose_stage_blocks_exits_for_a_restart_and_says_where_it_stood(workers: Workers):
    send_events(workers.bootstrap, workers.events, events(USERS, 1))
    stalled = workers.start("a", delay_s=60, constants={"agents.monitor.LOOP_STALL_S": 3.0})
    assert stalled.wait(60) == os.EX_SOFTWARE
    assert "CRITICAL agents.health: stalled: the event loop; exiting" in output(stalled)
    assert 'toy.py", line' in output(stalled)
    assert workers.done() == 0


def test_a_slow_stage_keeps_its_place_in_the_group_and_reads_no_more_than_has_room(
    workers: Workers,
):
    """Each batch takes a second, and the first read alone has more than the group has patience."""
    send_events(workers.bootstrap, workers.events, events(USERS, 12))
    (port,) = free_ports(1)
    slow = workers.start(
        "a",
        port=port,
        delay_s=0.01,
        kafka={"max_poll_interval_ms": 6_000},
        constants={
            "agents.transport.kafka.BATCH_RECORDS": 100,
            "agents.transport.kafka.STAY_AFTER_S": 0.5,
        },
    )
    workers.wait_until(lambda: workers.done() > 0)
    fullest = 0.0
    while workers.done() < USERS * 12:
        text = page(port, "/metrics")[1]
        fullest = max(fullest, sample(text, 'headwater_queue_fill_ratio{queue="read_ahead"}'))
        time.sleep(0.5)
    workers.wait_for_the_end()
    assert "max.poll.interval" not in output(slow)
    assert output(slow).count(" assigned accounts") == 1
    assert 0 < fullest <= 1
    workers.check_every_event_counted_once(USERS, 12)

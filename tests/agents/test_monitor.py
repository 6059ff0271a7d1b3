"""What a worker says over HTTP of whether it lives and is ready."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agents.checkpoints import StopWorker
from agents.monitor import Monitor
from agents.pace import Pace
from agents.web import Address, found, serving
from agents.worker import StageSpec, Worker
from deploy.kafka.local_broker import free_ports
from tests.agents.test_worker import NOW_MS, Store, Sum, assign


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def watched(scenario: Callable[[Worker, Monitor], Coroutine[Any, Any, None]]) -> None:
    """Runs a scenario with a worker whose monitor knows it."""

    async def main() -> None:
        stage = StageSpec("sums", ["events", "states"], 1, Sum)
        worker = Worker([stage], Store(), prefix="t", clock=lambda: NOW_MS, pace=Pace())
        monitor = Monitor(slot="w", group="g")
        monitor._worker = worker
        await scenario(worker, monitor)
        await asyncio.sleep(0)
        if worker.failure.done():
            worker.failure.exception()

    asyncio.run(main())


def test_a_worker_is_ready_from_its_assignment_until_it_gives_up():
    async def scenario(worker: Worker, monitor: Monitor) -> None:
        waiting = "no partitions are assigned, or their state is being restored"
        assert monitor.unready() == waiting
        await assign(worker)
        assert monitor.unready() is None
        await worker.lost()
        assert monitor.unready() == waiting

    watched(scenario)


def test_a_worker_whose_checkpoints_are_late_or_fail_is_not_ready():
    async def scenario(worker: Worker, monitor: Monitor) -> None:
        await assign(worker)
        worker.durable_s = time.monotonic() - 45
        assert monitor.unready() == "no checkpoint for 45 s"
        assert await worker.checkpoint()
        assert monitor.unready() is None
        worker.fail(StopWorker("enough"))
        await asyncio.sleep(0)
        assert monitor.unready() == "it stops, see its log"

    watched(scenario)


def test_before_there_is_a_worker_it_lives_and_is_not_ready():
    async def scenario() -> list[tuple[int, str]]:
        (port,) = free_ports(1)
        monitor = Monitor(slot="w", group="g")
        async with monitor.watching(Address("127.0.0.1", port)):
            paths = ("/healthz", "/readyz", "/metrics")
            return [await asyncio.to_thread(ask, port, path) for path in paths]

    alive, ready, metrics = asyncio.run(scenario())
    assert alive == (200, "alive\n")
    assert ready == (503, "not ready: it starts\n")
    assert metrics[0] == 200
    assert 'headwater_worker_info{group="g",slot="w"' in metrics[1]


def test_pages_are_answered_while_the_event_loop_stands_still(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agents.monitor.ANSWER_S", 0.1)

    async def scenario() -> tuple[int, str]:
        (port,) = free_ports(1)
        monitor = Monitor(slot="w", group="g")
        async with monitor.watching(Address("127.0.0.1", port)):
            return ask(port, "/metrics")  # on the event loop, which so waits for the answer

    status, text = asyncio.run(scenario())
    assert status == 200
    assert "headwater_checkpoint_duration_seconds" in text


def test_other_pages_and_other_methods_are_refused():
    with serving(Address("127.0.0.1", 0), {"/page": lambda _: found("well", well=True)}) as port:
        assert ask(port, "/page") == (200, "well\n")
        assert ask(port, "/page?all=1")[0] == 200
        assert ask(port, "/") == (404, "/page\n")
        assert ask(port, "/page", "POST")[0] == 405


def test_a_port_that_is_taken_is_told():
    with (
        serving(Address("127.0.0.1", 0), {}) as port,
        pytest.raises(StopWorker, match=f"cannot listen on 127.0.0.1:{port}: "),
        serving(Address("127.0.0.1", port), {}),
    ):
        pass

"""A running worker as seen from outside: its metrics, whether it lives, whether it is ready."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import asynccontextmanager, nullcontext

from faust.types import TP
from prometheus_client import CollectorRegistry

from agents.app import fullest_agent
from agents.checkpoints.kafka import KafkaCheckpoints
from agents.health import Pulse, Watchdog, late
from agents.metrics import Metrics, Sight
from agents.transport.batches import DataPlaneApp
from agents.transport.kafka import BATCHES_READ_AHEAD, KafkaSource
from agents.web import Address, Page, found, serving
from agents.worker import Worker

READY_WITHIN_S = 30.0
"""A worker whose work has not been durable for longer is behind, and is told from a ready one."""
LOOP_STALL_S = 60.0
"""Longer than any batch or snapshot takes; what lasts so long does not end."""
LOOP_BEAT_S = 1.0
ANSWER_S = 2.0
"""A scrape waits so long for the event loop, and then shows what was read last."""


class Monitor:
    """Knows of a worker, once there is one, and says how it is."""

    def __init__(self, source: KafkaSource) -> None:
        self.metrics = Metrics(
            CollectorRegistry(), slot=source.settings.slot, group=source.settings.group
        )
        self._reading = source.reading
        self._loop = asyncio.get_running_loop()
        self._turns = Pulse("the event loop")
        self._pulses = (self._turns, source.reading.pulse)
        self._worker: Worker | None = None
        self._queues: Mapping[str, Callable[[], float]] = {}
        self._scraping = threading.Lock()

    @asynccontextmanager
    async def watching(self, http: Address | None) -> AsyncIterator[None]:
        """While it is open, pages are served and what stalls ends the process."""
        beats = asyncio.ensure_future(self._beat())
        web = serving(http, self.pages()) if http else nullcontext()
        try:
            with web, Watchdog(self._pulses):
                yield
        finally:
            beats.cancel()

    def watch(self, worker: Worker, app: DataPlaneApp, store: KafkaCheckpoints) -> None:
        """Begins to tell of a worker that has been made."""
        self._worker = worker
        self._queues = {
            "read_ahead": lambda: self._reading.waiting / BATCHES_READ_AHEAD,
            "agents": lambda: fullest_agent(app),
            "producer": lambda: store.waiting_ratio,
        }

    async def _beat(self) -> None:
        """Shows that the event loop turns."""
        try:
            while True:
                self._turns.due_within(LOOP_STALL_S)
                await asyncio.sleep(LOOP_BEAT_S)
        finally:
            self._turns.rest()

    def unready(self) -> str | None:
        """Why the worker is not ready; None: it is. From any thread."""
        worker = self._worker
        if worker is None:
            return "it starts"
        if worker.failure.done():
            return "it stops, see its log"
        durable_s = worker.durable_s
        if not worker.is_assigned or durable_s is None:
            return "no partitions are assigned, or their state is being restored"
        behind_s = time.monotonic() - durable_s
        if behind_s > READY_WITHIN_S:
            return f"no checkpoint for {behind_s:.0f} s"
        return None

    # ---- pages, asked for by threads of the web server

    def pages(self) -> dict[str, Callable[[str], Page]]:
        return {"/metrics": self._metrics_page, "/healthz": self._alive, "/readyz": self._ready}

    def _alive(self, _: str) -> Page:
        stalled = late(self._pulses)
        return found(stalled or "alive", well=stalled is None)

    def _ready(self, _: str) -> Page:
        reason = self.unready()
        return found(f"not ready: {reason}" if reason else "ready", well=reason is None)

    def _metrics_page(self, accepted: str) -> Page:
        with self._scraping:
            reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
            try:
                reading.result(ANSWER_S)
            except NoAnswer:
                reading.cancel()  # the event loop is busy: what was read last is shown
            return Page("200 OK", *self.metrics.page(accepted))

    async def _read(self) -> None:
        if self._worker is not None:
            ready = self.unready() is None
            queues = {name: fill() for name, fill in self._queues.items()}
            ends: Mapping[TP, int] = self._reading.ends
            now_ms = time.time_ns() // 1_000_000
            self.metrics.read(self._worker, Sight(now_ms, time.monotonic(), ready, ends, queues))
